"""JPEG and PNG, whole and damaged, and what publishers say of them."""

import io
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, JpegImagePlugin

from anon_ros.core import Mask, RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import CompressedImageData, SharedTone, decode_compressed, encode_compressed

HEIGHT_PX, WIDTH_PX = 48, 64
SAMPLINGS = {  # libjpeg's factors of Y, Cb, Cr and pixels (width, height) per chroma sample
    0x111111: (1, 1),
    0x211111: (2, 1),
    0x121111: (1, 2),
    0x221111: (2, 2),
    0x411111: (4, 1),
}
needs_sampling_option = pytest.mark.skipif(
    not hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"), reason="came with OpenCV 4.7"
)


def make_scene() -> RgbImage:
    """A smooth image: left red, right blue, top dark, bottom light."""
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX]
    light = 40 + 3 * y
    return np.stack([light + 60 - x, light, light - 20 + x], axis=-1).clip(0, 255).astype(np.uint8)


def make_box_mask() -> Mask:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_)
    mask[16:32, 17:40] = True
    return mask


def paint_mask(image: RgbImage, mask: Mask) -> RgbImage:
    return np.where(mask[..., None], np.array([250, 200, 10], np.uint8), image)


def encode_with_opencv(suffix: str, samples: npt.NDArray[np.generic], *options: int) -> bytes:
    encoded, data = cv2.imencode(suffix, samples, options)
    assert encoded
    return data.tobytes()


def encode_with_pillow(**options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(make_scene()).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def make_png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + checksum


def wrap_jpeg(data: bytes) -> CompressedImageData:
    return CompressedImageData("jpeg", data)


def wrap_png(data: bytes) -> CompressedImageData:
    return CompressedImageData("png", data)


def make_noise(dtype: type, channels: int) -> npt.NDArray[np.generic]:
    shape = (HEIGHT_PX, WIDTH_PX) if channels == 1 else (HEIGHT_PX, WIDTH_PX, channels)
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@needs_sampling_option
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_jpeg_keeps_chroma_subsampling(sampling: int) -> None:
    bgr = make_scene()[..., ::-1]
    original = wrap_jpeg(
        encode_with_opencv(".jpg", bgr, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    )
    image = paint_mask(decode_compressed(original), make_box_mask())
    data = encode_compressed(original, image, make_box_mask(), 95)
    (_, width, height, _), (_, *chroma, _), *_ = Image.open(io.BytesIO(data)).layer
    assert (width / chroma[0], height / chroma[1]) == SAMPLINGS[sampling]
    inside = cv2.erode(make_box_mask().astype(np.uint8), np.ones((9, 9))).astype(np.bool_)
    difference = np.abs(decode_compressed(wrap_jpeg(data)).astype(int) - image)
    assert difference[inside].max() <= 8
    assert difference[36:].mean() <= 2


@needs_sampling_option
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_subsampling_by_pillow(sampling: str) -> None:
    original = wrap_jpeg(encode_with_pillow(subsampling=sampling, progressive=True))
    data = encode_compressed(original, make_scene(), make_box_mask(), 95)
    expected = JpegImagePlugin.get_sampling(Image.open(io.BytesIO(original.data)))
    assert JpegImagePlugin.get_sampling(Image.open(io.BytesIO(data))) == expected


def test_jpeg_quality_used() -> None:
    sizes = [
        len(encode_compressed(wrap_jpeg(encode_with_pillow()), make_scene(), make_box_mask(), q))
        for q in (20, 60, 95)
    ]
    assert sizes == sorted(set(sizes))


def test_gray_jpeg_stays_gray() -> None:
    original = wrap_jpeg(encode_with_opencv(".jpg", make_scene()[..., 1]))
    data = encode_compressed(
        original, paint_mask(decode_compressed(original), make_box_mask()), make_box_mask(), 95
    )
    assert Image.open(io.BytesIO(data)).mode == "L"


def test_decode_returns_rgb() -> None:
    """``rgb8; jpeg compressed bgr8`` is a standard JPEG (compressed_image_transport)."""
    for declared in ("jpeg", "rgb8; jpeg compressed bgr8", "bgr8; jpeg compressed bgr8"):
        image = decode_compressed(
            CompressedImageData(declared, encode_with_pillow(subsampling="4:4:4"))
        )
        assert np.abs(image.astype(int) - make_scene()).max() <= 6


def test_orientation_kept_and_exif_dropped() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    exif[0x010E] = "a name"
    original = wrap_jpeg(encode_with_pillow(exif=exif))
    image = decode_compressed(original)
    upright = np.rot90(make_scene(), -1)
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).mean() <= 2
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[:20, :20] = True
    data = encode_compressed(original, paint_mask(image, mask), mask, 95)
    assert b"a name" in original.data
    assert b"a name" not in data
    assert Image.open(io.BytesIO(data)).getexif() == {0x0112: 6}
    assert (
        np.abs(decode_compressed(wrap_jpeg(data)).astype(int) - paint_mask(image, mask)).mean() <= 2
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_changes_only_masked(dtype: type, channels: int) -> None:
    samples = make_noise(dtype, channels)
    samples[..., 3:] = 200
    tone = SharedTone()
    original = CompressedImageData("png", encode_with_opencv(".png", samples), tone)
    image = paint_mask(decode_compressed(original), make_box_mask())
    data = encode_compressed(original, image, make_box_mask(), 95)
    result = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (result.dtype, result.shape) == (samples.dtype, samples.shape)
    assert np.array_equal(result[~make_box_mask()], samples[~make_box_mask()])
    if channels == 4:
        assert np.array_equal(result[..., 3], samples[..., 3])
    expected = image if channels > 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    seen = decode_compressed(CompressedImageData("png", data, tone))
    assert np.abs(seen[make_box_mask()].astype(int) - expected[make_box_mask()]).max() == 0


def test_png_of_12_bit_keeps_its_range() -> None:
    samples = make_noise(np.uint16, 1) >> 4
    original = CompressedImageData("mono16; png compressed ", encode_with_opencv(".png", samples))
    image = decode_compressed(original)
    assert image.max() == 255
    white = np.full_like(image, 255)
    data = encode_compressed(original, white, make_box_mask(), 95)
    result = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (abs(result[make_box_mask()].astype(int) - 4095) < 50).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_picture_in_alpha_refused(dtype: type) -> None:
    original = wrap_png(encode_with_opencv(".png", make_noise(dtype, 4)))
    with pytest.raises(ImageFormatError, match="fourth channel"):
        decode_compressed(original)


@pytest.mark.parametrize("mode", ["1", "P", "LA"])
def test_unusual_png_modes_replaced(mode: str) -> None:
    file = io.BytesIO()
    Image.fromarray(make_scene()).convert(mode).save(file, "PNG")
    original = wrap_png(file.getvalue())
    before = decode_compressed(original)
    grey = np.where(make_box_mask()[..., None], np.uint8(77), before)
    assert np.array_equal(
        decode_compressed(wrap_png(encode_compressed(original, grey, make_box_mask(), 95))), grey
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_empty_mask_keeps_bytes(suffix: str) -> None:
    data = encode_with_opencv(suffix, make_scene())
    mask = np.zeros_like(make_box_mask())
    original = CompressedImageData("any", np.frombuffer(data, np.uint8))
    assert encode_compressed(original, make_scene(), mask, 95) == data


UNDAMAGED = {
    "baseline": encode_with_opencv(".jpg", make_scene()),
    "progressive": encode_with_opencv(".jpg", make_scene(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encode_with_opencv(".jpg", make_scene(), cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "thumbnail": encode_with_pillow(
        exif=b"Exif\0\0" + encode_with_opencv(".jpg", make_scene()[::2, ::2])
    ),
    "grey png": encode_with_opencv(".png", make_scene()[..., 0]),
    "16-bit png": encode_with_opencv(".png", make_noise(np.uint16, 3)),
}


@pytest.mark.parametrize("name", UNDAMAGED)
def test_trailing_zeros_accepted(name: str) -> None:
    image = decode_compressed(CompressedImageData("", UNDAMAGED[name]))
    assert np.array_equal(
        decode_compressed(CompressedImageData("", UNDAMAGED[name] + bytes(7))), image
    )


@pytest.mark.parametrize("name", UNDAMAGED)
def test_truncated_file_rejected(name: str) -> None:
    data = UNDAMAGED[name]
    for length in range(0, len(data), max(1, len(data) // 400)):
        with pytest.raises(ImageFormatError):
            decode_compressed(CompressedImageData("", data[:length]))
        with pytest.raises(ImageFormatError):
            decode_compressed(CompressedImageData("", data[:length] + bytes(len(data) - length)))


@pytest.mark.parametrize("name", UNDAMAGED)
def test_half_file_rejected(name: str) -> None:
    half = CompressedImageData("", UNDAMAGED[name][: len(UNDAMAGED[name]) // 2])
    with pytest.raises(ImageFormatError, match=rf"of {len(half.data)} bytes is cut short"):
        decode_compressed(half)
    with pytest.raises(ImageFormatError, match="is cut short"):
        encode_compressed(half, make_scene(), make_box_mask(), 95)


@pytest.mark.parametrize("name", UNDAMAGED)
def test_trailing_picture_never_kept(name: str) -> None:
    """Phones put a video there; nobody has looked for persons in it."""
    original = CompressedImageData("", UNDAMAGED[name] + UNDAMAGED["baseline"])
    image = decode_compressed(original)
    nobody = np.zeros(image.shape[:2], np.bool_)
    kept = encode_compressed(original, image, nobody, 95)
    assert kept == encode_compressed(CompressedImageData("", UNDAMAGED[name]), image, nobody, 95)
    assert kept == UNDAMAGED[name] or name == "thumbnail"
    assert kept.count(b"\xff\xd8\xff") <= 1
    assert UNDAMAGED["baseline"] not in encode_compressed(original, image, ~nobody, 95)


def test_png_flipped_bit_rejected() -> None:
    data = UNDAMAGED["grey png"]
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        with pytest.raises(ImageFormatError):
            decode_compressed(wrap_png(damaged))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["baseline", "progressive", "restarts"]), st.data())
def test_damaged_jpeg_raises_one_error(name: str, draw: st.DataObject) -> None:
    damaged = bytearray(UNDAMAGED[name])
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    try:
        image = decode_compressed(wrap_jpeg(damaged))
    except ImageFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017 - the message is looked at where there is one
    else:
        for mask in (np.ones(image.shape[:2], np.bool_), np.zeros(image.shape[:2], np.bool_)):
            try:
                encode_compressed(wrap_jpeg(damaged), image, mask, 95)
            except ImageFormatError as error:
                assert "\n" not in str(error)  # noqa: PT017 - as above


def test_animated_png_rejected() -> None:
    data = UNDAMAGED["grey png"]
    header_end = 8 + 25
    animated = data[:header_end] + make_png_chunk(b"acTL", bytes(8)) + data[header_end:]
    with pytest.raises(ImageFormatError, match="animated"):
        decode_compressed(wrap_png(animated))


def test_result_of_other_size_rejected() -> None:
    with pytest.raises(ValueError, match="image is"):
        encode_compressed(wrap_jpeg(UNDAMAGED["baseline"]), make_scene()[1:], make_box_mask(), 95)
    with pytest.raises(ValueError, match="image is"):
        encode_compressed(
            wrap_png(UNDAMAGED["grey png"]), make_scene()[1:], make_box_mask()[1:], 95
        )
