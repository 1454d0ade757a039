"""Conversion of image messages: encodings by topic, padding, limits."""

from array import array
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from anon_ros.config import OutputConfig
from anon_ros.core import AnonymizedFrame, Detections, RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.ros.topics.image_messages import (
    decode_message,
    encode_message,
    reject_hidden_info,
)
from helpers.ros_images import make_raw_message


def make_thermal_message() -> Image:
    counts = (51241 + np.arange(48 * 64) % 900).astype("<u2")
    return Image(height=48, width=64, encoding="16UC1", step=128, data=array("B", counts.tobytes()))


def make_result(image: RgbImage, *, is_replaced: bool) -> AnonymizedFrame:
    shape = image.shape[:2]
    nobody = Detections(
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32),
        np.zeros(0, np.int64),
        np.zeros((0, *shape), np.bool_),
    )
    return AnonymizedFrame(image, nobody, np.full(shape, is_replaced), ())


@pytest.mark.parametrize("padding", [1, 64, 192])
def test_padding_without_persons_never_published(padding: int) -> None:
    """A person may stand beside the image as any viewer shows it."""
    image = np.random.default_rng(0).integers(1, 256, (48, 64, 3), np.uint8)
    message = make_raw_message(image, 1, padding)
    message.data.frombytes(b"\x07" * 640)
    mirrored = encode_message(message, make_result(image, is_replaced=False), OutputConfig())
    rows = np.frombuffer(mirrored.data, np.uint8)[: 48 * mirrored.step].reshape(48, -1)
    assert np.array_equal(rows[:, :192].reshape(48, 64, 3), image[..., ::-1])
    assert not rows[:, 192:].any()
    assert not any(mirrored.data[48 * mirrored.step :])
    assert len(mirrored.data) == len(message.data)


def test_thermal_by_name_of_topic() -> None:
    """The rule of recordings: 16UC1 is depth unless its topic is named like a thermal camera."""
    message = make_thermal_message()
    image = decode_message(message, "/thermal/image_raw")
    assert np.ptp(image) > 200
    mirrored = encode_message(
        message, make_result(np.zeros_like(image), is_replaced=True), OutputConfig()
    )
    assert mirrored.encoding == "16UC1"
    counts = np.frombuffer(mirrored.data, "<u2")
    assert np.ptp(counts) == 0
    assert 51241 <= counts[0] < 51300
    for topic in ("/depth/image_raw", "/front/image_raw"):
        with pytest.raises(ImageFormatError, match=rf"16UC1.*{topic}.*may be depth"):
            decode_message(message, topic)


def test_compressed_thermal_by_name_of_topic() -> None:
    """image_transport writes 16UC1 as PNG; by the same rule."""
    raw = make_thermal_message()
    counts = np.frombuffer(raw.data, "<u2").reshape(raw.height, raw.width)
    png = cv2.imencode(".png", counts)[1].tobytes()
    message = CompressedImage(format="16UC1; png compressed ", data=array("B", png))
    image = decode_message(message, "/thermal/image_raw/compressed")
    assert np.array_equal(image, decode_message(raw, "/thermal/image_raw"))
    mirrored = encode_message(
        message, make_result(np.zeros_like(image), is_replaced=True), OutputConfig()
    )
    assert mirrored.format == message.format
    drawn = cv2.imdecode(np.frombuffer(mirrored.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.ptp(drawn) == 0
    assert 51241 <= drawn[0, 0] < 51300
    with pytest.raises(ImageFormatError, match=r"16UC1.*/front.*may be depth"):
        decode_message(message, "/front/image_raw/compressed")


@pytest.mark.parametrize("suffix", [".jpg", ".png", "raw"])
def test_image_over_pixel_limit_refused(suffix: str) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    message: Image | CompressedImage = make_raw_message(image, 1)
    if suffix != "raw":
        data = cv2.imencode(suffix, image)[1].tobytes()
        message = CompressedImage(format=suffix, data=array("B", data))
    decode_message(message, "/cam", 48 * 64)
    with pytest.raises(ImageFormatError, match=r"64 x 48 px is over.*fail\.max_pixels"):
        decode_message(message, "/cam", 48 * 64 - 1)


@pytest.mark.parametrize("suffix", [".jpg", "raw"])
def test_long_text_refused(suffix: str) -> None:
    """A picture may hide in what is mirrored as it is."""
    image = np.zeros((48, 64, 3), np.uint8)
    message: Image | CompressedImage = make_raw_message(image, 1)
    if suffix != "raw":
        data = cv2.imencode(suffix, image)[1].tobytes()
        message = CompressedImage(format=f"jpeg; {'x' * 300}", data=array("B", data))
        with pytest.raises(ImageFormatError, match="format of 306 characters"):
            decode_message(message, "/cam")
        message.format = "jpeg"
    message.header.frame_id = "x" * 257
    with pytest.raises(ImageFormatError, match="frame_id of 257 characters"):
        decode_message(message, "/cam")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda info: setattr(info.header, "frame_id", "x" * 257), "frame_id of 257"),
        (lambda info: setattr(info, "distortion_model", "x" * 257), "distortion_model of 257"),
        (lambda info: setattr(info, "d", [0.0] * 65), "65 distortion coefficients"),
    ],
)
def test_camera_info_hides_nothing(change: Callable[[CameraInfo], object], problem: str) -> None:
    info = CameraInfo(distortion_model="plumb_bob", d=[0.0] * 14)
    reject_hidden_info(info)
    change(info)
    with pytest.raises(ImageFormatError, match=problem):
        reject_hidden_info(info)
