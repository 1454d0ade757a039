"""Topics, metadata and fields of an output."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.bag_editing import (
    RunCommand,
    change_message,
    copy_output,
    get_time_ns,
    read_findings,
    rewrite_bag,
)
from helpers.bags import (
    CUSTOM_TOPIC,
    IMU_TOPIC,
    JPEG_TOPIC,
    LATCHED_TOPIC,
    RAW_TOPIC,
    START_NS,
    write_mcap,
)

STORAGES = ("mcap", "sqlite3")


@pytest.mark.parametrize("storage", STORAGES)
def test_verify_names_missing_topic(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
) -> None:
    source, clean = make_anonymized_bag(storage)
    output = copy_output(clean, tmp_path)
    rewrite_bag(output, lambda messages: messages, without=LATCHED_TOPIC)
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "error")
    assert any(
        t.startswith(f"{LATCHED_TOPIC}: the topic of type std_msgs/msg/String is") for t in told
    )
    assert {t.partition(": ")[0] for t in told} == {LATCHED_TOPIC}


def test_verify_compares_metadata(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, clean = make_anonymized_bag("sqlite3")
    output = copy_output(clean, tmp_path)
    with sqlite3.connect(output / "in.db3") as database:
        database.execute(
            "UPDATE topics SET offered_qos_profiles = '[]' WHERE name = ?", (IMU_TOPIC,)
        )
        database.execute(
            "UPDATE topics SET type_description_hash = 'x' WHERE name = ?", (RAW_TOPIC,)
        )
        database.execute(
            "UPDATE message_definitions SET encoded_message_definition = 'int8 a' "
            "WHERE topic_type LIKE 'strange%'"
        )
    path = output / "metadata.yaml"
    found = yaml.safe_load(path.read_text())
    topics = found["rosbag2_bagfile_information"]["topics_with_message_count"]
    (entry,) = [each for each in topics if each["topic_metadata"]["name"] == JPEG_TOPIC]
    entry["message_count"] = 7
    entry["topic_metadata"]["offered_qos_profiles"] = []
    path.write_text(yaml.safe_dump(found))
    assert run_verify(source, output) == 2
    starts = [
        f"{IMU_TOPIC}: qos differs",
        f"{RAW_TOPIC}: type hash differs",
        f"{CUSTOM_TOPIC}: definition differs",
        f"{JPEG_TOPIC}: metadata.yaml has 7 messages, the output 6",
        f"{JPEG_TOPIC}: metadata.yaml has other QoS profiles",
    ]
    told = read_findings(capsys, "error")
    for start in starts:
        assert any(line.startswith(start) for line in told), start


def test_verify_compares_mcap_fields(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    assert run_bag(source, output) == 0
    rewrite_bag(
        output, change_message(IMU_TOPIC, 0, lambda each: each._replace(extra=(1, each.extra[1])))
    )
    rewrite_bag(
        output,
        change_message(CUSTOM_TOPIC, 2, lambda each: each._replace(extra=(each.extra[0], 9))),
    )
    data = output.read_bytes()
    assert data.count(b"calibration.yaml") > 1
    output.write_bytes(data.replace(b"nobody", b"mister"))
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "error")
    assert (
        told[0] == f"{IMU_TOPIC} at {START_NS + 10} ns: publish_time_ns {START_NS - 323} became 1"
    )
    assert told[1].startswith(f"{CUSTOM_TOPIC} at {get_time_ns(CUSTOM_TOPIC) + 20} ns: sequence ")
    assert told[2:] == [
        "metadata trip: is missing in the output, or changed",
        "metadata trip: is in the output, but not so in the input",
    ]
