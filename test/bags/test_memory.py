"""A recording is looked at as a whole: who is missed in one image is known from the others."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from reading import fields, picture, read
from recordings import RAW, by_rosbags, split, walking
from sentinel import Painter, SentinelModels, SentinelSegmenter, persons_seen

from anon_ros.bags.rewrite.batch_reader import BatchReader
from anon_ros.bags.storage.records import StorageReader
from anon_ros.cli import bag
from anon_ros.core import Crop, Detections, RgbImage

Run = Callable[..., int]
FRAMES = 30


@dataclass
class Blinking(SentinelSegmenter):
    """Finds nobody in some of its images."""

    blind: Sequence[int] = ()
    asked: int = 0

    def segment(self, image: RgbImage) -> Detections:
        self.asked += 1
        if self.asked - 1 in self.blind:
            return Detections.empty(*image.shape[:2])
        return super().segment(image)


@pytest.fixture
def blinking(monkeypatch: pytest.MonkeyPatch) -> Blinking:
    segmenter = Blinking()
    models = SentinelModels(segmenter)
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    return segmenter


def shown(path: Path) -> list[RgbImage]:
    return [picture(fields(each)) for each in read(path) if each.topic == RAW]


def leaks(path: Path) -> list[int]:
    return [index for index, image in enumerate(shown(path)) if persons_seen(image).any()]


def topic(path: Path) -> dict[str, object]:
    return dict(json.loads((path / "report.json").read_text())["topics"][0])


@pytest.mark.parametrize("parts", [1, 3])
def test_gaps_and_the_frames_before_the_first_detection_are_covered(
    tmp_path: Path, run: Run, blinking: Blinking, parts: int
) -> None:
    blinking.blind = [0, 1, 2, 3, 9, 10, 19, 20, 21, 22, 28, 29]
    messages = list(walking(FRAMES))
    source = split(tmp_path / "in", "mcap", parts, messages=messages)
    assert run(source, tmp_path / "out") == 0
    assert blinking.asked == FRAMES
    assert len(shown(tmp_path / "out")) == FRAMES
    assert leaks(tmp_path / "out") == []
    assert topic(tmp_path / "out")["carried"] >= 3 * 12
    blinking.asked = 0
    assert run(source, tmp_path / "past", "--memory.mode", "past") == 0
    assert leaks(tmp_path / "past") == [0, 1, 2, 3]
    blinking.asked = 0
    assert run(source, tmp_path / "off", "--memory.mode", "off", "--identity.reuse", "off") == 0
    assert leaks(tmp_path / "off") == blinking.blind


def test_the_sidecar_tells_tracks_and_who_was_carried_on(
    tmp_path: Path, run: Run, blinking: Blinking
) -> None:
    blinking.blind = [12]
    source = by_rosbags(tmp_path / "in", messages=walking(FRAMES))
    assert run(source, tmp_path / "out") == 0
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
def test_a_file_without_images_is_read_once(
    tmp_path: Path, run: Run, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = list(walking(FRAMES))
    messages = [m for m in messages if m.topic == RAW][:9] + [m for m in messages if m.topic != RAW]
    messages = [m._replace(time_ns=messages[0].time_ns + i) for i, m in enumerate(messages)]
    read_files = list[Path]()
    batches = BatchReader.iter_batches

    def counted(self: BatchReader, source: StorageReader, *others: Any) -> Any:
        read_files.append(source.path)
        return batches(self, source, *others)

    monkeypatch.setattr(BatchReader, "iter_batches", counted)
    source = split(tmp_path / "in", storage, 3, messages=messages)
    assert run(source, tmp_path / "out") == 0
    counts = [read_files.count(path) for path in sorted(set(read_files))]
    assert counts == [2, 1, 1]
    assert leaks(tmp_path / "out") == []


def test_images_that_are_dropped_are_not_looked_at(
    tmp_path: Path, run: Run, blinking: Blinking
) -> None:
    source = by_rosbags(tmp_path / "in", messages=walking(FRAMES))
    assert run(source, tmp_path / "out", "--every-nth", 3) == 0
    assert blinking.asked == 10
    assert leaks(tmp_path / "out") == []


class Mixing(Painter):
    """Lets what it draws depend on what it is to start from."""

    @staticmethod
    def draw(crop: Crop) -> RgbImage:
        drawn = Painter.draw(crop)
        return (
            drawn
            if crop.init_image is None
            else cv2.addWeighted(drawn, 0.5, crop.init_image, 0.5, 0)
        )


def test_between_drawn_images_the_synthetic_persons_move_on(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = SentinelModels(painter=Mixing())
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    source = by_rosbags(tmp_path / "in", messages=walking(FRAMES))
    flags = "--every-nth", 5, "--inpaint.min_person_px", 0, "--skip.on_skipped"
    assert run(source, tmp_path / "cover", *flags, "cover") == 0
    painted = sum(models.painter.batches)
    assert run(source, tmp_path / "reuse", *flags, "reuse") == 0
    assert sum(models.painter.batches) == 2 * painted
    assert leaks(tmp_path / "reuse") == []
    told = [topic(tmp_path / name) for name in ("cover", "reuse")]
    assert told[0]["inpainted"] == painted
    assert told[1]["inpainted"] > 3 * painted
    # As often as one is drawn, the covers look as they did.
    covers, reuses = shown(tmp_path / "cover"), shown(tmp_path / "reuse")
    assert all((covers[i] == reuses[i]).all() for i in range(0, FRAMES, 5))
    assert all((covers[i] != reuses[i]).any() for i in range(1, 5))


def test_a_start_from_the_frame_before_changes_what_is_drawn(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        bag, "build_tracking_anonymizer", SentinelModels(painter=Mixing()).anonymizer
    )
    source = by_rosbags(tmp_path / "in", messages=walking(FRAMES))
    flags = "--inpaint.min_person_px", 0, "--identity.keyframe_s", 1
    assert run(source, tmp_path / "noise", *flags) == 0
    assert run(source, tmp_path / "previous", *flags, "--identity.reuse", "previous") == 0
    one, other = shown(tmp_path / "noise"), shown(tmp_path / "previous")
    same = [(a == b).all() for a, b in zip(one, other, strict=True)]
    # Key frames are drawn as without.
    assert [index for index, equal in enumerate(same) if equal] == [0, 10, 20]
    assert leaks(tmp_path / "previous") == []


def test_images_in_which_nobody_could_be_found_are_lost_and_the_others_are_not(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Blinking):
        def segment(self, image: RgbImage) -> Detections:
            found = super().segment(image)
            if not len(found):
                message = "injected: CUDA error"
                raise RuntimeError(message)
            return found

    models = SentinelModels(Failing(blind=[5, 6]))
    monkeypatch.setattr(bag, "build_tracking_anonymizer", models.anonymizer)
    source = by_rosbags(tmp_path / "in", messages=walking(FRAMES))
    assert run(source, tmp_path / "out") == 2
    assert run(source, tmp_path / "out", "--salvage") == 0
    assert len(shown(tmp_path / "out")) == FRAMES - 2
    assert leaks(tmp_path / "out") == []
    assert topic(tmp_path / "out")["lost"] == 2


def test_several_cameras_are_followed_apart(tmp_path: Path, run: Run, blinking: Blinking) -> None:
    blinking.blind = [20, 21]  # the eleventh of each
    messages = []
    for each in walking(FRAMES):
        messages.append(each)
        if each.topic == RAW:
            mirrored = each.message.data.reshape(each.message.height, -1).copy()
            pixels = mirrored[:, : 320 * 3].reshape(240, 320, 3)
            mirrored[:, : 320 * 3] = pixels[:, ::-1].reshape(240, -1)
            other = type(each.message)(**vars(each.message) | {"data": mirrored.reshape(-1)})
            messages.append(each._replace(topic="/rear/image_raw", message=other))
    source = by_rosbags(tmp_path / "in", messages=messages)
    assert run(source, tmp_path / "out") == 0
    images = [picture(fields(e)) for e in read(tmp_path / "out") if "image" in e.topic]
    assert len(images) == 2 * FRAMES
    assert not any(persons_seen(image).any() for image in images)
    assert not np.array_equal(images[20], images[21])
