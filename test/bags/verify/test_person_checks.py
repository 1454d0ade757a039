"""Persons of whom only a part was replaced."""

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anon_ros.bags.verify.redetection import Redetector
from anon_ros.cli import verify
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.images import (
    CompressedImageData,
    RawImage,
    decode_compressed,
    decode_raw,
    encode_compressed,
    encode_raw,
)
from helpers.bag_editing import (
    RunCommand,
    change_message,
    edit_fields,
    read_findings,
    rewrite_bag,
)
from helpers.bag_reading import ReadMessage, deserialize, read_messages
from helpers.bags import (
    JPEG_TOPIC,
    RAW_TOPIC,
    START_NS,
    BagMessage,
    make_jpeg_image,
    make_raw_image,
    write_rosbag2,
)
from helpers.fake_models import SentinelModelProvider, SentinelSegmenter


class WalkerSegmenter(SentinelSegmenter):
    """Finds somebody in the middle of every image."""

    def segment(self, image: RgbImage) -> Detections:
        height_px, width_px = image.shape[:2]
        mask = np.zeros((height_px, width_px), np.uint8)
        middle, axes = (width_px // 2, height_px // 2), (width_px // 3, height_px // 2 - 8)
        cv2.ellipse(mask, middle, axes, 0, 0, 360, 1, cv2.FILLED)
        x, y, box_width_px, box_height_px = cv2.boundingRect(mask)
        box = np.array([[x, y, x + box_width_px, y + box_height_px]], np.float32)
        masks = mask.view(np.bool_)[None]
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64), masks)


@dataclass
class PartialSegmenter(WalkerSegmenter):
    """Misses some of the rows of that person."""

    rows: slice

    def segment(self, image: RgbImage) -> Detections:
        detections = super().segment(image)
        detections.masks[:, self.rows] = False
        return detections


def make_message(encoding: str, image: RgbImage) -> BagMessage:
    if encoding == "jpeg":
        compressed = make_jpeg_image(image, 0)
        return BagMessage(JPEG_TOPIC, "sensor_msgs/msg/CompressedImage", START_NS, compressed)
    message = make_raw_image(image, 0)
    height_px, width_px = image.shape[:2]
    step = width_px if encoding == "nv12" else width_px * 3
    num_rows = height_px * 3 // 2 if encoding == "nv12" else height_px
    blank = RawImage(height_px, width_px, encoding, False, step, bytes(num_rows * step))
    data = encode_raw(blank, image, np.ones((height_px, width_px), np.bool_))
    message.encoding, message.step, message.data = encoding, step, np.frombuffer(data, np.uint8)
    return BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS, message)


def read_image(message: Any) -> RgbImage:
    if hasattr(message, "format"):
        return decode_compressed(CompressedImageData(message.format, message.data))
    return decode_raw(read_raw(message))


def read_raw(message: Any) -> RawImage:
    layout = message.encoding, bool(message.is_bigendian), message.step
    return RawImage(message.height, message.width, *layout, message.data)


def show_upper_part(after: ReadMessage, before: ReadMessage) -> ReadMessage:
    """Put back the upper 30 % of the image; in a format without loss, but for a level."""
    original = deserialize(before)
    image = read_image(original)
    mask = WalkerSegmenter().segment(image).masks[0]
    num_rows = len(image) * 3 // 10

    def paint(message: Any) -> None:
        shown = read_image(message).copy()
        is_exact = getattr(message, "encoding", "") == "rgb8"
        shown[:num_rows] = image[:num_rows] ^ is_exact
        if hasattr(message, "format"):
            source = CompressedImageData(original.format, original.data)
            data = encode_compressed(source, shown, mask, 95)
        else:
            data = encode_raw(read_raw(message), shown, mask)
        message.data = np.frombuffer(data, np.uint8)

    return edit_fields(after, paint)


@pytest.mark.parametrize("encoding", ["jpeg", "nv12", "rgb8"])
@pytest.mark.parametrize("method", ["fill", "pixelate"])
def test_head_of_the_input_found(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    bus_rgb: RgbImage,
    encoding: str,
    method: str,
) -> None:
    """What is replaced of a person must not hide the rest."""
    sentinel_models.segmenter = WalkerSegmenter()
    message = make_message(encoding, bus_rgb[380:920:2, 30:270:2])
    source, output = write_rosbag2(tmp_path / "in", messages=[message]), tmp_path / "out"
    assert run_bag(source, output, "--inpaint.method", method) == 0
    assert run_verify(source, output, "--no-redetection") == 0, capsys.readouterr().out
    (before,) = read_messages(source)
    rewrite_bag(
        output, change_message(message.topic, 0, lambda after: show_upper_part(after, before))
    )
    assert run_verify(source, output, "--no-redetection") == 2
    (problem,) = read_findings(capsys, "error")
    assert "ns: a part of the person at " in problem


@pytest.mark.parametrize(("rows", "code"), [(slice(70), 1), (slice(0), 0), (slice(256, None), 0)])
@pytest.mark.parametrize("encoding", ["jpeg", "rgb8"])
def test_head_outside_the_mask_warned(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bus_rgb: RgbImage,
    encoding: str,
    rows: slice,
    code: int,
) -> None:
    """The run missed the head of somebody whose body it replaced; of a sole, nobody is warned."""
    sentinel_models.segmenter = PartialSegmenter(rows=rows)
    monkeypatch.setattr(verify, "build_segmenter", lambda _: WalkerSegmenter())
    message = make_message(encoding, bus_rgb[380:920:2, 30:270:2])
    source, output = write_rosbag2(tmp_path / "in", messages=[message]), tmp_path / "out"
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == code, capsys.readouterr().out
    warnings = read_findings(capsys, "warning")
    assert [": a person at 19,8 to " in warning for warning in warnings] == [True] * code


class LightSegmenter(WalkerSegmenter):
    """Finds nobody in the dark."""

    def segment(self, image: RgbImage) -> Detections:
        return super().segment(image) if image.any() else Detections.empty(*image.shape[:2])


@pytest.mark.parametrize(("num_rows", "is_missed"), [(10, False), (60, True), (200, True)])
def test_person_of_the_input_alone(num_rows: int, *, is_missed: bool) -> None:
    """Whoever nobody touched is in the output as before, which was searched."""
    dark, light = (np.full((270, 120, 3), level, np.uint8) for level in (0, 90))
    mask = np.zeros((270, 120), np.bool_)
    mask[270 - num_rows :] = True
    persons = Redetector(LightSegmenter(), 1).redetect(dark, mask, light).missed_persons
    assert len(persons) == is_missed


@dataclass
class PatchSegmenter(WalkerSegmenter):
    """Finds somebody, and a patch that belongs to them or to the ground; in the light alone."""

    body: Roi
    patch: Roi

    def segment(self, image: RgbImage) -> Detections:
        if not image.any():
            return Detections.empty(*image.shape[:2])
        mask = np.zeros((1, *image.shape[:2]), np.bool_)
        mask[0][self.body.slices] = mask[0][self.patch.slices] = True
        box = np.array([astuple(Roi.from_mask(mask[0]))], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64), mask)


@pytest.mark.parametrize(
    ("body", "patch", "is_missed"),
    [
        # Lying: a patch of the ground, and a part.
        (Roi(100, 60, 260, 100), Roi(20, 60, 60, 100), False),
        (Roi(100, 60, 260, 100), Roi(60, 60, 100, 100), True),
        # Standing: a patch of the street, and two heads without a neck.
        (Roi(60, 60, 100, 200), Roi(120, 30, 140, 55), False),
        (Roi(60, 60, 100, 200), Roi(70, 30, 90, 55), True),
        (Roi(60, 60, 100, 200), Roi(90, 30, 110, 55), True),
    ],
)
def test_patch_of_ground_is_no_part(body: Roi, patch: Roi, *, is_missed: bool) -> None:
    dark, light = (np.full((240, 270, 3), level, np.uint8) for level in (0, 90))
    mask = np.zeros((240, 270), np.bool_)
    mask[body.y0 - 2 : body.y1 + 5, body.x0 - 2 : body.x1 + 2] = True
    persons = Redetector(PatchSegmenter(body, patch), 1).redetect(dark, mask, light).missed_persons
    assert len(persons) == is_missed
