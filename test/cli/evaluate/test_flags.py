"""Flags that are derived from options, and options that are derived from flags."""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import pytest

from anon_ros.cli.evaluate.flags import OptionFlags, parse_options
from anon_ros.evaluation.options import (
    BetaOptions,
    Comparison,
    DetectionOptions,
    ExperimentOptions,
    FrameSelection,
    OcclusionOptions,
    OverviewOptions,
    QualityOptions,
    ReidOptions,
    TemporalOptions,
    TrainingOptions,
)

_REQUIRED = ["IN", "-o", "OUT"]


def parse(options_class: type[ExperimentOptions], *flags: str) -> ExperimentOptions:
    parser = ArgumentParser()
    OptionFlags(parser).add(options_class)
    return parse_options(parser.parse_args([*_REQUIRED, *flags]), options_class)


@pytest.mark.parametrize(
    "options_class",
    [
        *(OverviewOptions, ReidOptions, TemporalOptions, QualityOptions),
        *(DetectionOptions, OcclusionOptions, BetaOptions),
    ],
)
def test_defaults_are_those_of_options(options_class: type[ExperimentOptions]) -> None:
    expected = options_class(frames=FrameSelection(path=Path("IN")), output=Path("OUT"))
    assert parse(options_class) == expected


def test_flags_reach_nested_options() -> None:
    flags = ["--methods", "blur", "sdxl", "--stride", "3", "--topics", "/a", "/b", "--epochs", "7"]
    defaults = DetectionOptions(frames=FrameSelection(path=Path("IN")), output=Path("OUT"))
    assert parse(DetectionOptions, *flags, "--label-classes", "cat") == replace(
        defaults,
        frames=FrameSelection(path=Path("IN"), topics=("/a", "/b"), stride=3),
        comparison=Comparison(methods=("blur", "sdxl")),
        training=TrainingOptions(epochs=7),
        label_classes=("cat",),
    )


def test_repeated_flags_are_collected() -> None:
    options = parse(ReidOptions, "--embedder", "a.pt", "--embedder", "b=c.onnx")
    assert isinstance(options, ReidOptions)
    assert options.embedders == ("a.pt", "b=c.onnx")


@pytest.mark.parametrize(
    ("options_class", "flags", "problem"),
    [
        (ReidOptions, "--stride 0", "--stride: expected a positive integer, got 0"),
        (ReidOptions, "--stride x", "--stride: expected a positive integer, got x"),
        (ReidOptions, "--fps inf", "--fps: expected a number above 0, got inf"),
        (
            DetectionOptions,
            "--train-fraction 1",
            "--train-fraction: expected a number above 0 and below 1, got 1",
        ),
        (BetaOptions, "--betas 1 1.1", "--betas: expected a number above 0 and up to 1, got 1.1"),
        (ReidOptions, "--methods none", "--methods: invalid choice: 'none'"),
        (OcclusionOptions, "--depth a --depth-topic b", "not allowed with argument --depth"),
    ],
)
def test_bad_values_rejected(
    options_class: type[ExperimentOptions],
    flags: str,
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse(options_class, *flags.split())
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("options_class", [DetectionOptions, QualityOptions, ReidOptions])
def test_old_names_give_same_options(options_class: type[ExperimentOptions]) -> None:
    old = parse(options_class, "--modes", "blur", "--every-nth", "2", "--limit", "5")
    assert old == parse(options_class, "--methods", "blur", "--stride", "2", "--max-frames", "5")
