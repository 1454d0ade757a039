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
from rosbags.rosbag2 import Reader

from anon_ros.models.inpainting.classical import CLASSICAL
from helpers.bag_reading import (
    ReadMessage,
    decode_image,
    deserialize,
    get_image_metadata,
    read_channels,
    read_messages,
)
from helpers.bags import (
    BAYER_TOPIC,
    COPIED_TOPICS,
    IMAGE_TOPICS,
    IMU_TOPIC,
    JPEG_TOPIC,
    RAW_TOPIC,
    START_NS,
    STEP_NS,
    generate_messages,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
    write_split_rosbag2,
)
from helpers.fake_models import BatchingSegmenter, find_sentinel_pixels, make_street_image

RunCommand = Callable[..., int]

ROSBAG2 = [
    (storage, compression)
    for storage in ("mcap", "sqlite3")
    for compression in ("none", "file", "message", "storage")
    if (storage, compression) != ("sqlite3", "storage")
]


def select_copied(messages: list[ReadMessage]) -> list[ReadMessage]:
    return [each for each in messages if each.topic.removeprefix("/anon") in COPIED_TOPICS]


def select_images(messages: list[ReadMessage]) -> list[ReadMessage]:
    return [each for each in messages if each.topic.removeprefix("/anon") in IMAGE_TOPICS]


def assert_images_anonymized(
    before: list[ReadMessage], after: list[ReadMessage], *, ros1: bool = False
) -> None:
    """Persons are gone, nothing else."""
    assert len(before) == len(after) > 0
    for one, other in zip(select_images(before), select_images(after), strict=True):
        assert (one.topic, one.type_name, one.time_ns) == (
            other.topic.removeprefix("/anon"),
            other.type_name,
            other.time_ns,
        )
        was, now = deserialize(one, ros1=ros1), deserialize(other, ros1=ros1)
        assert get_image_metadata(was) == get_image_metadata(now)
        assert find_sentinel_pixels(decode_image(was)).any()
        assert not find_sentinel_pixels(decode_image(now)).any(), one.topic
        if hasattr(was, "encoding"):
            same = np.mean(np.array(was.data) == np.array(now.data))
            assert 0.3 < same < 0.99


def read_metadata(path: Path) -> dict[str, Any]:
    information = yaml.safe_load((path / "metadata.yaml").read_text())
    return dict(information["rosbag2_bagfile_information"])


@pytest.mark.parametrize(("storage", "compression"), ROSBAG2)
def test_rosbag2_keeps_its_format(
    tmp_path: Path, run_bag: RunCommand, storage: str, compression: str
) -> None:
    source = write_rosbag2(tmp_path / "in", storage, compression)
    assert run_bag(source, tmp_path / "out") == 0
    before, after = read_messages(source), read_messages(tmp_path / "out")
    assert select_copied(before) == select_copied(after)
    assert [each[:3] for each in before] == [each[:3] for each in after]
    assert_images_anonymized(before, after)
    assert read_channels(source) == read_channels(tmp_path / "out")
    assert read_metadata(source) == read_metadata(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["persons_per_frame"] == {"3": 18}
    assert not (tmp_path / "out.partial").exists()


@pytest.mark.parametrize("compression", ["", "lz4", "zstd"])
@pytest.mark.parametrize("chunked", [True, False])
def test_mcap_keeps_mcap_only_fields(
    tmp_path: Path, run_bag: RunCommand, compression: str, *, chunked: bool
) -> None:
    source = write_mcap(tmp_path / "in.mcap", compression, use_chunking=chunked)
    output = tmp_path / "out.mcap"
    assert run_bag(source, output) == 0
    before, after = read_messages(source), read_messages(output)
    assert select_copied(before) == select_copied(after)
    assert [each.extra for each in before] == [each.extra for each in after]
    assert_images_anonymized(before, after)
    one, other = (mcap.reader.make_reader(path.open("rb")) for path in (source, output))
    assert one.get_header().profile == other.get_header().profile == "ros2"
    was, now = one.get_summary(), other.get_summary()
    assert list_channels(was) == list_channels(now)
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
        (c.topic, c.msgtype, t, bytes(d)) for c, t, d in _count_rosbags_messages(output)
    ]


def list_channels(summary: Any) -> list[Any]:
    """Each channel with its schema, whatever their numbers."""
    schemas = {key: (s.name, s.encoding, s.data) for key, s in summary.schemas.items()}
    return [
        (c.topic, c.message_encoding, c.metadata, schemas[c.schema_id])
        for c in summary.channels.values()
    ]


def _count_rosbags_messages(path: Path) -> list[Any]:
    with Reader(path) as reader:
        return list(reader.messages())


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_single_file_keeps_its_format(tmp_path: Path, run_bag: RunCommand, storage: str) -> None:
    folder = write_rosbag2(tmp_path / "in", storage)
    (source,) = folder.glob("in.*")
    output = tmp_path / f"out{source.suffix}"
    assert run_bag(source, output) == 0
    assert_images_anonymized(read_messages(source), read_messages(output))
    assert read_channels(source) == read_channels(output)
    assert run_bag(source, tmp_path / "folder") == 0
    assert read_metadata(tmp_path / "folder")["custom_data"] == {"vehicle": "number 5"}
    assert [c[:4] for c in read_channels(tmp_path / "folder")] == [
        c[:4] for c in read_channels(folder)
    ]


@pytest.mark.parametrize("compression", ["none", "bz2", "lz4"])
def test_rosbag1_keeps_its_format(tmp_path: Path, run_bag: RunCommand, compression: str) -> None:
    source, output = write_rosbag1(tmp_path / "in.bag", compression), tmp_path / "out.bag"
    assert run_bag(source, output) == 0
    before, after = read_messages(source), read_messages(output)
    assert select_copied(before) == select_copied(after)
    assert_images_anonymized(before, after, ros1=True)
    assert read_channels(source) == read_channels(output)
    assert abs(source.stat().st_size / output.stat().st_size - 1) < 0.5


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_rosbag1_converts_to_rosbag2(tmp_path: Path, run_bag: RunCommand, storage: str) -> None:
    source = write_rosbag1(tmp_path / "in.bag")
    assert run_bag(source, tmp_path / "out", "--storage", storage, "--compression", "message") == 0
    after = read_messages(tmp_path / "out")
    assert read_metadata(tmp_path / "out")["storage_identifier"] == storage
    assert_images_anonymized(read_messages(write_rosbag2(tmp_path / "same")), after)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_splits_stay_separate_files(tmp_path: Path, run_bag: RunCommand, storage: str) -> None:
    source = write_split_rosbag2(tmp_path / "in", storage)
    assert run_bag(source, tmp_path / "out") == 0
    assert read_metadata(source) == read_metadata(tmp_path / "out")
    assert len(read_metadata(source)["relative_file_paths"]) == 3
    assert_images_anonymized(read_messages(source), read_messages(tmp_path / "out"))


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("compression", ["none", "file", "message"])
def test_storage_and_compression_convert(
    tmp_path: Path, run_bag: RunCommand, storage: str, compression: str
) -> None:
    author = "sqlite3" if storage == "mcap" else "mcap"
    source = write_rosbag2(tmp_path / "in", author, "message")
    wanted = ("--storage", storage, "--compression", compression)
    assert run_bag(source, tmp_path / "out", *wanted) == 0
    after = read_messages(tmp_path / "out")
    assert select_copied(read_messages(source)) == select_copied(after)
    assert_images_anonymized(read_messages(source), after)
    found = read_metadata(tmp_path / "out")
    assert found["storage_identifier"] == storage
    assert found["compression_mode"] == ("" if compression == "none" else compression)
    assert [c[:5] for c in read_channels(source)] == [
        c[:5] for c in read_channels(tmp_path / "out")
    ]
    assert [c[5] for c in read_channels(source)] == [c[5] for c in read_channels(tmp_path / "out")]


def test_rclpy_reads_output(tmp_path: Path, run_bag: RunCommand) -> None:
    from rclpy.serialization import deserialize_message  # noqa: PLC0415 - seconds
    from sensor_msgs.msg import CompressedImage, Image, Imu  # noqa: PLC0415

    kinds = {RAW_TOPIC: Image, JPEG_TOPIC: CompressedImage, BAYER_TOPIC: Image, IMU_TOPIC: Imu}
    source = write_rosbag2(tmp_path / "in")
    assert run_bag(source, tmp_path / "out") == 0
    for one, other in zip(read_messages(source), read_messages(tmp_path / "out"), strict=True):
        if one.topic in kinds:
            was, now = (deserialize_message(each.data, kinds[one.topic]) for each in (one, other))
            assert was.header == now.header
            if one.topic in IMAGE_TOPICS:
                assert get_image_metadata(was) == get_image_metadata(now)
                assert not find_sentinel_pixels(decode_image(now)).any()


def test_prefix_mirrors_all_topics(tmp_path: Path, run_bag: RunCommand) -> None:
    source = write_rosbag2(tmp_path / "in")
    assert run_bag(source, tmp_path / "out", "--prefix", "/anon") == 0
    before, after = read_messages(source), read_messages(tmp_path / "out")
    assert [f"/anon{each.topic}" for each in before] == [each.topic for each in after]
    assert [each.data for each in select_copied(before)] == [
        each.data for each in select_copied(after)
    ]
    assert_images_anonymized(before, after)
    assert [f"/anon{c[0]}" for c in read_channels(source)] == [
        c[0] for c in read_channels(tmp_path / "out")
    ]


def test_time_range_and_topics_select(tmp_path: Path, run_bag: RunCommand) -> None:
    source = write_rosbag2(tmp_path / "in")
    assert run_bag(source, tmp_path / "out", "--start", 0.1, "--duration", "0.25") == 0
    window = range(START_NS + STEP_NS, START_NS + round(3.5 * STEP_NS))
    wanted = [each[:3] for each in read_messages(source) if each.time_ns in window]
    assert [each[:3] for each in read_messages(tmp_path / "out")] == wanted
    assert run_bag(source, tmp_path / "few", "--topics", IMU_TOPIC, "/cam/*") == 0
    assert {each.topic for each in read_messages(tmp_path / "few")} == {
        IMU_TOPIC,
        RAW_TOPIC,
        "/cam/camera_info",
    }
    assert IMU_TOPIC in {c[0] for c in read_channels(tmp_path / "few")}
    assert JPEG_TOPIC not in {c[0] for c in read_channels(tmp_path / "few")}


@pytest.mark.parametrize("splits", [1, 3])
def test_every_nth_image_is_kept(tmp_path: Path, run_bag: RunCommand, splits: int) -> None:
    source = (
        write_rosbag2(tmp_path / "in")
        if splits == 1
        else write_split_rosbag2(tmp_path / "in", "mcap")
    )
    assert run_bag(source, tmp_path / "out", "--every-nth", 4) == 0
    for topic in IMAGE_TOPICS:
        before = [each.time_ns for each in read_messages(source) if each.topic == topic]
        after = [each.time_ns for each in read_messages(tmp_path / "out") if each.topic == topic]
        assert after == before[::4]
    assert select_copied(read_messages(source)) == select_copied(read_messages(tmp_path / "out"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {t["skipped"] for t in report["topics"] if t["topic"] in IMAGE_TOPICS} == {4}


def test_skipped_images_are_covered(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any
) -> None:
    source = write_rosbag2(tmp_path / "in")
    flags = ("--every-nth", 3, "--skip.on_skipped", "cover", "--inpaint.min_person_px", 1)
    assert run_bag(source, tmp_path / "out", *flags) == 0
    assert_images_anonymized(read_messages(source), read_messages(tmp_path / "out"))
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["covered"] == {"skipped": 3 * 4 * 3}
    assert sum(sentinel_models.inpainter.batch_sizes) == 3 * 2 * 3


def test_mcap_without_index_is_read(tmp_path: Path, run_bag: RunCommand) -> None:
    none = mcap.writer.IndexType.NONE
    options = {"index_types": none, "use_statistics": False, "use_summary_offsets": False}
    source = write_mcap(
        tmp_path / "in.mcap", repeat_channels=False, repeat_schemas=False, **options
    )
    whole = write_mcap(tmp_path / "whole.mcap")
    assert run_bag(source, tmp_path / "out.mcap") == 0
    assert run_bag(whole, tmp_path / "other.mcap") == 0
    assert read_messages(tmp_path / "out.mcap") == read_messages(tmp_path / "other.mcap")


def test_diffusion_batches_across_images(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any
) -> None:
    source = write_rosbag2(tmp_path / "in")
    flags = ("--inpaint.method", "sdxl", "--inpaint.min_person_px", 1)
    sentinel_models.inpainter.max_batch = 8
    assert run_bag(source, tmp_path / "out", *flags) == 0
    assert sentinel_models.inpainter.batch_sizes == [8 * 3, 8 * 3, 2 * 3]
    # An interrupted run draws them in the same company.
    sentinel_models.inpainter.inpaint = _interrupt_at(sentinel_models.inpainter, 2)
    assert run_bag(source, tmp_path / "twice", *flags) == 130
    del sentinel_models.inpainter.inpaint
    assert run_bag(source, tmp_path / "twice", *flags) == 0
    assert sentinel_models.inpainter.batch_sizes[-2:] == [8 * 3, 2 * 3]
    assert read_messages(tmp_path / "out") == read_messages(tmp_path / "twice")


def _interrupt_at(painter: Any, call: int) -> Callable[..., Any]:
    draw, calls = painter.inpaint, iter(range(1, 100))

    def inpaint(crops: Any) -> Any:
        if next(calls) == call:
            raise KeyboardInterrupt
        return draw(crops)

    return inpaint


def test_classical_method_detects_jointly(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any
) -> None:
    source = write_rosbag2(tmp_path / "in")
    untracked = ("--memory.mode", "off", "--identity.reuse", "off")
    sentinel_models.inpainter = CLASSICAL["blur"]
    for max_batch in (1, 4):
        sentinel_models.segmenter = BatchingSegmenter(max_batch)
        assert run_bag(source, tmp_path / f"{max_batch}", *untracked) == 0
    assert sentinel_models.segmenter.batch_sizes == [4] * 4 + [2]
    assert read_messages(tmp_path / "1") == read_messages(tmp_path / "4")


def test_output_independent_of_batching(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_rosbag2(tmp_path / "in")
    assert run_bag(source, tmp_path / "one") == 0
    monkeypatch.setattr("anon_ros.bags.rewrite.batch_reader._MAX_BATCH_BYTES", 1)
    monkeypatch.setattr("anon_ros.bags.rewrite.rewriter._MAX_BATCHES_AHEAD", 1)
    assert run_bag(source, tmp_path / "two") == 0
    assert read_messages(tmp_path / "one") == read_messages(tmp_path / "two")


def test_images_without_persons_stay(tmp_path: Path, run_bag: RunCommand) -> None:
    def empty() -> Any:
        for each in generate_messages(3):
            if each.topic == RAW_TOPIC:
                grey = make_street_image(64, 48)
                grey[find_sentinel_pixels(grey)] = 128
                each.message.data[: 48 * each.message.step] = np.pad(
                    grey[..., ::-1].reshape(48, -1), ((0, 0), (0, 5))
                ).reshape(-1)
            if each.topic not in (JPEG_TOPIC, BAYER_TOPIC):
                yield each

    source = write_rosbag2(tmp_path / "in", messages=empty())
    assert run_bag(source, tmp_path / "out") == 0
    for one, other in zip(read_messages(source), read_messages(tmp_path / "out"), strict=True):
        if one.topic == RAW_TOPIC:
            assert bytes(deserialize(one).data) == bytes(deserialize(other).data)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_custom_data_stays_text(tmp_path: Path, run_bag: RunCommand, storage: str) -> None:
    source = write_rosbag2(tmp_path / "in", storage)
    path = source / "metadata.yaml"
    strange = "sw: 1.10\n    serial: 0123\n    build: 1e3\n    day: 2024-01-31"
    path.write_text(path.read_text().replace("vehicle: number 5", strange))
    assert run_bag(source, tmp_path / "out") == 0
    (kept,) = re.findall(
        r"custom_data:\n((?:    .*\n)+)", (tmp_path / "out" / path.name).read_text()
    )
    texts = {"sw": "1.10", "serial": "0123", "build": "1e3", "day": "2024-01-31"}
    assert yaml.safe_load(kept) == texts
    assert "1.10" in kept


def test_failed_conversion_retried(
    tmp_path: Path, run_bag: RunCommand, sentinel_models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_rosbag1(tmp_path / "in.bag")
    with monkeypatch.context() as patch:
        patch.setattr("anon_ros.bags.rewrite.finalize.fsync_path", _raise_disk_full)
        assert run_bag(source, tmp_path / "out") == 2
    drawn = len(sentinel_models.inpainter.batch_sizes)
    assert run_bag(source, tmp_path / "out") == 0
    assert len(sentinel_models.inpainter.batch_sizes) == drawn
    assert_images_anonymized(
        read_messages(write_rosbag2(tmp_path / "same")), read_messages(tmp_path / "out")
    )


def _raise_disk_full(_: Path) -> None:
    raise OSError(28, "No space left on device")


def test_undecodable_paths_accepted(tmp_path: Path, run_bag: RunCommand) -> None:
    for storage in ("mcap", "sqlite3"):
        source = tmp_path / f"in \udcff {storage}"
        write_rosbag2(source, storage)
        assert run_bag(source, tmp_path / f"out \udcfe {storage}") == 0
    # The reader of rosbags cannot open such a database.
    assert len(read_messages(tmp_path / "out \udcfe mcap")) == 49
