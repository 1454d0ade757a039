"""A recording stays what it was, but for the persons: by other readers, in every form."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mcap.reader
import mcap.writer
import numpy as np
import pytest
import yaml
from reading import Read, channels, everything_but_pixels, fields, picture, read
from recordings import (
    BAYER,
    COPIED,
    IMAGES,
    IMU,
    JPEG,
    RAW,
    START_NS,
    STEP_NS,
    by_mcap,
    by_ros1,
    by_rosbags,
    recorded,
    split,
)
from rosbags.rosbag2 import Reader
from sentinel import persons_seen, street

Run = Callable[..., int]

ROSBAG2 = [
    (storage, compression)
    for storage in ("mcap", "sqlite3")
    for compression in ("none", "file", "message", "storage")
    if (storage, compression) != ("sqlite3", "storage")
]


def copied(messages: list[Read]) -> list[Read]:
    return [each for each in messages if each.topic.removeprefix("/anon") in COPIED]


def images(messages: list[Read]) -> list[Read]:
    return [each for each in messages if each.topic.removeprefix("/anon") in IMAGES]


def check_images(before: list[Read], after: list[Read], *, ros1: bool = False) -> None:
    """Persons are gone, nothing else."""
    assert len(before) == len(after) > 0
    for one, other in zip(images(before), images(after), strict=True):
        assert (one.topic, one.type_name, one.time_ns) == (
            other.topic.removeprefix("/anon"),
            other.type_name,
            other.time_ns,
        )
        was, now = fields(one, ros1=ros1), fields(other, ros1=ros1)
        assert everything_but_pixels(was) == everything_but_pixels(now)
        assert persons_seen(picture(was)).any()
        assert not persons_seen(picture(now)).any(), one.topic
        if hasattr(was, "encoding"):
            same = np.mean(np.array(was.data) == np.array(now.data))
            assert 0.3 < same < 0.99


def metadata(path: Path) -> dict[str, Any]:
    information = yaml.safe_load((path / "metadata.yaml").read_text())
    return dict(information["rosbag2_bagfile_information"])


@pytest.mark.parametrize(("storage", "compression"), ROSBAG2)
def test_a_rosbag2_folder_keeps_its_form(
    tmp_path: Path, run: Run, storage: str, compression: str
) -> None:
    source = by_rosbags(tmp_path / "in", storage, compression)
    assert run(source, tmp_path / "out") == 0
    before, after = read(source), read(tmp_path / "out")
    assert copied(before) == copied(after)
    assert [each[:3] for each in before] == [each[:3] for each in after]
    check_images(before, after)
    assert channels(source) == channels(tmp_path / "out")
    assert metadata(source) == metadata(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["persons_per_frame"] == {"3": 18}
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.parametrize("compression", ["", "lz4", "zstd"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_file_of_another_author_keeps_what_only_mcap_has(
    tmp_path: Path, run: Run, compression: str, *, chunked: bool
) -> None:
    source = by_mcap(tmp_path / "in.mcap", compression, use_chunking=chunked)
    output = tmp_path / "out.mcap"
    assert run(source, output) == 0
    before, after = read(source), read(output)
    assert copied(before) == copied(after)
    assert [each.extra for each in before] == [each.extra for each in after]
    check_images(before, after)
    one, other = (mcap.reader.make_reader(path.open("rb")) for path in (source, output))
    assert one.get_header().profile == other.get_header().profile == "ros2"
    was, now = one.get_summary(), other.get_summary()
    assert announced(was) == announced(now)
    assert [each.compression for each in was.chunk_indexes[:1]] == [
        each.compression for each in now.chunk_indexes[:1]
    ]
    assert bool(was.chunk_indexes) == bool(now.chunk_indexes) == chunked
    assert list(one.iter_attachments()) == list(other.iter_attachments())
    assert [(m.name, m.metadata) for m in one.iter_metadata()] == [
        (m.name, m.metadata) for m in other.iter_metadata()
    ]
    assert (tmp_path / "out.mcap.report.json").exists()
    # rosbags reads it, too.
    assert [each[:4] for each in after] == [
        (c.topic, c.msgtype, t, bytes(d)) for c, t, d in _rosbags_messages(output)
    ]


def announced(summary: Any) -> list[Any]:
    """Each channel with its schema, whatever their numbers."""
    schemas = {key: (s.name, s.encoding, s.data) for key, s in summary.schemas.items()}
    return [
        (c.topic, c.message_encoding, c.metadata, schemas[c.schema_id])
        for c in summary.channels.values()
    ]


def _rosbags_messages(path: Path) -> list[Any]:
    with Reader(path) as reader:
        return list(reader.messages())


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_storage_file_on_its_own(tmp_path: Path, run: Run, storage: str) -> None:
    folder = by_rosbags(tmp_path / "in", storage)
    (source,) = folder.glob("in.*")
    output = tmp_path / f"out{source.suffix}"
    assert run(source, output) == 0
    check_images(read(source), read(output))
    assert channels(source) == channels(output)
    assert run(source, tmp_path / "folder") == 0
    assert metadata(tmp_path / "folder")["custom_data"] == {"vehicle": "number 5"}
    assert [c[:4] for c in channels(tmp_path / "folder")] == [c[:4] for c in channels(folder)]


@pytest.mark.parametrize("compression", ["none", "bz2", "lz4"])
def test_a_bag_of_ros_1(tmp_path: Path, run: Run, compression: str) -> None:
    source, output = by_ros1(tmp_path / "in.bag", compression), tmp_path / "out.bag"
    assert run(source, output) == 0
    before, after = read(source), read(output)
    assert copied(before) == copied(after)
    check_images(before, after, ros1=True)
    assert channels(source) == channels(output)
    assert abs(source.stat().st_size / output.stat().st_size - 1) < 0.5


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_bag_of_ros_1_becomes_a_folder_of_ros_2(tmp_path: Path, run: Run, storage: str) -> None:
    source = by_ros1(tmp_path / "in.bag")
    assert run(source, tmp_path / "out", "--storage", storage, "--compression", "message") == 0
    after = read(tmp_path / "out")
    assert metadata(tmp_path / "out")["storage_identifier"] == storage
    check_images(read(by_rosbags(tmp_path / "same")), after)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_every_split_stays_a_file(tmp_path: Path, run: Run, storage: str) -> None:
    source = split(tmp_path / "in", storage)
    assert run(source, tmp_path / "out") == 0
    assert metadata(source) == metadata(tmp_path / "out")
    assert len(metadata(source)["relative_file_paths"]) == 3
    check_images(read(source), read(tmp_path / "out"))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compression", ["none", "file", "message"])
def test_storage_and_compression_change_on_request(
    tmp_path: Path, run: Run, storage: str, compression: str
) -> None:
    author = "sqlite3" if storage == "mcap" else "mcap"
    source = by_rosbags(tmp_path / "in", author, "message")
    wanted = ("--storage", storage, "--compression", compression)
    assert run(source, tmp_path / "out", *wanted) == 0
    after = read(tmp_path / "out")
    assert copied(read(source)) == copied(after)
    check_images(read(source), after)
    found = metadata(tmp_path / "out")
    assert found["storage_identifier"] == storage
    assert found["compression_mode"] == ("" if compression == "none" else compression)
    assert [c[:5] for c in channels(source)] == [c[:5] for c in channels(tmp_path / "out")]
    assert [c[5] for c in channels(source)] == [c[5] for c in channels(tmp_path / "out")]


def test_rclpy_reads_what_we_wrote(tmp_path: Path, run: Run) -> None:
    from rclpy.serialization import deserialize_message  # noqa: PLC0415 - seconds
    from sensor_msgs.msg import CompressedImage, Image, Imu  # noqa: PLC0415

    kinds = {RAW: Image, JPEG: CompressedImage, BAYER: Image, IMU: Imu}
    source = by_rosbags(tmp_path / "in")
    assert run(source, tmp_path / "out") == 0
    for one, other in zip(read(source), read(tmp_path / "out"), strict=True):
        if one.topic in kinds:
            was, now = (deserialize_message(each.data, kinds[one.topic]) for each in (one, other))
            assert was.header == now.header
            if one.topic in IMAGES:
                assert everything_but_pixels(was) == everything_but_pixels(now)
                assert not persons_seen(picture(now)).any()


def test_topics_can_be_mirrored_below_a_prefix(tmp_path: Path, run: Run) -> None:
    source = by_rosbags(tmp_path / "in")
    assert run(source, tmp_path / "out", "--prefix", "/anon") == 0
    before, after = read(source), read(tmp_path / "out")
    assert [f"/anon{each.topic}" for each in before] == [each.topic for each in after]
    assert [each.data for each in copied(before)] == [each.data for each in copied(after)]
    check_images(before, after)
    assert [f"/anon{c[0]}" for c in channels(source)] == [c[0] for c in channels(tmp_path / "out")]


def test_part_of_a_recording(tmp_path: Path, run: Run) -> None:
    source = by_rosbags(tmp_path / "in")
    assert run(source, tmp_path / "out", "--start", 0.1, "--duration", "0.25") == 0
    window = range(START_NS + STEP_NS, START_NS + round(3.5 * STEP_NS))
    wanted = [each[:3] for each in read(source) if each.time_ns in window]
    assert [each[:3] for each in read(tmp_path / "out")] == wanted
    assert run(source, tmp_path / "few", "--topics", IMU, "/cam/*") == 0
    assert {each.topic for each in read(tmp_path / "few")} == {IMU, RAW, "/cam/camera_info"}
    assert IMU in {c[0] for c in channels(tmp_path / "few")}
    assert JPEG not in {c[0] for c in channels(tmp_path / "few")}


@pytest.mark.parametrize("splits", [1, 3])
def test_every_nth_image_of_a_topic(tmp_path: Path, run: Run, splits: int) -> None:
    source = by_rosbags(tmp_path / "in") if splits == 1 else split(tmp_path / "in", "mcap")
    assert run(source, tmp_path / "out", "--every-nth", 4) == 0
    for topic in IMAGES:
        before = [each.time_ns for each in read(source) if each.topic == topic]
        after = [each.time_ns for each in read(tmp_path / "out") if each.topic == topic]
        assert after == before[::4]
    assert copied(read(source)) == copied(read(tmp_path / "out"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {t["skipped"] for t in report["topics"] if t["topic"] in IMAGES} == {4}


def test_skipped_images_can_be_covered_instead(tmp_path: Path, run: Run, models: Any) -> None:
    source = by_rosbags(tmp_path / "in")
    flags = ("--every-nth", 3, "--skip.on_skipped", "cover", "--inpaint.min_person_px", 1)
    assert run(source, tmp_path / "out", *flags) == 0
    check_images(read(source), read(tmp_path / "out"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["covered"] == {"skipped": 3 * 4 * 3}
    assert sum(models.painter.batches) == 3 * 2 * 3


def test_a_file_without_an_index(tmp_path: Path, run: Run) -> None:
    none = mcap.writer.IndexType.NONE
    options = {"index_types": none, "use_statistics": False, "use_summary_offsets": False}
    source = by_mcap(tmp_path / "in.mcap", repeat_channels=False, repeat_schemas=False, **options)
    whole = by_mcap(tmp_path / "whole.mcap")
    assert run(source, tmp_path / "out.mcap") == 0
    assert run(whole, tmp_path / "other.mcap") == 0
    assert read(tmp_path / "out.mcap") == read(tmp_path / "other.mcap")


def test_with_diffusion_persons_of_several_images_are_drawn_together(
    tmp_path: Path, run: Run, models: Any
) -> None:
    source = by_rosbags(tmp_path / "in")
    flags = ("--inpaint.method", "sdxl", "--inpaint.min_person_px", 1)
    assert run(source, tmp_path / "out", *flags) == 0
    assert models.painter.batches == [8 * 3, 8 * 3, 2 * 3]
    # An interrupted run draws them in the same company.
    models.painter.inpaint = _interrupted_at(models.painter, 2)
    assert run(source, tmp_path / "twice", *flags) == 130
    del models.painter.inpaint
    assert run(source, tmp_path / "twice", *flags) == 0
    assert models.painter.batches[-2:] == [8 * 3, 2 * 3]
    assert read(tmp_path / "out") == read(tmp_path / "twice")


def _interrupted_at(painter: Any, call: int) -> Callable[..., Any]:
    draw, calls = painter.inpaint, iter(range(1, 100))

    def inpaint(crops: Any) -> Any:
        if next(calls) == call:
            raise KeyboardInterrupt
        return draw(crops)

    return inpaint


def test_the_result_does_not_depend_on_batches_or_threads(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = by_rosbags(tmp_path / "in")
    assert run(source, tmp_path / "one") == 0
    monkeypatch.setattr("anon_ros.bags.rewrite.batch_reader._BATCH_BYTES", 1)
    monkeypatch.setattr("anon_ros.bags.rewrite.rewriter._BATCHES_AHEAD", 1)
    assert run(source, tmp_path / "two") == 0
    assert read(tmp_path / "one") == read(tmp_path / "two")


def test_pictures_without_persons_stay_as_they_are(tmp_path: Path, run: Run) -> None:
    def empty() -> Any:
        for each in recorded(3):
            if each.topic == RAW:
                grey = street(64, 48)
                grey[persons_seen(grey)] = 128
                each.message.data[: 48 * each.message.step] = np.pad(
                    grey[..., ::-1].reshape(48, -1), ((0, 0), (0, 5))
                ).reshape(-1)
            if each.topic not in (JPEG, BAYER):
                yield each

    source = by_rosbags(tmp_path / "in", messages=empty())
    assert run(source, tmp_path / "out") == 0
    for one, other in zip(read(source), read(tmp_path / "out"), strict=True):
        if one.topic == RAW:
            assert bytes(fields(one).data) == bytes(fields(other).data)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_custom_data_stay_text(tmp_path: Path, run: Run, storage: str) -> None:
    source = by_rosbags(tmp_path / "in", storage)
    path = source / "metadata.yaml"
    strange = "sw: 1.10\n    serial: 0123\n    build: 1e3\n    day: 2024-01-31"
    path.write_text(path.read_text().replace("vehicle: number 5", strange))
    assert run(source, tmp_path / "out") == 0
    (kept,) = re.findall(
        r"custom_data:\n((?:    .*\n)+)", (tmp_path / "out" / path.name).read_text()
    )
    texts = {"sw": "1.10", "serial": "0123", "build": "1e3", "day": "2024-01-31"}
    assert yaml.safe_load(kept) == texts
    assert "1.10" in kept


def test_a_conversion_that_failed_is_done_again(
    tmp_path: Path, run: Run, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = by_ros1(tmp_path / "in.bag")
    with monkeypatch.context() as patch:
        patch.setattr("anon_ros.bags.rewrite.job._sync", _full)
        assert run(source, tmp_path / "out") == 2
    drawn = len(models.painter.batches)
    assert run(source, tmp_path / "out") == 0
    assert len(models.painter.batches) == drawn
    check_images(read(by_rosbags(tmp_path / "same")), read(tmp_path / "out"))


def _full(_: Path) -> None:
    raise OSError(28, "No space left on device")


def test_names_that_are_no_text(tmp_path: Path, run: Run) -> None:
    for storage in ("mcap", "sqlite3"):
        source = tmp_path / f"in \udcff {storage}"
        by_rosbags(source, storage)
        assert run(source, tmp_path / f"out \udcfe {storage}") == 0
    # The reader of rosbags cannot open such a database.
    assert len(read(tmp_path / "out \udcfe mcap")) == 49
