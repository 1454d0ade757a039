"""Pixels of encodings and of covered persons, and the metadata around them."""

import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from anon_ros.core import Detections, RgbImage
from anon_ros.images import RawImage, encode_raw
from helpers.bag_editing import (
    RunCommand,
    change_message,
    decode_shown_image,
    edit_fields,
    read_findings,
    restore_image,
    rewrite_bag,
)
from helpers.bag_reading import ReadMessage, read_messages
from helpers.bags import (
    JPEG_TOPIC,
    RAW_TOPIC,
    START_NS,
    BagMessage,
    generate_messages,
    make_jpeg_image,
    make_raw_image,
    write_rosbag2,
)
from helpers.fake_models import SentinelModelProvider, SentinelSegmenter
from helpers.hidden_pictures import (
    HIDDEN_IN_JPEG,
    HIDDEN_IN_PNG,
    SKY,
    holds_marker,
    insert_chunks,
    insert_segments,
    make_chunk,
    make_segment,
)


@pytest.mark.parametrize("quality", [40, 75, 100])
def test_verify_accepts_any_jpeg_quality(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, quality: int, bus_rgb: RgbImage
) -> None:
    """A busy picture, in which compression changes much."""
    image = np.repeat(bus_rgb[..., 1:2], 3, axis=2)
    image[300:700, 200:330] = (0, 255, 0)
    messages = [
        BagMessage(
            JPEG_TOPIC,
            "sensor_msgs/msg/CompressedImage",
            START_NS + index,
            make_jpeg_image(image, index),
        )
        for index in range(2)
    ]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output, "--output.jpeg_quality", quality) == 0
    assert run_verify(source, output, "--no-redetection") == 0


class FixedPlaceSegmenter(SentinelSegmenter):
    """Finds somebody at the same place in every image: colours are not seen in all encodings."""

    def segment(self, image: RgbImage) -> Detections:
        mask = np.zeros((1, *image.shape[:2]), np.bool_)
        mask[:, 10:40, 20:41] = True
        box = np.array([[20, 10, 41, 40]], np.float32)
        return Detections(box, np.ones(1, np.float32), np.zeros(1, np.int64), mask)


def encode_scene(encoding: str, index: int) -> BagMessage:
    """A busy picture in an encoding, with 16 bits of which 12 are used."""
    image = np.random.default_rng(index).integers(0, 255, (12, 16, 3), np.uint8)
    image = np.asarray(cv2.resize(image, (64, 48), interpolation=cv2.INTER_LINEAR), np.uint8)
    person, _, encoding = encoding.rpartition(" in the dark of ")
    if person:  # whose luma alone is outside of the limited range
        image = 64 + image // 2
        image[10:40, 20:41] = (image[10:40, 20:41] - 64) // 10
    message: Any = make_jpeg_image(image, index)
    if encoding in {"png", "png 16", "grey jpeg"}:
        grey = image[..., 0]
        samples = {
            "png": np.dstack([image, np.full_like(grey, 255)]),
            "png 16": grey * np.uint16(16),
        }
        suffix = ".jpg" if encoding == "grey jpeg" else ".png"
        message.data = cv2.imencode(suffix, samples.get(encoding, grey))[1].reshape(-1)
        return BagMessage(JPEG_TOPIC, "sensor_msgs/msg/CompressedImage", START_NS + index, message)
    bigendian, step = encoding == "mono16", 64 * 8
    empty = np.zeros(144 * step, np.uint8)
    if encoding.endswith("16"):
        ramp = np.linspace(0, 4095, 24 * step).astype(">u2" if bigendian else "<u2")
        if encoding == "rgba16":
            ramp.reshape(-1, 4)[:, 3] = 65535
        empty[: 48 * step] = ramp.view(np.uint8)
    blank = RawImage(48, 64, encoding, bigendian, step, empty)
    data = encode_raw(blank, image, np.ones((48, 64), np.bool_))
    message = make_raw_image(image, index)
    message.encoding, message.step, message.is_bigendian = encoding, step, int(bigendian)
    message.data = np.frombuffer(data, np.uint8)
    return BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS + index, message)


@pytest.mark.parametrize(
    "encoding",
    [
        *("rgb8", "bgra8", "mono8", "mono16", "rgba16", "bayer_grbg16", "yuv422", "nv12", "nv24"),
        *("person in the dark of yuv422", "person in the dark of nv12"),
        *("png", "png 16", "grey jpeg"),
    ],
)
@pytest.mark.parametrize("kind", ["fill", "pixelate"])
def test_verify_accepts_each_encoding(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    sentinel_models: SentinelModelProvider,
    capsys: pytest.CaptureFixture[str],
    encoding: str,
    kind: str,
) -> None:
    sentinel_models.segmenter = FixedPlaceSegmenter()
    messages = [encode_scene(encoding, index) for index in range(2)]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    small = ("--inpaint.method", kind, "--inpaint.min_person_px", 1)
    assert run_bag(source, output, *small) == 0
    assert run_verify(source, output, "--no-redetection") == 0, capsys.readouterr().out
    before = read_messages(source)
    rewrite_bag(
        output,
        change_message(messages[1].topic, 1, lambda each: each._replace(data=before[1].data)),
    )
    assert run_verify(source, output, "--no-redetection") == 2
    (told,) = read_findings(capsys, "error")
    assert told.endswith(f"at {START_NS + 1} ns: the image is that of the input, with 1 persons")


def make_compressed_message(data: bytes, index: int) -> BagMessage:
    message = make_jpeg_image(SKY, index)
    message.data = np.frombuffer(data, np.uint8)
    return BagMessage(JPEG_TOPIC, "sensor_msgs/msg/CompressedImage", START_NS + index, message)


@pytest.mark.parametrize("part", range(4))
def test_verify_accepts_cut_metadata_and_nothing_else(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    part: int,
) -> None:
    """Frames without persons lose what their metadata may hide, and keep their pixels."""
    hidden = [make() for make in (*HIDDEN_IN_JPEG.values(), *HIDDEN_IN_PNG.values())][part::4]
    messages = [make_compressed_message(data, index) for index, data in enumerate(hidden)]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output, "--salvage") == 0  # a few are damaged
    assert run_verify(source, output, "--no-redetection") in {0, 1}, capsys.readouterr().out
    before = {message.time_ns: message.data for message in read_messages(source)}
    after = read_messages(output)
    assert len(hidden) - 3 <= len(after)

    def restore(messages: list[ReadMessage]) -> list[ReadMessage]:
        return [message._replace(data=before[message.time_ns]) for message in messages]

    for message, original in zip(after, restore(after), strict=True):
        assert not holds_marker(message.data)
        assert np.array_equal(decode_shown_image(message), decode_shown_image(original))
    rewrite_bag(output, restore)
    assert run_verify(source, output, "--no-redetection") == 2
    errors = [line for line in read_findings(capsys, "error") if "metadata" in line]
    assert len({line.partition(": ")[0] for line in errors}) == len(after)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_verify_looks_at_metadata_of_painted_images(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    bus_rgb: RgbImage,
) -> None:
    """Lying on their side, in 4:2:2, whose units of compression are wider than high."""
    image = bus_rgb[:600:4, ::4].copy()
    image[50:90, 60:100] = (0, 255, 0)
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(image)))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    options = {"subsampling": "4:2:2", "quality": 95} if suffix == "jpg" else {}
    turned.save(file, suffix.replace("jpg", "jpeg"), exif=exif, **options)
    messages = [make_compressed_message(file.getvalue(), index) for index in range(2)]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output) == 0
    assert json.loads((output / "report.json").read_text())["persons_per_frame"].keys() != {"0"}
    assert run_verify(source, output, "--no-redetection") == 0, capsys.readouterr().out
    insert = insert_segments if suffix == "jpg" else insert_chunks
    added = make_segment(0xFE, b"a") if suffix == "jpg" else make_chunk(b"tEXt", b"a\0a")

    def add_comment(message: Any) -> None:
        message.data = np.frombuffer(insert(added, data=message.data.tobytes()), np.uint8)

    rewrite_bag(output, change_message(JPEG_TOPIC, 1, lambda old: edit_fields(old, add_comment)))
    assert run_verify(source, output, "--no-redetection") == 2
    (finding,) = read_findings(capsys, "error")
    assert finding.endswith("the file holds metadata or further data that could show persons")


def test_verify_accepts_dark_person(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    """A fill from surroundings that look as the person did is no defect."""
    image = np.full((48, 64, 3), 2, np.uint8)
    image[10:40, 20:40] = (2, 4, 2)
    messages = [each for each in generate_messages() if each.topic == RAW_TOPIC]
    for each in messages:
        rows = each.message.data.reshape(48, -1)
        rows[:, : 64 * 3] = image[..., ::-1].reshape(48, -1)

    class Seeing(SentinelSegmenter):
        def segment(self, image: RgbImage) -> Detections:
            return super().segment(np.where(image[..., 1:2] > 3, (0, 255, 0), image))

    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        models = SentinelModelProvider(segmenter=Seeing())
        patch.setattr("anon_ros.cli.bag.build_tracking_anonymizer", models.anonymizer)
        assert run_bag(source, output) == 0
    assert json.loads((output / "report.json").read_text())["persons_per_frame"] == {"1": 6}
    assert run_verify(source, output) == 0
    rewrite_bag(output, restore_image(RAW_TOPIC)(source))
    assert run_verify(source, output) == 2
