"""An anonymized image message against the one that it was made from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.bags.messages import IMAGE_TYPE, ImageMessage
from anon_ros.bags.run_files.journal import ImageRecord, decode_mask_png
from anon_ros.bags.verify.person_checks import PersonComparison
from anon_ros.core import Mask, RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    CompressedImageData,
    RawImage,
    decode_compressed,
    encode_compressed,
    encode_raw,
)
from anon_ros.images.jpeg import parse_jpeg

_FIELDS = (
    *("header.stamp.sec", "header.stamp.nanosec", "header.frame_id", "encoding or format"),
    *("height", "width", "step", "is_bigendian", "size of data"),
)
# Encodings of luma and chroma may round a change of one level away.
_ROUNDED = ("yu", "uyvy", "nv")

# A JPEG's pixels change together in units of 8 x 8 samples of its chroma, and a little beyond where
# a decoder smooths that.
_UNIT_SAMPLES, _SMOOTHED_PX = 8, 4
# Where no unit touches the mask the same encoder gives the same pixels; another build of libjpeg
# may round otherwise.
_SAME_ENCODER_LEVELS = 3
# In units that the mask touches, coefficients also depend on what was drawn there, which we only
# have after its own compression: they may be quantized otherwise. That is noise, most of which goes
# away in the mean over 8 x 8 px. With noise drawn into the mask and every subsampling that OpenCV
# writes, 23 levels were the most at quality 50, below which quantization grows as 1 / quality.
_MEAN_PX, _MEAN_LEVELS, _COARSE_QUALITY = 8, 26, 50


@dataclass
class ImageComparison:
    """What is wrong with an output frame.

    Attributes:
        problems: what is not as it must be.
        warnings: what may be as it must not be.
        image: (H, W, 3) uint8 RGB, of the output; None if it cannot be decoded.
        mask: (H, W) bool, what was replaced; None if that is not known.
        is_same: the output's pixels are those of the input.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    image: RgbImage | None = None
    mask: Mask | None = None
    is_same: bool = False


def compare_images(
    before: ImageMessage, after: ImageMessage, row: ImageRecord | None, jpeg_quality: int
) -> ImageComparison:
    """Compare an image of the output with that of the input.

    Args:
        before: of the input.
        after: of the output.
        row: what masks.db says of it; None if that is not known.
        jpeg_quality: 1..100, with which the output was encoded.

    Returns:
        What is wrong; that an image cannot be decoded is, too.
    """
    result = ImageComparison(_fields(before, after))
    try:
        result.image = after.decode()
    except ImageFormatError as error:
        result.problems.append(f"the image cannot be decoded: {error}")
        return result
    try:
        was = before.decode()
    except ImageFormatError as error:
        problem = f"the input's image cannot be decoded ({error}), yet there is one in the output"
        result.problems.append(problem)
        return result
    result.is_same = np.array_equal(was, result.image)
    if was.shape != result.image.shape:
        result.problems.append(f"the image is {_size(result.image)}, not {_size(was)}")
    elif row is not None:
        _compare_pixels(result, before, after, was, row, jpeg_quality)
    return result


def _compare_pixels(  # noqa: PLR0913, PLR0917 - private
    result: ImageComparison,
    before: ImageMessage,
    after: ImageMessage,
    was: RgbImage,
    row: ImageRecord,
    quality: int,
) -> None:
    assert result.image is not None  # noqa: S101 - narrows the type
    try:
        mask = np.zeros(was.shape[:2], np.bool_) if row.mask is None else decode_mask_png(row.mask)
    except ValueError as error:
        result.problems.append(f"masks.db: {error}")
        return
    if mask.shape != was.shape[:2]:
        result.problems.append(f"masks.db: the mask is {_size(mask)}, not {_size(was)}")
        return
    result.mask = mask
    if problem := _outside(before, after, was, result.image, mask, quality):
        result.problems.append(problem)
    if result.is_same and len(row.boxes_xyxy):
        told = f"the image is that of the input, with {len(row.boxes_xyxy)} persons"
        result.problems.append(told)
    else:
        judge = PersonComparison(
            was, result.image, mask, _is_exact(before), _error_of(before, was, quality)
        )
        for box in row.boxes_xyxy:
            problem, doubt = judge.check_person(box)
            result.problems += [problem] if problem else []
            result.warnings += [doubt] if doubt else []


def _size(image: npt.NDArray[Any]) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"


def _fields(before: ImageMessage, after: ImageMessage) -> list[str]:
    """Which fields beside the pixels differ."""
    found = [
        f"{name} {one!r} became {other!r}"
        for name, one, other in zip(_FIELDS, before.header, after.header, strict=False)
        if one != other
    ]
    numbers = [getattr(each.ros_message.header, "seq", None) for each in (before, after)]
    if numbers[0] != numbers[1]:  # ROS 1
        found.append(f"header.seq {numbers[0]} became {numbers[1]}")
    return found


def _is_exact(frame: ImageMessage) -> bool:
    """Whether no pixel that was replaced equals the input's (core.composite)."""
    if frame.channel.type_name == IMAGE_TYPE:
        return not frame.encoding.startswith(_ROUNDED)
    return not _is_jpeg(frame.compressed)


def _error_of(
    frame: ImageMessage, was: RgbImage, quality: int
) -> Callable[[], npt.NDArray[np.float32]] | None:
    """What measures the error of encoding; None for a format without loss."""
    if frame.channel.type_name == IMAGE_TYPE or not _is_jpeg(frame.compressed):
        return None
    return lambda: _jpeg_error(frame.compressed, was, quality)


def _is_jpeg(compressed: CompressedImageData) -> bool:
    return bytes(compressed.data[:2]) == b"\xff\xd8"


def _outside(  # noqa: PLR0913, PLR0917 - private
    before: ImageMessage,
    after: ImageMessage,
    was: RgbImage,
    now: RgbImage,
    mask: Mask,
    quality: int,
) -> str:
    """What differs outside the mask; empty if nothing does."""
    try:
        if before.channel.type_name == IMAGE_TYPE:
            return _raw_outside(before.raw, after.raw, mask)
        if _is_jpeg(before.compressed) != _is_jpeg(after.compressed):
            return "a JPEG became a PNG, or the other way round"
        if _is_jpeg(before.compressed):
            return _check_jpeg_background(
                before.compressed, after.compressed, was, now, mask, quality
            )
        return _png_outside(before.compressed, after.compressed, mask)
    except (ImageFormatError, ValueError) as error:
        return f"the pixels outside the mask cannot be compared: {error}"


def _raw_outside(before: RawImage, after: RawImage, mask: Mask) -> str:
    """With black painted into the mask of both, no byte may differ: not even of the padding."""
    black = np.zeros((*mask.shape, 3), np.uint8)
    one, other = (
        np.frombuffer(encode_raw(each, black, mask), np.uint8) for each in (before, after)
    )
    if one.shape != other.shape:
        return ""  # the size of data is told already
    differs = np.flatnonzero(one != other)
    if not len(differs):
        return ""
    row, column = divmod(int(differs[0]), before.step)
    return f"{len(differs)} bytes outside the mask differ, first in row {row} byte {column}"


def _png_outside(before: CompressedImageData, after: CompressedImageData, mask: Mask) -> str:
    """As ``_raw_outside``, on the decoded samples: alpha and 16 bits count."""
    black = np.zeros((*mask.shape, 3), np.uint8)
    one, other = (encode_compressed(each, black, mask, 1) for each in (before, after))
    return "" if one == other else "the PNG differs outside the mask"


def _check_jpeg_background(  # noqa: PLR0913, PLR0917 - private
    before: CompressedImageData,
    after: CompressedImageData,
    was: RgbImage,
    now: RgbImage,
    mask: Mask,
    quality: int,
) -> str:
    """The output must be what encoding gives of the input with the output's persons in it."""
    expected = encode_compressed(before, np.where(mask[..., None], now, was), mask, quality)
    if expected == bytes(after.data) or bytes(before.data) == bytes(after.data):
        return ""
    again = decode_compressed(CompressedImageData(before.format, expected))
    difference = again.astype(np.int16) - now
    mixed = _grown_to_units(mask, parse_jpeg(bytes(after.data)).chroma_hw)
    strange = (np.abs(difference).max(axis=2) > _SAME_ENCODER_LEVELS) & ~mixed
    mean = cv2.blur(difference.astype(np.float32), (_MEAN_PX, _MEAN_PX))
    most = _MEAN_LEVELS * max(1.0, _COARSE_QUALITY / quality)
    strange |= (np.abs(mean).max(axis=2) > most) & ~mask
    if not strange.any():
        return ""
    row, column = (int(index[0]) for index in np.nonzero(strange))
    return (
        f"{np.count_nonzero(strange)} px outside the mask differ by more than JPEG compression "
        f"explains, first at x {column} y {row}"
    )


def _grown_to_units(mask: Mask, chroma_hw: tuple[int, int]) -> Mask:
    """Every pixel that a JPEG encodes together with one of the mask."""
    height_px, width_px = mask.shape
    unit_h, unit_w = (_UNIT_SAMPLES * factor for factor in chroma_hw)
    rows, columns = -(-height_px // unit_h), -(-width_px // unit_w)
    padded = np.zeros((rows * unit_h, columns * unit_w), np.bool_)
    padded[:height_px, :width_px] = mask
    units = padded.reshape(rows, unit_h, columns, unit_w).any(axis=(1, 3))
    grown = units.repeat(unit_h, axis=0).repeat(unit_w, axis=1)[:height_px, :width_px]
    kernel = np.ones((2 * _SMOOTHED_PX + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(grown.astype(np.uint8), kernel), np.bool_)


def _jpeg_error(
    before: CompressedImageData, was: RgbImage, quality: int
) -> npt.NDArray[np.float32]:
    """(H, W) float32, levels: what encoding alone changes, in the mean around each pixel."""
    everywhere = np.ones(was.shape[:2], np.bool_)
    encoded = encode_compressed(before, was, everywhere, quality)
    again = decode_compressed(CompressedImageData(before.format, encoded))
    error = cv2.absdiff(was, again).max(axis=2).astype(np.float32)
    return np.asarray(cv2.blur(error, (_MEAN_PX + 1,) * 2), np.float32)
