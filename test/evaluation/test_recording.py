"""Reports on a recording and its run report."""

from argparse import Namespace
from pathlib import Path

import pytest

from anon_ros.cli.config_flags import parse_config
from anon_ros.cli.main import main
from anon_ros.config import load_config
from anon_ros.core import RgbImage
from anon_ros.errors import ModelError
from anon_ros.evaluation.options import Comparison, FrameSelection, OverviewOptions
from anon_ros.evaluation.provenance import format_models
from anon_ros.evaluation.recording import inherit_parameters, summarize_recording
from helpers.bags import RAW_TOPIC, START_NS, BagMessage, make_raw_image, write_rosbag2

OTHER_TOPIC = "/other/image_raw"


def test_recording_page_lists_gaps(
    demo_weights: Path,
    tmp_path: Path,
    vtest_rgb: dict[str, RgbImage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = vtest_rgb["vtest0120"][100:300, 100:400]
    messages = [
        BagMessage(
            topic,
            "sensor_msgs/msg/Image",
            START_NS + index * 100_000_000,
            make_raw_image(image, index),
        )
        for index in range(4)
        for topic in (RAW_TOPIC, OTHER_TOPIC)
    ]
    source = write_rosbag2(tmp_path / "in", messages=messages)
    given = ["--detect.weights", str(demo_weights), "--detect.classes", "person", "fallen person"]
    given += ["--copy", OTHER_TOPIC, "--no-masks", "--every-nth", "2", "--inpaint.method", "telea"]
    assert main(["bag", str(source), str(tmp_path / "out"), *given]) == 0
    options = OverviewOptions(
        frames=FrameSelection(path=source),
        output=tmp_path,
        comparison=Comparison(anonymized=tmp_path / "out"),
    )
    models_directory = tmp_path / "models"
    monkeypatch.setenv("ANON_ROS_MODELS", str(models_directory))
    with pytest.raises(ModelError, match=r"name the weights: --detect\.weights"):
        inherit_parameters(options, set())
    inherited = inherit_parameters(options, {"detect.weights"})
    assert inherited.keys().isdisjoint({"detect.weights", "detect.backend"})
    models_directory.mkdir()
    (models_directory / "renamed.pt").symlink_to(demo_weights)
    inherited = inherit_parameters(options, set())
    assert inherited.keys().isdisjoint({"inpaint.model", "inpaint.vae", "inpaint.lora"})
    config = load_config(None, inherited)
    assert config.detect.weights == (str(models_directory / "renamed.pt"),)
    assert config.inpaint.method == "telea"
    report = summarize_recording(options, config)
    assert report.summary[0].startswith(
        f"NOT anonymized, copied as recorded: {OTHER_TOPIC} (sensor_msgs"
    )
    assert "times by telea (inpaint.method), no synthetic person" in report.summary[1]
    assert report.summary[2] == "2 images were skipped and 0 lost: they are not written."
    assert any("Not verified: pixels outside" in line for line in report.limitations)


def test_unreadable_run_report_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").touch()  # damaged
    options = OverviewOptions(
        frames=FrameSelection(path=tmp_path / "in"),
        output=tmp_path / "proof",
        comparison=Comparison(anonymized=tmp_path),
    )
    assert inherit_parameters(options, set()) == {}


def test_flags_override_run_report() -> None:
    arguments = Namespace(config=[], node="", **{"inpaint.seed": 7})
    config = parse_config(arguments, {"inpaint.seed": 1, "inpaint.method": "telea"})
    assert (config.inpaint.seed, config.inpaint.method) == (7, "telea")


def test_provenance_names_each_detector() -> None:
    models = [
        {"parameter": "detect.weights", "name": name, "licence": "own", "sha256": name * 2}
        for name in "ab"
    ]
    text = "a, own, SHA-256 aa; b, own, SHA-256 bb"
    assert format_models(models) == {"detect.weights": text}
