"""The pixels of sensor_msgs/CompressedImage, and of image files.

``format`` says what a driver claims, in many spellings ("jpeg", "jpg", "rgb8; jpeg compressed
bgr8", "mono16; png compressed "; compressed_image_transport). The data say whether it is a JPEG or
a PNG. The order of colors in ``format`` is that of the raw message; the file itself is always a
standard one.
"""

import re
from dataclasses import dataclass

import cv2
import numpy as np

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.errors import ImageFormatError, UnsupportedFormatError
from anon_ros.images.bit_depth import Samples, ToneRule, measure_tone
from anon_ros.images.encodings import reject_non_picture
from anon_ros.images.files import jpeg, png
from anon_ros.images.files.decoder import decode_picture
from anon_ros.images.files.orientation import UPRIGHT, turn_back, turn_upright
from anon_ros.images.layout import ByteData, validate_result
from anon_ros.images.packed import to_rgb, write_masked
from anon_ros.images.size_limit import DEFAULT_MAX_PIXELS, reject_oversized

_SIGNATURE_BYTES = 16
_PICTURE_FORMAT = re.compile("jpe?g|png", re.IGNORECASE)
_STORED_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_PNG_ORDER = {1: "mono", 3: "bgr", 4: "bgra"}  # as OpenCV returns the channels

# libjpeg's sampling factors of Y, Cb and Cr, by pixels (height, width) per chroma sample
_JPEG_SAMPLING = {
    (1, 1): 0x111111,
    (1, 2): 0x211111,
    (2, 1): 0x121111,
    (2, 2): 0x221111,
    (1, 4): 0x411111,
}


@dataclass(frozen=True)
class CompressedImageData:
    """The fields of sensor_msgs/CompressedImage; a file is one with its suffix as format.

    Attributes:
        format: what the publisher says that ``data`` is.
        data: a whole JPEG or PNG file; it is only read.
        tone_rule: choice of the mapping of 16-bit samples to 8 bits.
    """

    format: str
    data: ByteData
    tone_rule: ToneRule = measure_tone


def decode_compressed(
    compressed: CompressedImageData, max_pixels: int = DEFAULT_MAX_PIXELS
) -> RgbImage:
    """Return the image as 8-bit RGB, turned upright as its orientation says (EXIF, else XMP).

    16-bit PNG is mapped as in ``decode_raw``.

    Raises:
        ImageFormatError: if the data is neither JPEG nor PNG, cut short or damaged, if it is depth,
            or as ``decode_raw``.
    """
    data = bytes(compressed.data)
    if _is_jpeg(compressed.format, data):
        info = jpeg.parse_jpeg(data)
        reject_oversized(*info.size_wh, max_pixels)
        bgr = turn_upright(_decode(jpeg.silence_heads(data), _STORED_COLOR), info.orientation)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    png_info = png.parse_png(data)
    reject_oversized(*png_info.size_wh, max_pixels)
    samples, order = _decode_png(data)
    return to_rgb(turn_upright(samples, png_info.orientation), order, compressed.tone_rule)


def is_jpeg_or_png(compressed: CompressedImageData) -> bool:
    """Return True if the data begin as a JPEG or PNG, and are no depth."""
    try:
        _is_jpeg(compressed.format, bytes(compressed.data[:_SIGNATURE_BYTES]))
    except ImageFormatError:
        return False
    return True


def has_mark(compressed: CompressedImageData) -> bool:
    """Return True if a file has our own mark of synthetic persons.

    Raises:
        ImageFormatError: if the data is neither JPEG nor PNG, cut short or damaged.
    """
    data = bytes(compressed.data)
    is_jpeg = _is_jpeg(compressed.format, data)
    return jpeg.parse_jpeg(data).is_marked if is_jpeg else png.parse_png(data).is_marked


def encode_compressed(
    compressed: CompressedImageData,
    image: RgbImage,
    mask: Mask,
    jpeg_quality: int,
    *,
    adds_mark: bool = False,
) -> bytes:
    """Return a file like ``compressed`` that shows ``image``.

    An empty mask gives the original pixels, not encoded again. In any case metadata are cut down to
    what is known to hold no picture (see ``jpeg`` and ``png``), and nothing stays behind the end:
    nobody has looked at those. Pixels stay stored as they lie, with their orientation. A mark of
    our own (see ``synthetic_mark``) stays.

    JPEG is encoded anew from ``image``, so pixels outside the mask change by its compression
    error; gray stays gray, and chroma subsampling stays where OpenCV (4.7 or newer) can set it.
    PNG is lossless: pixels outside the mask, alpha and bit depth stay.

    Args:
        compressed: the original.
        image: (H, W, 3) uint8 RGB, as large as ``decode_compressed`` returned it.
        mask: (H, W) bool.
        jpeg_quality: 1..100.
        adds_mark: state in the file that a model drew persons.

    Raises:
        ImageFormatError: as ``decode_compressed``, or if OpenCV cannot encode the image.
        ValueError: if image and mask differ in size, or from the size of a PNG.
    """
    data = bytes(compressed.data)
    validate_result(image, mask, *mask.shape)
    if _is_jpeg(compressed.format, data):
        info = jpeg.parse_jpeg(data)
        if mask.any():
            data = _encode_samples(
                turn_back(image, info.orientation),
                jpeg_quality,
                is_gray=info.is_gray,
                chroma_hw=info.chroma_hw,
            )
        is_marked = adds_mark or info.is_marked
        return jpeg.cut_metadata(data, info.orientation, info.profile, is_marked=is_marked)
    png_info = png.parse_png(data)
    is_marked = adds_mark or png_info.is_marked
    if not mask.any():
        used_colors = _list_colors(_decode_png(data)[0]) if png_info.has_palette else None
        return png.cut_metadata(
            data, png_info.orientation, used_colors=used_colors, is_marked=is_marked
        )
    samples, order = _decode_png(data)
    image, mask = (turn_back(array, png_info.orientation) for array in (image, mask))
    validate_result(image, mask, *samples.shape[:2])
    roi = Roi.from_mask(mask, align_px=2)
    write_masked(samples, order, image, mask, roi, compressed.tone_rule)
    encoded = _encode(".png", samples, [])
    return png.cut_metadata(encoded, png_info.orientation, png_info.color, is_marked=is_marked)


def encode_jpeg(
    image: RgbImage, quality: int, *, is_gray: bool = False, has_mark: bool = False
) -> bytes:
    """Return an (H, W, 3) uint8 RGB image as a JPEG file with 4:2:0 chroma.

    Args:
        image: to encode; nothing else gets into the file.
        quality: 1..100.
        is_gray: store one component.
        has_mark: state in the file that a model drew persons.

    Raises:
        ImageFormatError: if OpenCV cannot encode it.
    """
    data = _encode_samples(image, quality, is_gray=is_gray, chroma_hw=(2, 2))
    return jpeg.cut_metadata(data, UPRIGHT, None, is_marked=has_mark)


def _is_jpeg(declared: str, data: bytes) -> bool:
    """Return True for a JPEG, False for a PNG."""
    reject_non_picture(declared.split(";", maxsplit=1)[0].strip())
    if "compressedDepth" not in declared:
        if data.startswith(jpeg.SIGNATURE):
            return True
        if data.startswith(png.SIGNATURE):
            return False
    message = (
        f"format {declared!r} with data that starts with {data[:8].hex(' ') or 'nothing'} cannot "
        "be anonymized; supported are JPEG and PNG pictures, not depth or video"
    )
    if "compressedDepth" in declared or (declared and not _PICTURE_FORMAT.search(declared)):
        raise UnsupportedFormatError(message)
    raise ImageFormatError(message)


def _decode_png(data: bytes) -> tuple[Samples, str]:
    samples = _decode(data, cv2.IMREAD_UNCHANGED)
    return samples, _PNG_ORDER[1 if samples.ndim == 2 else samples.shape[2]]  # noqa: PLR2004 - rows, columns


def _list_colors(samples: Samples) -> set[bytes]:
    """Return the colors of BGR or BGRA samples as RGB or RGBA."""
    order = [2, 1, 0, 3][: samples.shape[2]]
    unique = np.unique(samples.reshape(-1, len(order)), axis=0)
    return {color.tobytes() for color in unique[:, order]}


def _encode_samples(
    image: RgbImage, quality: int, *, is_gray: bool, chroma_hw: tuple[int, int]
) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if is_gray:
        return _encode(".jpg", np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)), options)
    if hasattr(cv2, "IMWRITE_JPEG_SAMPLING_FACTOR"):
        sampling = _JPEG_SAMPLING.get(chroma_hw, _JPEG_SAMPLING[1, 1])
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    return _encode(".jpg", np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR)), options)


def _decode(data: bytes, flags: int) -> Samples:
    samples, damage = decode_picture(data, flags)
    if samples is None:
        message = f"picture of {len(data)} bytes is damaged: OpenCV cannot decode it"
        raise ImageFormatError(message)
    if damage:
        message = f"picture of {len(data)} bytes is damaged: {damage}"
        raise ImageFormatError(message)
    return samples


def _encode(suffix: str, samples: Samples, options: list[int]) -> bytes:
    encoded, data = cv2.imencode(suffix, samples, options)
    if not encoded:
        message = f"OpenCV cannot encode {samples.dtype} {samples.shape} as {suffix}"
        raise ImageFormatError(message)
    return bytes(data.tobytes())
