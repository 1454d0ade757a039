"""Topics and attachments that a run copies only if the user names them."""

import json
from pathlib import Path

import mcap.writer
import pytest

from helpers.bag_editing import RunCommand, read_findings
from helpers.bags import CUSTOM_TOPIC, IMAGE_TOPICS, write_rosbag2


@pytest.mark.parametrize("topic", IMAGE_TOPICS)
def test_copied_images_warned(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    topic: str,
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--copy", topic, "--copy", CUSTOM_TOPIC) == 0
    assert run_verify(source, output) == 1
    (warning,) = read_findings(capsys, "warning")
    assert warning.startswith(f"{topic}: of type sensor_msgs/msg/")
    assert "was copied, whoever is in it" in warning


def test_report_excuses_no_copy(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report that calls all images something that the plan copied."""
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, *(word for t in IMAGE_TOPICS for word in ("--copy", t))) == 0
    report = json.loads((output / "report.json").read_text("utf-8"))
    for topic in report["topics"]:
        topic |= {"origin": "plan", "reason": ""}
    (output / "report.json").write_text(json.dumps(report), "utf-8")
    for flags in ([], ["--no-redetection"]):
        assert run_verify(source, output, *flags) == 1
        warnings = read_findings(capsys, "warning")
        assert {warning.partition(": ")[0] for warning in warnings} == set(IMAGE_TOPICS)
        assert len(warnings) == len(IMAGE_TOPICS)


def test_copied_pictures_warned(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "in.mcap", tmp_path / "out.mcap"
    with source.open("wb") as stream:
        writer = mcap.writer.Writer(stream)
        writer.start("ros2")
        writer.add_attachment(1, 1, "scene", "image/png", b"\x89PNG")
        writer.add_attachment(1, 1, "map.yaml", "", b"a: 1")
        writer.add_metadata("trip", {"driver": "nobody"})
        writer.finish()
    assert run_bag(source, output, "--copy", "scene") == 0
    assert run_verify(source, output) == 1
    (warning,) = read_findings(capsys, "warning")
    assert warning.startswith("scene: of type image/png was copied")
