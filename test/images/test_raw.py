"""Every encoding of sensor_msgs/Image, against what the message definition says of its bytes."""

from array import array
from dataclasses import replace
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.image import message_to_cvimage
from rosbags.typesys import Stores, get_typestore

from anon_ros.core import Mask, RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import RawImage, SharedTone, decode_raw, encode_raw

BAYER = {
    f"bayer_{pattern}{8 * size}": (1, size, 1)
    for pattern, size in product(("rggb", "bggr", "gbrg", "grbg"), (1, 2))
}
PACKED = {  # channels, bytes of a sample, channels that are colour
    **{f"{order}8": (len(order), 1, 3) for order in ("rgb", "bgr", "rgba", "bgra")},
    **{f"{order}16": (len(order), 2, 3) for order in ("rgb", "bgr", "rgba", "bgra")},
    "8UC3": (3, 1, 3),
    "8UC4": (4, 1, 3),
    "mono8": (1, 1, 1),
    "mono16": (1, 2, 1),
    "8UC1": (1, 1, 1),
    **BAYER,
}
LUMA_INDEX = {"yuv422": 1, "uyvy": 1, "yuv422_yuy2": 0, "yuyv": 0}
SEMI_PLANAR = {"nv12": (3, 2), "nv21": (3, 2), "nv24": (3, 1)}  # rows of data per row of pixels
ENCODINGS = (*PACKED, *LUMA_INDEX, *SEMI_PLANAR)
GRAY = ("mono8", "mono16", "8UC1")
COLORS = st.tuples(*[st.integers(0, 255)] * 3)


def count_row_bytes(encoding: str, width_px: int) -> int:
    channels, sample_bytes, _ = PACKED.get(encoding, (2 if encoding in LUMA_INDEX else 1, 1, 0))
    return width_px * channels * sample_bytes


def make_raw_image(
    encoding: str, height_px: int = 24, width_px: int = 32, seed: int = 0
) -> RawImage:
    """Random bytes, and constant alpha."""
    step = count_row_bytes(encoding, width_px)
    numerator, denominator = SEMI_PLANAR.get(encoding, (1, 1))
    size = step * height_px * numerator // denominator
    data = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    channels, sample_bytes, colors = PACKED.get(encoding, (1, 1, 1))
    if channels > colors:
        data.reshape(-1, channels * sample_bytes)[:, colors * sample_bytes :] = 255
    return RawImage(height_px, width_px, encoding, False, step, data.tobytes())


def make_limited_range_image(encoding: str) -> RawImage:
    """Random bytes; those of luma and chroma in the range that others take them to have."""
    raw = make_raw_image(encoding)
    if encoding in PACKED:
        return raw
    return replace(raw, data=np.frombuffer(raw.data, np.uint8).clip(16, 235).tobytes())


def pad_rows(raw: RawImage, padding: int, trailing: int, highest: int = 255) -> RawImage:
    """The same pixels in longer rows, with random bytes between and behind them."""
    rows = np.frombuffer(raw.data, np.uint8).reshape(-1, raw.step)
    if raw.encoding == "nv24":  # its chroma rows are twice as long, and so is their padding
        luma, chroma = rows[: raw.height], rows[raw.height :].reshape(raw.height, -1)
        parts = [(luma, padding), (chroma, 2 * padding)]
    else:
        parts = [(rows, padding)]
    rng = np.random.default_rng(1)
    data = b"".join(
        np.hstack([part, rng.integers(0, highest + 1, (len(part), more), np.uint8)]).tobytes()
        for part, more in parts
    )
    return replace(
        raw,
        step=raw.step + padding,
        data=data + bytes(rng.integers(0, highest + 1, trailing, np.uint8)),
    )


@st.composite
def raw_images(draw: st.DrawFn) -> RawImage:
    encoding = draw(st.sampled_from(ENCODINGS))
    scale = 1 if encoding in PACKED else 2
    height_px, width_px = (draw(st.integers(4, 12)) * scale for _ in range(2))
    raw = make_raw_image(encoding, height_px, width_px, draw(st.integers(0, 2**32)))
    raw = pad_rows(raw, draw(st.integers(0, 5)), draw(st.integers(0, 5)), highest=0)
    return replace(raw, is_bigendian=draw(st.booleans()), tone_rule=SharedTone())


def make_random_mask(raw: RawImage, share: float) -> Mask:
    return np.random.default_rng(2).random((raw.height, raw.width)) < share


def make_random_rgb(raw: RawImage, seed: int) -> RgbImage:
    return np.random.default_rng(seed).integers(0, 256, (raw.height, raw.width, 3), np.uint8)


def find_touched_bytes(raw: RawImage, mask: Mask) -> npt.NDArray[np.bool_]:
    """The bytes that hold colour of a masked pixel, found pixel by pixel."""
    touched = np.zeros(len(raw.data), np.bool_)
    chroma = raw.height * raw.step
    for y, x in np.argwhere(mask).tolist():
        row = y * raw.step
        if raw.encoding in PACKED:
            channels, sample_bytes, colours = PACKED[raw.encoding]
            first = row + x * channels * sample_bytes
            touched[first : first + colours * sample_bytes] = True
        elif raw.encoding in LUMA_INDEX:
            luma_at = LUMA_INDEX[raw.encoding]
            pair = row + x // 2 * 4
            touched[[row + 2 * x + luma_at, pair + 1 - luma_at, pair + 3 - luma_at]] = True
        else:
            pair = 2 * row + 2 * x if raw.encoding == "nv24" else y // 2 * raw.step + x // 2 * 2
            touched[[row + x, chroma + pair, chroma + pair + 1]] = True
    return touched


MASK_RATIOS = st.sampled_from((0.02, 0.3, 1.0))


@settings(deadline=None, max_examples=300)
@given(raw_images(), MASK_RATIOS)
def test_encode_changes_only_masked_bytes(raw: RawImage, share: float) -> None:
    mask = make_random_mask(raw, share)
    before = np.frombuffer(raw.data, np.uint8)
    after = np.frombuffer(encode_raw(raw, make_random_rgb(raw, 3), mask), np.uint8)
    untouched = ~find_touched_bytes(raw, mask)
    assert np.array_equal(before[untouched], after[untouched])


@settings(deadline=None, max_examples=300)
@given(raw_images(), MASK_RATIOS)
def test_encode_never_keeps_masked_original(raw: RawImage, share: float) -> None:
    """Two originals of the same tone are equal wherever a masked pixel has a part."""
    mask, image = make_random_mask(raw, share), make_random_rgb(raw, 3)
    other = bytes(np.frombuffer(raw.data, np.uint8) ^ 0xA5)
    touched = find_touched_bytes(raw, mask)
    ours = np.frombuffer(encode_raw(raw, image, mask), np.uint8)
    theirs = np.frombuffer(encode_raw(replace(raw, data=other), image, mask), np.uint8)
    assert np.array_equal(ours[touched], theirs[touched])


@settings(deadline=None, max_examples=300)
@given(raw_images(), MASK_RATIOS)
def test_encode_never_uses_unmasked_image(raw: RawImage, share: float) -> None:
    mask, image = make_random_mask(raw, share), make_random_rgb(raw, 3)
    other = np.where(mask[..., None], image, make_random_rgb(raw, 4))
    assert encode_raw(raw, image, mask) == encode_raw(raw, other, mask)


@given(raw_images())
def test_empty_mask_changes_nothing(raw: RawImage) -> None:
    mask = np.zeros((raw.height, raw.width), np.bool_)
    assert encode_raw(raw, make_random_rgb(raw, 3), mask) == raw.data


@settings(deadline=None)
@given(colour=COLORS)
@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_decode_returns_encoded_color(
    encoding: str, colour: tuple[int, int, int], *, is_bigendian: bool
) -> None:
    raw = replace(pad_rows(make_raw_image(encoding), 3, 0, highest=0), is_bigendian=is_bigendian)
    raw = replace(raw, tone_rule=SharedTone())
    image = np.full((raw.height, raw.width, 3), colour, np.uint8)
    mask = np.ones((raw.height, raw.width), np.bool_)
    mask[:2] = False
    seen = decode_raw(replace(raw, data=encode_raw(raw, image, mask)))
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None] if encoding in GRAY else image
    # A step of 8-bit chroma in limited range is two levels of blue.
    tolerance = 0 if encoding in PACKED else 3
    assert np.abs(seen[4:].astype(int) - expected[4:]).max() <= tolerance


@settings(deadline=None)
@given(raw_images(), st.integers(0, 5))
def test_decode_ignores_padding(raw: RawImage, padding: int) -> None:
    plain = make_raw_image(raw.encoding, raw.height, raw.width)
    assert np.array_equal(decode_raw(plain), decode_raw(pad_rows(plain, padding, 3)))


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name.endswith("16")])
def test_decode_ignores_byte_order(encoding: str) -> None:
    little = make_raw_image(encoding)
    swapped = np.frombuffer(little.data, np.uint16).byteswap().tobytes()
    big = replace(little, is_bigendian=True, data=swapped)
    image, mask = make_random_rgb(little, 3), make_random_mask(little, 0.3)
    assert np.array_equal(decode_raw(little), decode_raw(big))
    encoded = np.frombuffer(encode_raw(big, image, mask), np.uint16).byteswap().tobytes()
    assert encode_raw(little, image, mask) == encoded
    assert big.data == swapped


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name[:2] not in ("8U", "nv")])
def test_decode_equals_rosbags_image(encoding: str, *, is_bigendian: bool) -> None:
    raw = replace(make_limited_range_image(encoding), is_bigendian=is_bigendian)
    types = get_typestore(Stores.LATEST).types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "")
    message = types["sensor_msgs/msg/Image"](
        header, raw.height, raw.width, encoding, is_bigendian, raw.step,
        np.frombuffer(raw.data, np.uint8),
    )  # fmt: skip
    expected = message_to_cvimage(message, "rgb8").astype(int)
    # rosbags-image cuts 16 bits down; we stretch them between what is nearly black and white here.
    assert np.abs(decode_raw(raw) - expected).max() <= (3 if encoding.endswith("16") else 0)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if not name.startswith("nv")])
def test_decode_equals_cv_bridge(encoding: str) -> None:
    cv_bridge = pytest.importorskip("cv_bridge", reason="needs cv_bridge, which comes with ROS 2")
    from sensor_msgs.msg import Image  # noqa: PLC0415 - only there with ROS

    raw = make_limited_range_image(encoding)
    fields = {"height": raw.height, "width": raw.width, "step": raw.step}
    message = Image(encoding=encoding, data=array("B", raw.data), **fields)
    expected = cv_bridge.CvBridge().imgmsg_to_cv2(message, "rgb8").astype(int)
    assert np.abs(decode_raw(raw) - expected).max() <= (3 if encoding.endswith("16") else 0)


@pytest.mark.parametrize("encoding", SEMI_PLANAR)
def test_semi_planar_is_bt601(encoding: str) -> None:
    raw = make_limited_range_image(encoding)
    data = np.frombuffer(raw.data, np.uint8).astype(float)
    luma, chroma = np.split(data, [raw.height * raw.width])
    cell_px = 1 if encoding == "nv24" else 2
    pairs = chroma.reshape(raw.height // cell_px, -1, 2).repeat(cell_px, 0).repeat(cell_px, 1)
    v, u = np.moveaxis(pairs[..., :: 1 if encoding == "nv21" else -1] - 128, -1, 0)
    y = 1.164 * (luma.reshape(raw.height, raw.width) - 16).clip(min=0)
    rgb = np.stack([y + 1.596 * v, y - 0.813 * v - 0.391 * u, y + 2.018 * u], axis=-1)
    assert np.abs(decode_raw(raw) - rgb.clip(0, 255)).max() <= 2


@pytest.mark.parametrize("is_bigendian", [False, True])
@pytest.mark.parametrize("encoding", ["mono16", "bayer_rggb16", "rgb16", "bgra16"])
def test_raw_of_12_bit_keeps_its_range(encoding: str, *, is_bigendian: bool) -> None:
    raw = make_raw_image(encoding)
    channels = PACKED[encoding][0]
    dtype = ">u2" if is_bigendian else "<u2"
    shape = raw.height, raw.width, channels
    samples = np.random.default_rng(0).integers(0, 4096, shape).astype(dtype)
    if channels == 4:
        samples[..., 3] = 65535
    raw = replace(raw, is_bigendian=is_bigendian, data=samples.tobytes())
    assert decode_raw(raw).max() == 255
    mask = np.zeros((raw.height, raw.width), np.bool_)
    mask[8:, 8:] = True
    white = np.full((raw.height, raw.width, 3), 255, np.uint8)
    encoded = np.frombuffer(encode_raw(raw, white, mask), dtype).reshape(samples.shape)
    assert (abs(encoded[8:, 8:, :3].astype(int) - 4095) < 50).all()
    assert np.array_equal(encoded[..., 3:], samples[..., 3:])


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: array("B", data),
                                  lambda data: np.frombuffer(data, np.uint8)])  # fmt: skip
def test_any_bytes_like_data_accepted(kind: type) -> None:
    raw = make_raw_image("bgr16")
    other = replace(raw, data=kind(raw.data))
    image, mask = make_random_rgb(raw, 3), make_random_mask(raw, 0.5)
    assert np.array_equal(decode_raw(raw), decode_raw(other))
    assert encode_raw(raw, image, mask) == encode_raw(other, image, mask)
    assert bytes(other.data) == raw.data


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_decoded_image_owns_its_memory(encoding: str) -> None:
    data = bytearray(make_raw_image(encoding).data)
    image = decode_raw(replace(make_raw_image(encoding), data=data))
    before = image.copy()
    data[:] = bytes(len(data))
    assert np.array_equal(image, before)
    assert image.flags.c_contiguous
    assert image.flags.writeable
    assert (image.shape, image.dtype) == ((24, 32, 3), np.uint8)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_short_data_rejected(encoding: str) -> None:
    raw = make_raw_image(encoding)
    short = replace(raw, data=raw.data[:-1])
    with pytest.raises(ImageFormatError, match=rf"{len(raw.data) - 1} bytes.*{len(raw.data)}"):
        decode_raw(short)
    with pytest.raises(ImageFormatError, match="bytes"):
        encode_raw(short, make_random_rgb(raw, 3), make_random_mask(raw, 0.5))


@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "bayer_rggb16"])
def test_hot_pixel_never_darkens_image(encoding: str) -> None:
    channels = PACKED[encoding][0] if encoding in PACKED else 1
    samples = np.random.default_rng(0).integers(0, 1024, (64, 64 * channels), np.uint16)
    data = samples.tobytes()
    calm = RawImage(64, 64, encoding, is_bigendian=False, step=128 * channels, data=data)
    samples[10, 10] = 65535
    hot = replace(calm, data=samples.tobytes())
    far = (slice(20, None), slice(20, None))
    assert np.abs(decode_raw(hot)[far].astype(int) - decode_raw(calm)[far]).max() <= 1


@pytest.mark.parametrize(("padding", "tail"), [(1, 0), (64, 64), (65, 0), (0, 65)])
@pytest.mark.parametrize("masked", [True, False])
def test_padding_never_kept(padding: int, tail: int, *, masked: bool) -> None:
    """A strip of 64 px beside the image is wide enough for a person."""
    rows = np.full((6, 24 + padding), 7, np.uint8)
    data = rows.tobytes() + b"\x07" * tail
    raw = RawImage(6, 8, "rgb8", is_bigendian=False, step=24 + padding, data=data)
    mask = np.zeros((6, 8), np.bool_)
    mask[2, 3] = masked
    encoded = np.frombuffer(encode_raw(raw, np.full((6, 8, 3), 90, np.uint8), mask), np.uint8)
    written = encoded[: rows.size].reshape(rows.shape)
    assert (written[:, 24:] == 0).all()
    assert (encoded[rows.size :] == 0).all()
    assert np.count_nonzero(written[:, :24] == 90) == 3 * masked


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_padding_of_each_encoding_never_kept(encoding: str) -> None:
    plain, nobody = make_raw_image(encoding), np.zeros((24, 32), np.bool_)
    encoded = encode_raw(pad_rows(plain, 5, 9), make_random_rgb(plain, 3), nobody)
    assert encoded == pad_rows(plain, 5, 9, highest=0).data


@pytest.mark.parametrize("encoding", ["rgba8", "bgra8", "8UC4", "rgba16", "bgra16"])
def test_picture_in_fourth_channel_refused(encoding: str) -> None:
    """RGB with near infrared: a person under the mask would stay whole in the fourth channel."""
    plain = make_raw_image(encoding)
    data = np.frombuffer(plain.data, np.uint8).copy()
    data[-1] -= 1
    raw = replace(plain, data=data.tobytes())
    with pytest.raises(ImageFormatError, match=r"fourth channel.*near infrared"):
        decode_raw(raw)
    with pytest.raises(ImageFormatError, match="fourth channel"):
        encode_raw(raw, make_random_rgb(raw, 3), make_random_mask(raw, 0.5))
