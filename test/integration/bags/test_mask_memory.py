"""A recording is looked at as a whole: who is missed in one image is known from the others."""

import json
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anon_ros.bags.rewrite.batch_reader import BatchReader
from anon_ros.bags.storage.records import StorageReader
from anon_ros.cli import bag
from anon_ros.core import Detections, RgbImage
from helpers.bag_reading import decode_image, deserialize, read_messages
from helpers.bags import RAW_TOPIC, generate_walking_messages, write_rosbag2, write_split_rosbag2
from helpers.fake_models import (
    BatchingSegmenter,
    BlendingInpainter,
    SentinelModelProvider,
    SentinelSegmenter,
    find_sentinel_pixels,
)

RunCommand = Callable[..., int]
FRAMES = 30


@dataclass
class IntermittentSegmenter(SentinelSegmenter):
    """Finds nobody in some of its images."""

    blind: Sequence[int] = ()
    asked: int = 0

    def segment(self, image: RgbImage) -> Detections:
        self.asked += 1
        if self.asked - 1 in self.blind:
            return Detections.empty(*image.shape[:2])
        return super().segment(image)


@pytest.fixture
def intermittent(monkeypatch: pytest.MonkeyPatch) -> IntermittentSegmenter:
    segmenter = IntermittentSegmenter()
    models = SentinelModelProvider(segmenter)
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    return segmenter


def read_shown_images(path: Path) -> list[RgbImage]:
    return [
        decode_image(deserialize(each)) for each in read_messages(path) if each.topic == RAW_TOPIC
    ]


def find_leaks(path: Path) -> list[int]:
    return [
        index
        for index, image in enumerate(read_shown_images(path))
        if find_sentinel_pixels(image).any()
    ]


def read_topic_report(path: Path) -> dict[str, object]:
    return dict(json.loads((path / "report.json").read_text())["topics"][0])


@pytest.mark.parametrize("parts", [1, 3])
def test_memory_covers_gaps_and_start(
    tmp_path: Path, run_bag: RunCommand, intermittent: IntermittentSegmenter, parts: int
) -> None:
    intermittent.blind = [0, 1, 2, 3, 9, 10, 19, 20, 21, 22, 28, 29]
    messages = list(generate_walking_messages(FRAMES))
    source = write_split_rosbag2(tmp_path / "in", "mcap", parts, messages=messages)
    assert run_bag(source, tmp_path / "out") == 0
    assert intermittent.asked == FRAMES
    assert len(read_shown_images(tmp_path / "out")) == FRAMES
    assert find_leaks(tmp_path / "out") == []
    assert read_topic_report(tmp_path / "out")["carried"] >= 3 * 12
    intermittent.asked = 0
    assert run_bag(source, tmp_path / "past", "--memory.mode", "past") == 0
    assert find_leaks(tmp_path / "past") == [0, 1, 2, 3]
    intermittent.asked = 0
    assert run_bag(source, tmp_path / "off", "--memory.mode", "off", "--identity.reuse", "off") == 0
    assert find_leaks(tmp_path / "off") == intermittent.blind


def test_masks_db_stores_tracks(
    tmp_path: Path, run_bag: RunCommand, intermittent: IntermittentSegmenter
) -> None:
    intermittent.blind = [12]
    source = write_rosbag2(tmp_path / "in", messages=generate_walking_messages(FRAMES))
    assert run_bag(source, tmp_path / "out") == 0
    with closing(sqlite3.connect(tmp_path / "out" / "masks.db")) as masks:
        rows = masks.execute("SELECT number, persons, tracks, carried FROM frames").fetchall()
    assert [number for number, *_, carried in rows if carried >= 3] == [12]
    assert all(len(json.loads(tracks)) == persons for _, persons, tracks, _ in rows)
    assert all({1, 2} <= set(json.loads(tracks)) for *_, tracks, _ in rows)
    # What found them stays out of it, and out of the way.
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "in.mcap", "masks.db", "metadata.yaml", "report.json"
    ]  # fmt: skip


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_file_without_images_read_once(
    tmp_path: Path, run_bag: RunCommand, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = list(generate_walking_messages(FRAMES))
    messages = [m for m in messages if m.topic == RAW_TOPIC][:9] + [
        m for m in messages if m.topic != RAW_TOPIC
    ]
    messages = [m._replace(time_ns=messages[0].time_ns + i) for i, m in enumerate(messages)]
    read_files = list[Path]()
    batches = BatchReader.iter_batches

    def counted(self: BatchReader, source: StorageReader, *others: Any) -> Any:
        read_files.append(source.path)
        return batches(self, source, *others)

    monkeypatch.setattr(BatchReader, "iter_batches", counted)
    source = write_split_rosbag2(tmp_path / "in", storage, 3, messages=messages)
    assert run_bag(source, tmp_path / "out") == 0
    counts = [read_files.count(path) for path in sorted(set(read_files))]
    assert counts == [2, 1, 1]
    assert find_leaks(tmp_path / "out") == []


def test_detection_skips_dropped_images(
    tmp_path: Path, run_bag: RunCommand, intermittent: IntermittentSegmenter
) -> None:
    source = write_rosbag2(tmp_path / "in", messages=generate_walking_messages(FRAMES))
    assert run_bag(source, tmp_path / "out", "--every-nth", 3) == 0
    assert intermittent.asked == 10
    assert find_leaks(tmp_path / "out") == []


def test_reuse_warps_between_inpainted(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = SentinelModelProvider(inpainter=BlendingInpainter())
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    source = write_rosbag2(tmp_path / "in", messages=generate_walking_messages(FRAMES))
    flags = "--every-nth", 5, "--inpaint.min_person_px", 0, "--skip.on_skipped"
    assert run_bag(source, tmp_path / "cover", *flags, "cover") == 0
    painted = sum(models.inpainter.batch_sizes)
    assert run_bag(source, tmp_path / "reuse", *flags, "reuse") == 0
    assert sum(models.inpainter.batch_sizes) == 2 * painted
    assert find_leaks(tmp_path / "reuse") == []
    told = [read_topic_report(tmp_path / name) for name in ("cover", "reuse")]
    assert told[0]["inpainted"] == painted
    assert told[1]["inpainted"] > 3 * painted
    # As often as one is drawn, the covers look as they did.
    covers, reuses = read_shown_images(tmp_path / "cover"), read_shown_images(tmp_path / "reuse")
    assert all((covers[i] == reuses[i]).all() for i in range(0, FRAMES, 5))
    assert all((covers[i] != reuses[i]).any() for i in range(1, 5))


def test_reuse_previous_spares_keyframes(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bag,
        "build_tracking_anonymizer",
        SentinelModelProvider(inpainter=BlendingInpainter()).anonymizer,
    )
    source = write_rosbag2(tmp_path / "in", messages=generate_walking_messages(FRAMES))
    flags = "--inpaint.min_person_px", 0, "--identity.keyframe_s", 1
    assert run_bag(source, tmp_path / "noise", *flags) == 0
    assert run_bag(source, tmp_path / "previous", *flags, "--identity.reuse", "previous") == 0
    one, other = read_shown_images(tmp_path / "noise"), read_shown_images(tmp_path / "previous")
    same = [(a == b).all() for a, b in zip(one, other, strict=True)]
    # Key frames are drawn as without.
    assert [index for index, equal in enumerate(same) if equal] == [0, 10, 20]
    assert find_leaks(tmp_path / "previous") == []


def test_segmenter_fault_loses_its_images(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(IntermittentSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            found = super().segment(image)
            if not len(found):
                message = "injected: CUDA error"
                raise RuntimeError(message)
            return found

    models = SentinelModelProvider(Failing(blind=[5, 6]))
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    source = write_rosbag2(tmp_path / "in", messages=generate_walking_messages(FRAMES))
    assert run_bag(source, tmp_path / "out") == 2
    assert run_bag(source, tmp_path / "out", "--salvage") == 0
    assert len(read_shown_images(tmp_path / "out")) == FRAMES - 2
    assert find_leaks(tmp_path / "out") == []
    assert read_topic_report(tmp_path / "out")["lost"] == 2


def test_joint_detection_changes_no_image(
    tmp_path: Path, run_bag: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(BatchingSegmenter):
        """Fails with some images, whether alone or among others."""

        def segment(self, image: RgbImage) -> Detections:
            if zlib.crc32(image.tobytes()) % 5 == 0:
                message = "injected: CUDA error"
                raise RuntimeError(message)
            return super().segment(image)

    source = write_rosbag2(tmp_path / "in", messages=generate_walking_messages(FRAMES))
    for max_batch in (1, 4):
        segmenter, out = Failing(max_batch=max_batch), tmp_path / str(max_batch)
        anonymizer = SentinelModelProvider(segmenter).anonymizer
        monkeypatch.setattr(bag, "build_tracking_anonymizer", anonymizer)
        assert run_bag(source, out, "--salvage") == 0
        assert max(segmenter.batch_sizes, default=1) == max_batch
        assert find_leaks(out) == []
    alone, together = (read_shown_images(tmp_path / name) for name in ("1", "4"))
    assert 0 < len(together) < FRAMES
    assert all(np.array_equal(*pair) for pair in zip(alone, together, strict=True))


def test_cameras_tracked_independently(
    tmp_path: Path, run_bag: RunCommand, intermittent: IntermittentSegmenter
) -> None:
    intermittent.blind = [20, 21]  # the eleventh of each
    messages = []
    for each in generate_walking_messages(FRAMES):
        messages.append(each)
        if each.topic == RAW_TOPIC:
            mirrored = each.message.data.reshape(each.message.height, -1).copy()
            pixels = mirrored[:, : 320 * 3].reshape(240, 320, 3)
            mirrored[:, : 320 * 3] = pixels[:, ::-1].reshape(240, -1)
            other = type(each.message)(**vars(each.message) | {"data": mirrored.reshape(-1)})
            messages.append(each._replace(topic="/rear/image_raw", message=other))
    source = write_rosbag2(tmp_path / "in", messages=messages)
    assert run_bag(source, tmp_path / "out") == 0
    images = [
        decode_image(deserialize(e)) for e in read_messages(tmp_path / "out") if "image" in e.topic
    ]
    assert len(images) == 2 * FRAMES
    assert not any(find_sentinel_pixels(image).any() for image in images)
    assert not np.array_equal(images[20], images[21])
