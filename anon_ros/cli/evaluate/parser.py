"""The commands of ``anon_ros evaluate``; an experiment is imported when it is run."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from dataclasses import dataclass
from textwrap import fill

from anon_ros.cli.config_flags import add_config_flags
from anon_ros.cli.evaluate.flags import OptionFlags
from anon_ros.evaluation.options import (
    BetaOptions,
    DetectionOptions,
    ExperimentOptions,
    OcclusionOptions,
    OverviewOptions,
    QualityOptions,
    ReidOptions,
    TemporalOptions,
)

_DESCRIPTION = """\
Measure what anonymization did to identity and use. Each command writes report.html (complete in
itself), report.json, one CSV file per table and one SVG file per plot into the folder --output.
The same command continues where it was stopped.
"""
_EXAMPLES = """\
examples:
  anon_ros evaluate all drive/ -o proof/                             everything about a recording
  anon_ros evaluate all drive/ --anonymized drive_anonymized/ -o proof/      ... anonymized before
  anon_ros evaluate detection photos/ -o detection/ --methods fill blur       compare two methods
  anon_ros evaluate reid market1501/ -o reid/ --embedder osnet.onnx
"""
_REID_EPILOG = """\
embedders: any network that makes a vector of a person. OSNet and ResNet-50 for re-identification
come from the model zoo of torchreid; export one, or a ViT, where its package is installed:
  torch.onnx.export(model.eval(), torch.zeros(1, 3, 256, 128), "osnet.onnx", dynamo=False)
and give it as --embedder osnet.onnx. A TorchScript file (.pt) works, too, but can write files when
it runs: trust it as a program. Images are resized and normalised as for ImageNet.
"""
_WIDTH = 98
_MODEL_GROUPS = ("detect", "mask", "inpaint", "compute")
_TRACKING_GROUPS = (*_MODEL_GROUPS, "track", "memory", "identity")
_NOT_OFFERED = ("inpaint.method",)  # --methods says it


@dataclass(frozen=True)
class _Command:
    """A command of ``anon_ros evaluate``.

    Attributes:
        name: word on the command line.
        summary: a phrase for the list of commands.
        description: for its own help.
        options_class: of its experiment.
        groups: of parameters that it takes.
        epilog: below its help, as it is.
    """

    name: str
    summary: str
    description: str
    options_class: type[ExperimentOptions]
    groups: tuple[str, ...]
    epilog: str = ""


_COMMANDS = (
    _Command(
        "all",
        "everything below but beta about one recording, on one page",
        "Every experiment but beta about one recording, on one page: what was done (of a recording "
        "made by anon_ros bag, from its report, and verified), re-identification, uncovered "
        "persons, image quality, detection, paste order. The page says what cannot be measured.",
        OverviewOptions,
        _TRACKING_GROUPS,
    ),
    _Command(
        "reid",
        "are anonymized persons recognized?",
        "Search for anonymized persons among the originals (arXiv 2410.08551, section 4). IN is a "
        "dataset for re-identification (folder of Market-1501 or LaST, or a table with the columns "
        "split, path, person, camera), whose queries are anonymized; or a recording, video or "
        "folder of frames, whose persons are tracked and cut out once in each period.",
        ReidOptions,
        _TRACKING_GROUPS,
        _REID_EPILOG,
    ),
    _Command(
        "temporal",
        "is every person covered at all times, and how much do the results flicker?",
        "How many labelled persons stay uncovered, with and without the mask memory (all of IN is "
        "observed first, as by anon_ros bag); and how much the result flickers from frame to "
        "frame, against the original.",
        TemporalOptions,
        _TRACKING_GROUPS,
    ),
    _Command(
        "quality",
        "do the results look like the originals?",
        "FID, KID, IS and LPIPS of the anonymized frames against the originals, of full images and "
        "of persons, as far as the weights are there (anon_ros models lists them); Frechet and "
        "kernel distances on the features of any other network; sharpness and difference.",
        QualityOptions,
        _MODEL_GROUPS,
    ),
    _Command(
        "detection",
        "does a person detector find as much?",
        "COCO's average precision (AP) of a person detector on the original and on the anonymized "
        "frames, with the same labels. With --train-from also the paper's protocol: detectors "
        "trained on the anonymized frames of the first part of IN, tested on the original ones of "
        "the rest.",
        DetectionOptions,
        _MODEL_GROUPS,
    ),
    _Command(
        "occlusion",
        "is the nearer person pasted on top?",
        "Persons are pasted in the order of their coverage, since whoever covers more is assumed "
        "to be nearer (arXiv 2410.08551, section 3.3). Measure how often that puts the wrong "
        "person on top, in comparison with other orders: in synthetic scenes of known depth, made "
        "of persons cut out of IN, and in IN itself.",
        OcclusionOptions,
        ("detect", "mask", "compute.device", "inpaint.seed"),
    ),
    _Command(
        "beta",
        "how much noise is enough?",
        "Anonymize the persons of IN with several noise levels (inpaint.beta_d; and sizes, and "
        "prompts), and measure for each re-identification, image quality, detection and time. "
        "Recommends the smallest noise level that hides the persons.",
        BetaOptions,
        _TRACKING_GROUPS,
    ),
)


def add_evaluate_parser(parser: ArgumentParser) -> None:
    """Add the commands of ``anon_ros evaluate``."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    parser.formatter_class = RawDescriptionHelpFormatter
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        _add_command(subparsers.add_parser(command.name, help=command.summary), command)


def _add_command(parser: ArgumentParser, command: _Command) -> None:
    parser.usage = f"anon_ros evaluate {command.name} IN -o DIR [options]"
    parser.description = fill(command.description, _WIDTH)
    parser.epilog = command.epilog or None
    parser.formatter_class = RawDescriptionHelpFormatter
    OptionFlags(parser).add(command.options_class)
    add_config_flags(parser, command.groups, _NOT_OFFERED)
    parser.set_defaults(run=_run, command=command)


def _run(arguments: Namespace) -> int:
    from anon_ros.cli.evaluate.run import run_command  # noqa: PLC0415 - needs OpenCV, not for --help

    return run_command(arguments.command.options_class, arguments)
