"""Odd encodings, steps, sizes and formats that drivers were reported with, a topic each."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.bag_reading import decode_image, deserialize, read_messages
from helpers.bags import ROS2_TYPES, START_NS, BagMessage, make_header, write_rosbag2
from helpers.fake_models import find_sentinel_pixels, make_street_image

RunCommand = Callable[..., int]
RGB = make_street_image(64, 48)
BGR = np.ascontiguousarray(RGB[..., ::-1])
GRAY = np.asarray(cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY), np.uint8)
YUYV = np.stack([GRAY, np.full_like(GRAY, 128)], -1)
JPEG, PNG, PNG_16 = (
    cv2.imencode(suffix, image)[1].tobytes()
    for suffix, image in ((".jpg", BGR), (".png", BGR), (".png", GRAY * np.uint16(257)))
)
WEBP = io.BytesIO()
Image.fromarray(RGB).save(WEBP, "WEBP")

RAW: dict[str, tuple[Any, str, dict[str, int]]] = {
    "anonymized/bayer": (GRAY, "bayer_rggb8", {}),
    "anonymized/yuy2": (YUYV, "yuv422_yuy2", {}),
    "anonymized/yuyv": (YUYV, "yuyv", {}),
    "anonymized/data_longer": (np.vstack([BGR, BGR[:9]]), "bgr8", {"height": 48}),
    "anonymized/bigendian_255": (BGR, "bgr8", {"is_bigendian": 255}),
    "anonymized/mono16_bigendian_255": (GRAY.astype(">u2") * 257, "mono16", {"is_bigendian": 255}),
    "anonymized/uc3": (BGR, "8UC3", {}),
    "anonymized/thermal_16uc1": (GRAY.astype("<u2") * 257, "16UC1", {}),
    "lost/step_zero": (BGR, "bgr8", {"step": 0}),  # ipa320/softkinetic#25
    "lost/step_is_width": (BGR, "bgr8", {"step": 64}),  # OTL/cv_camera#30
    "lost/step_too_large": (BGR, "bgr8", {"step": 64 * 3 + 5}),
    "lost/size_zero": (BGR, "bgr8", {"height": 0, "width": 0, "step": 0}),
    "lost/nv12_height_of_buffer": (np.vstack([GRAY, GRAY[:24]]), "nv12", {}),
    "lost/yuv422_odd": (np.ascontiguousarray(YUYV[:, :-1]), "yuv422", {}),
    "asked/uc2": (YUYV, "8UC2", {}),
    "asked/sc1": (GRAY, "8SC1", {}),
    "asked/upper": (RGB, "RGB8", {}),
    "asked/space": (BGR, "bgr8 ", {}),
    "asked/empty": (BGR, "", {}),
    "asked/jpeg_in_raw": (np.frombuffer(JPEG, np.uint8)[None], "jpeg", {"step": 0}),
    "asked/yuv420": (np.vstack([GRAY, GRAY[:24]]), "yuv420", {"height": 48}),
    "asked/rggb12": (GRAY.astype("<u2") * 16, "bayer_rggb12", {}),
    "asked/float": (GRAY.astype("<f4"), "32FC1", {}),
}
PACKED = {
    "anonymized/jpg": ("jpg", JPEG),
    "anonymized/transport": ("rgb8; jpeg compressed bgr8", JPEG),
    "anonymized/png": ("bgr8; png compressed bgr8", PNG),
    "anonymized/packed_uc3": ("8UC3; jpeg compressed bgr8", JPEG),
    "anonymized/upper": ("JPEG", JPEG),
    "anonymized/no_format": ("", JPEG),
    "anonymized/mjpeg": ("mjpeg", JPEG),
    "anonymized/png_called_jpeg": ("jpeg", PNG),
    "anonymized/mono16": ("mono16; png compressed ", PNG_16),
    "anonymized/yuv": ("yuv422; jpeg compressed bgr8", JPEG),
    "asked/uc1": ("16UC1; png compressed ", PNG_16),
    "asked/depth": ("16UC1; compressedDepth png", bytes(12) + PNG_16),
    "asked/rvl": ("16UC1; compressedDepth rvl", bytes(40)),
    "asked/webp": ("webp", WEBP.getvalue()),
    "asked/jxl": ("jxl", b"\xff\x0a" + bytes(50)),
    "asked/h264": ("h264", b"\0\0\0\1\x67" + bytes(50)),
    "asked/avif": ("avif", b"\0\0\0\x1cftypavif" + bytes(50)),
    "asked/nothing": ("jpeg", b""),
}
COLORED = ("data_longer", "bigendian_255", "uc3", "jpg", "transport", "png", "no_format", "mjpeg")


def make_messages() -> list[BagMessage]:
    make_raw, make_packed = (
        ROS2_TYPES.types[f"sensor_msgs/msg/{name}"] for name in ("Image", "CompressedImage")
    )
    messages = []
    for name, (pixels, encoding, fields) in RAW.items():
        values = {"height": pixels.shape[0], "width": pixels.shape[1], "step": pixels.strides[0]}
        values |= {"is_bigendian": 0, "encoding": encoding} | fields
        data = np.frombuffer(pixels.tobytes(), np.uint8)
        image = make_raw(header=make_header(0), data=data, **values)
        messages.append(BagMessage(f"/{name}", "sensor_msgs/msg/Image", START_NS, image))
    for name, (declared, data) in PACKED.items():
        image = make_packed(make_header(0), declared, np.frombuffer(data, np.uint8))
        messages.append(BagMessage(f"/{name}", "sensor_msgs/msg/CompressedImage", START_NS, image))
    return messages


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rosbag2(tmp_path_factory.mktemp("encodings") / "in", messages=make_messages())


def test_unknown_encodings_need_decision(
    source: Path, tmp_path: Path, run_bag: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_bag(source, tmp_path / "out", "--dry-run") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    asked = {row[1] for row in rows if row[0] == "?"}
    assert asked == {f"/{name}" for name in {**RAW, **PACKED} if name.startswith("asked")}
    assert run_bag(source, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert all(topic in error for topic in asked)


def test_odd_encodings_anonymized_or_lost(
    source: Path, tmp_path: Path, run_bag: RunCommand
) -> None:
    output = tmp_path / "out"
    assert run_bag(source, output, "--drop", "/asked/*") == 2
    assert not output.exists()
    assert run_bag(source, output, "--drop", "/asked/*", "--salvage") == 0
    images = {message.topic: deserialize(message) for message in read_messages(output)}
    expected = {f"/{name}" for name in {**RAW, **PACKED} if name.startswith("anonymized")}
    assert set(images) == expected
    for name in COLORED:
        image = images[f"/anonymized/{name}"]
        pixels = (
            decode_image(image)
            if hasattr(image, "format")
            else np.frombuffer(image.data, np.uint8)[: RGB.size].reshape(RGB.shape)[..., ::-1]
        )
        assert not find_sentinel_pixels(pixels).any()
    longer = images["/anonymized/data_longer"].data
    assert not longer[RGB.size :].any()
