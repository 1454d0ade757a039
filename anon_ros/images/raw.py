"""The pixels of sensor_msgs/Image."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, RgbImage, Roi
from anon_ros.errors import ImageFormatError
from anon_ros.images.bit_depth import ToneRule, measure_tone
from anon_ros.images.encodings import get_layout
from anon_ros.images.layout import ByteData, PixelLayout, RowBuffer, validate_result
from anon_ros.images.size_limit import DEFAULT_MAX_PIXELS, reject_oversized


@dataclass(frozen=True)
class RawImage:
    """The fields of sensor_msgs/Image that describe its pixels.

    Attributes:
        height: px.
        width: px.
        encoding: a name of sensor_msgs/image_encodings.hpp.
        is_bigendian: byte order of 16-bit samples; without meaning for 8 bits.
        step: bytes from one row to the next, padding included.
        data: at least ``step`` bytes for each row; it is only read.
        tone_rule: choice of the mapping of 16-bit samples to 8 bits.
    """

    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: ByteData
    tone_rule: ToneRule = measure_tone


def decode_raw(raw: RawImage, max_pixels: int = DEFAULT_MAX_PIXELS) -> RgbImage:
    """Return the image as 8-bit RGB, in memory of its own.

    16-bit samples are mapped by their tone rule, so that persons can be seen in a narrow band.

    Raises:
        ImageFormatError: if the encoding is not supported, sizes and data do not fit together,
            16-bit samples have too few gray levels, or there are more than ``max_pixels``.
    """
    reject_oversized(raw.width, raw.height, max_pixels)
    layout = get_layout(raw.encoding)
    _check(raw, layout)
    return layout.decode(_view_rows(raw, layout, np.frombuffer(raw.data, np.uint8)))


def encode_raw(raw: RawImage, image: RgbImage, mask: Mask) -> bytes:
    """Return the data of ``raw`` with the pixels under ``mask`` taken from ``image``.

    All other pixels are those of ``raw``, and so is constant alpha. Padding of the rows and
    whatever follows the last one are zeroed: 64 bytes per row are a picture of a person, too, and
    nobody has looked there.
    Chroma that several pixels share is replaced where ``mask`` touches one of them. 16-bit samples
    keep their range: black and white are what they were for detection.

    Args:
        raw: the original.
        image: (H, W, 3) uint8 RGB; no pixel outside ``mask`` has any influence.
        mask: (H, W) bool.

    Raises:
        ImageFormatError: as ``decode_raw``.
        ValueError: if image or mask do not have the size of ``raw``.
    """
    layout = get_layout(raw.encoding)
    _check(raw, layout)
    validate_result(image, mask, raw.height, raw.width)
    data = np.frombuffer(raw.data, np.uint8).copy()
    rows = _view_rows(raw, layout, data)
    _blank_padding(rows, layout.row_bytes(raw.width), raw.encoding)
    data[rows.data.size :] = 0
    if mask.any():
        layout.write(rows, image, mask, Roi.from_mask(mask, align_px=2))
    return data.tobytes()


def _blank_padding(rows: RowBuffer, used_bytes: int, encoding: str) -> None:
    luma, chroma = rows.data[: rows.height_px], rows.data[rows.height_px :]
    luma[:, used_bytes:] = 0
    if encoding == "nv24":  # its rows of chroma are twice as long
        chroma.reshape(rows.height_px, -1)[:, 2 * used_bytes :] = 0
    else:
        chroma[:, used_bytes:] = 0


def _view_rows(raw: RawImage, layout: PixelLayout, data: npt.NDArray[np.uint8]) -> RowBuffer:
    count = layout.row_count(raw.height)
    rows = data[: count * raw.step].reshape(count, raw.step)
    return RowBuffer(rows, raw.height, raw.width, raw.is_bigendian, raw.tone_rule)


def _check(raw: RawImage, layout: PixelLayout) -> None:
    what = f"{raw.encoding} image of {raw.width} x {raw.height} px"
    if min(raw.width, raw.height) < layout.min_px:
        message = f"{what}: width and height must be at least {layout.min_px}"
        raise ImageFormatError(message)
    height_multiple, width_multiple = layout.size_multiple_hw
    if raw.height % height_multiple or raw.width % width_multiple:
        message = (
            f"{what}: width must be a multiple of {width_multiple} and height of {height_multiple}"
        )
        raise ImageFormatError(message)
    if raw.step < layout.row_bytes(raw.width):
        message = f"{what}: step is {raw.step}, a row needs {layout.row_bytes(raw.width)} bytes"
        raise ImageFormatError(message)
    size, needed = len(raw.data), layout.row_count(raw.height) * raw.step
    if size < needed:
        message = f"{what}: data holds {size} bytes, step {raw.step} needs {needed}"
        raise ImageFormatError(message)
