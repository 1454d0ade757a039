"""The run report is read as it was written, by this version and the one before."""

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from anon_ros.bags import DecisionOrigin, ImageCounts, Loss, RunReport, TopicAction, TopicReport
from anon_ros.config import Config, load_config, with_overrides
from anon_ros.errors import BagError

RAW, IMU, DEPTH, VIDEO = "/cam/image_raw", "/imu/data", "/cam/depth", "/cam/video"
IMAGE_TYPE, IMU_TYPE = "sensor_msgs/msg/Image", "sensor_msgs/msg/Imu"

REPORT_V1: dict[str, Any] = {
    "job": "ab" * 32,
    "input": "/data/drive",
    "output": "/data/drive_anonymized",
    "started": "2026-05-01T10:00:00+00:00",
    "ended": "2026-05-01T10:05:00+00:00",
    "versions": {"python": "3.11.7", "anon_ros": "0.1.0"},
    "models": [{"parameter": "detect.weights", "path": "/models/a.pt", "sha256": "cd" * 32}],
    "seed": 7,
    "parameters": {
        "detect.weights": "a.pt",
        "detect.confidence": 0.3,
        "inpaint.seed": 7,
        "skip.every_nth": 2,
        "skip.of_a_version_to_come": 1,
    },
    "prefix": "/anon",
    "log_times_ns": [100, 900],
    "masks": True,
    "topics": [
        {
            "topic": RAW,
            "type": IMAGE_TYPE,
            "decision": "ANONYMIZE",
            "reason": "",
            "output_topic": f"/anon{RAW}",
            "messages": 6,
            "written": 3,
            "anonymized": 3,
            "skipped": 2,
            "lost": 1,
            "persons": 5,
            "inpainted": 4,
            "covered": 1,
            "carried": 2,
        },
        {
            "topic": IMU,
            "type": IMU_TYPE,
            "decision": "COPY",
            "reason": "",
            "output_topic": f"/anon{IMU}",
            "messages": 10,
            "written": 9,
        },
        {
            "topic": DEPTH,
            "type": IMAGE_TYPE,
            "decision": "COPY",
            "reason": "--copy: whoever is seen stays",
            "output_topic": f"/anon{DEPTH}",
            "messages": 4,
            "written": 4,
        },
        {
            "topic": VIDEO,
            "type": "foxglove_msgs/msg/CompressedVideo",
            "decision": "DROP",
            "reason": "--drop",
            "output_topic": f"/anon{VIDEO}",
            "messages": 8,
            "written": 0,
        },
        {
            "topic": "notes.txt",
            "type": "text/plain",
            "decision": "COPY",
            "reason": "attachment",
            "output_topic": "/anon/notes.txt",
            "messages": -1,
            "written": 0,
        },
    ],
    "persons_per_frame": {"0": 1, "2": 1, "3": 1},
    "covered": {"NxN px is below inpaint.min_person_px = N": 1},
    "lost": {
        "count": 2,
        "places": [
            f"drive_0.mcap, {RAW} at 250 ns: encoding 'x': not supported",
            "drive_0.mcap, byte 4711: crc mismatch",
        ],
    },
}


@pytest.fixture
def report() -> RunReport:
    """A report with every kind of topic and loss."""
    return RunReport.from_json(REPORT_V1)


def test_report_reads_version_1(report: RunReport) -> None:
    assert report.fingerprint == "ab" * 32
    assert report.time_range_ns == (100, 900)
    assert report.has_masks
    assert report.losses == (
        Loss("drive_0.mcap", RAW, 250, "encoding 'x': not supported"),
        Loss("drive_0.mcap, byte 4711", "", None, "crc mismatch"),
    )
    assert report.num_losses == 2
    assert report.config.skip.every_nth == 2
    assert report.config.detect.confidence == 0.3
    assert [topic.origin for topic in report.topics] == [
        DecisionOrigin.PLAN,
        DecisionOrigin.PLAN,
        DecisionOrigin.COPY_FLAG,
        DecisionOrigin.DROP_FLAG,
        DecisionOrigin.PLAN,
    ]


def test_report_of_version_1_keeps_its_parameters() -> None:
    names = {"inpaint.kind": "fill", "memory.s": 0.5, "detect.iou": 0.6, "inpaint.crop": "bucket"}
    values = {**REPORT_V1, "parameters": {**REPORT_V1["parameters"], **names}}
    config = RunReport.from_json(values).config
    assert config.inpaint.method == "fill"
    assert config.memory.duration_s == 0.5
    assert config.detect.nms_iou == 0.6
    assert config.inpaint.aspect == "auto"


def test_report_round_trip(report: RunReport, tmp_path: Path) -> None:
    report.write(tmp_path / "report.json")
    assert RunReport.read(tmp_path / "report.json") == report
    content = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert content["schema_version"] == 2
    assert content["losses"][0] == {
        "file": "drive_0.mcap",
        "topic": RAW,
        "log_time_ns": 250,
        "problem": "encoding 'x': not supported",
        "place": "",
    }
    assert {"job", "log_times_ns", "masks", "lost"}.isdisjoint(content)
    assert [topic["origin"] for topic in content["topics"]][2:4] == ["copy_flag", "drop_flag"]


def test_report_derives_topics(report: RunReport) -> None:
    assert set(report.topics_by_key) == {(RAW, IMAGE_TYPE), (IMU, IMU_TYPE), (DEPTH, IMAGE_TYPE)}
    assert report.attachments == {("notes.txt", "text/plain")}
    assert report.dropped == {(VIDEO, "foxglove_msgs/msg/CompressedVideo")}
    assert report.num_written == {f"/anon{RAW}": 3, f"/anon{IMU}": 9, f"/anon{DEPTH}": 4}
    assert report.lost_messages == {(RAW, 250)}
    assert report.image_counts == ImageCounts(3, 2, 1, 5, 4, 1, 2)
    assert report.num_empty_images == 1


def test_report_knows_unlisted_losses(report: RunReport) -> None:
    assert report.has_unlisted_losses  # of a place
    listed = replace(report, losses=report.losses[:1], num_losses=1)
    assert not listed.has_unlisted_losses
    assert replace(listed, num_losses=2).has_unlisted_losses


@pytest.mark.parametrize(("method", "expected"), [("sdxl", True), ("fill", False), ("blur", True)])
def test_report_knows_synthetic_persons(report: RunReport, method: str, *, expected: bool) -> None:
    config = load_config(None, {"inpaint.method": method})
    assert replace(report, config=config).has_synthetic_persons is expected
    assert not replace(report, config=config, topics=report.topics[1:]).has_synthetic_persons


def test_report_knows_drawn_targets_for_synthetic_persons(report: RunReport) -> None:
    """In an image without a person a model drew a vehicle, and perhaps somebody in it."""
    drawn = TopicReport(**{**vars(report.topics[0]), "images": ImageCounts(anonymized=1, drawn=1)})
    config = load_config(None, {"inpaint.method": "sdxl"})
    assert replace(report, config=config, topics=(drawn,)).has_synthetic_persons


def test_values_of_a_target_are_recorded_as_they_were_set(report: RunReport) -> None:
    values = {"targets.preset": "person+plate", "targets.plate.beta_d": 0}
    recorded = replace(report, config=load_config(None, values))
    content = recorded.to_json()
    assert content["parameters"]["targets.plate.beta_d"] == 0
    assert RunReport.from_json(content) == recorded


def test_report_is_immutable(report: RunReport) -> None:
    for values in (report, report.topics[0], report.topics[0].images):
        with pytest.raises(FrozenInstanceError):
            values.lost = 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema_version": 3}, "schema_version 3 is newer than 2"),
        ({"topics": [{"topic": RAW}]}, "KeyError"),
        ({"time_range_ns": 5}, "TypeError"),
        ({"losses": [{"where": "here"}]}, "TypeError"),
        ({"parameters": {"detect.confidence": "much"}}, "detect.confidence"),
    ],
)
def test_report_rejects_nonsense(
    report: RunReport, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**report.to_json(), **changes}), "utf-8")
    with pytest.raises(BagError, match=problem):
        RunReport.read(path)


def test_report_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BagError, match=r"report\.json is missing"):
        RunReport.read(tmp_path / "report.json")


def test_topic_report_without_images() -> None:
    topic = TopicReport(
        *(IMU, IMU_TYPE, TopicAction.COPY, DecisionOrigin.PLAN, "", IMU),
        num_messages=3,
        num_written=3,
    )
    assert TopicReport.from_json(topic.to_json()) == topic
    assert "anonymized" not in topic.to_json()


def test_report_config_is_complete(report: RunReport) -> None:
    assert RunReport.from_json(replace(report, config=Config()).to_json()).config == Config()


def test_report_names_each_detector(report: RunReport, tmp_path: Path) -> None:
    models = tuple({"parameter": "detect.weights", "sha256": digest} for digest in ("a", "b", "a"))
    several = replace(
        report, models=models, config=with_overrides(report.config, {"detect.weights": ["a", "b"]})
    )
    several.write(tmp_path / "report.json")
    read = RunReport.read(tmp_path / "report.json")
    assert read.weights_sha256 == ["a", "b"]
    assert read.config.detect.weights == ("a", "b")
    assert report.weights_sha256 == ["cd" * 32]
    assert replace(report, models=()).weights_sha256 == [""]
