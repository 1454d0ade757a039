"""Compare an anonymized image message with the message of the input."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.bags.messages import IMAGE_TYPE, ImageMessage
from anon_ros.bags.run_files.mask_png import decode_mask_png
from anon_ros.bags.run_files.masks_db import ImageRecord
from anon_ros.bags.verify.person_checks import PersonComparison
from anon_ros.core import Mask, RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    DEFAULT_MAX_PIXELS,
    CompressedImageData,
    RawImage,
    SharedTone,
    decode_compressed,
    encode_compressed,
    encode_raw,
    has_mark,
)
from anon_ros.images.files.jpeg import JpegInfo, parse_jpeg
from anon_ros.images.files.orientation import turn_back, turn_upright

_FIELDS = (
    *("header.stamp.sec", "header.stamp.nanosec", "header.frame_id", "encoding or format"),
    *("height", "width", "step", "is_bigendian", "size of data"),
)
# Encodings of luma and chroma may round a change of one level away.
_ROUNDED_ENCODINGS = ("yu", "uyvy", "nv")
_JPEG_START = b"\xff\xd8"

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
    """The result of a comparison of two images.

    Attributes:
        problems: defects of the output.
        warnings: persons who look as in the input.
        image: (H, W, 3) uint8 RGB, of the output; None if it cannot be decoded.
        mask: (H, W) bool, replaced pixels; None if they are not known.
        is_unchanged: the output's pixels are those of the input.
        persons: judges a person by the pixels of both; None if they cannot be compared.
        was_marked: the input's file has a mark of synthetic persons.
        is_marked: the output's has; None for an image that is no file.
    """

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    image: RgbImage | None = None
    mask: Mask | None = None
    is_unchanged: bool = False
    persons: PersonComparison | None = None
    was_marked: bool = False
    is_marked: bool | None = None


@dataclass(frozen=True)
class _DecodedPair:
    """Images of the same size in input and output.

    Attributes:
        input_frame: message of the input.
        output_frame: message of the output.
        input_image: (H, W, 3) uint8 RGB.
        output_image: (H, W, 3) uint8 RGB.
        jpeg_quality: 1..100, of the output.
    """

    input_frame: ImageMessage
    output_frame: ImageMessage
    input_image: RgbImage
    output_image: RgbImage
    jpeg_quality: int

    @property
    def is_raw(self) -> bool:
        return self.input_frame.channel.type_name == IMAGE_TYPE

    @property
    def is_jpeg(self) -> bool:
        return not self.is_raw and _is_jpeg(self.input_frame.compressed)

    @property
    def is_exact(self) -> bool:
        """True if no pixel that was replaced equals the input's (core.composite)."""
        if self.is_raw:
            return not self.input_frame.encoding.startswith(_ROUNDED_ENCODINGS)
        return not self.is_jpeg

    @property
    def encode_input(self) -> Callable[[], RgbImage] | None:
        """Makes of the input what encoding alone does; None for a format without loss."""
        return self._encode_input if self.is_jpeg else None

    def _encode_input(self) -> RgbImage:
        source = self.input_frame.compressed
        everywhere = np.ones(self.input_image.shape[:2], np.bool_)
        encoded = encode_compressed(source, self.input_image, everywhere, self.jpeg_quality)
        return decode_compressed(CompressedImageData(source.format, encoded))


def compare_images(
    input_frame: ImageMessage,
    output_frame: ImageMessage,
    record: ImageRecord | None,
    jpeg_quality: int,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> ImageComparison:
    """Compare an image of the output with that of the input.

    Args:
        input_frame: message of the input.
        output_frame: message of the output.
        record: of masks.db; None without it.
        jpeg_quality: 1..100, with which the output was encoded.
        max_pixels: that an image may have.

    Returns:
        Everything that is wrong; an image that cannot be decoded is a problem, too.
    """
    comparison = ImageComparison(_compare_fields(input_frame, output_frame))
    tone = SharedTone()  # of the input: what was drawn must not change how the rest is compared
    input_frame = replace(input_frame, tone_rule=tone)
    output_frame = replace(output_frame, tone_rule=tone)
    input_image, input_problem = _decode(input_frame, max_pixels)
    comparison.image, problem = _decode(output_frame, max_pixels)
    if comparison.image is None:
        comparison.problems.append(f"the image cannot be decoded: {problem}")
        return comparison
    if input_image is None:
        comparison.problems.append(
            f"the input's image cannot be decoded ({input_problem}), yet there is one in the output"
        )
        return comparison
    if problem := _check_metadata(output_frame, comparison.image):
        comparison.problems.append(problem)
    if not (input_frame.is_raw or output_frame.is_raw):
        comparison.was_marked = has_mark(input_frame.compressed)
        comparison.is_marked = has_mark(output_frame.compressed)
    comparison.is_unchanged = np.array_equal(input_image, comparison.image)
    if input_image.shape != comparison.image.shape:
        problem = f"the image is {_format_size(comparison.image)}, not {_format_size(input_image)}"
        comparison.problems.append(problem)
    elif record is not None:
        images = input_image, comparison.image
        pair = _DecodedPair(input_frame, output_frame, *images, jpeg_quality)
        _compare_pixels(comparison, pair, record)
    if not comparison.problems and not _has_blank_padding(output_frame, comparison.image):
        comparison.problems.append("the padding holds bytes, which may be another picture")
    return comparison


def _has_blank_padding(frame: ImageMessage, image: RgbImage) -> bool:
    if not frame.is_raw:
        return True
    nobody = np.zeros(image.shape[:2], np.bool_)
    return encode_raw(frame.raw, image, nobody) == bytes(frame.raw.data)


def _decode(frame: ImageMessage, max_pixels: int) -> tuple[RgbImage | None, str]:
    """Return an image, or None and why there is none."""
    try:
        return frame.decode(max_pixels), ""
    except ImageFormatError as error:
        return None, str(error)


def _compare_fields(input_frame: ImageMessage, output_frame: ImageMessage) -> list[str]:
    """Return the differences beside the pixels."""
    headers = zip(_FIELDS, input_frame.header, output_frame.header, strict=False)
    problems = [
        f"{name} {input_value!r} became {output_value!r}"
        for name, input_value, output_value in headers
        if input_value != output_value
    ]
    input_seq, output_seq = (
        getattr(frame.ros_message.header, "seq", None) for frame in (input_frame, output_frame)
    )
    if input_seq != output_seq:  # ROS 1
        problems.append(f"header.seq {input_seq} became {output_seq}")
    return problems


def _compare_pixels(comparison: ImageComparison, pair: _DecodedPair, record: ImageRecord) -> None:
    shape = pair.input_image.shape[:2]
    try:
        mask = np.zeros(shape, np.bool_) if record.mask is None else decode_mask_png(record.mask)
    except ValueError as error:
        comparison.problems.append(f"masks.db: {error}")
        return
    if mask.shape != shape:
        problem = f"the mask is {_format_size(mask)}, not {_format_size(pair.input_image)}"
        comparison.problems.append(f"masks.db: {problem}")
        return
    comparison.mask = mask
    if problem := _check_background(pair, mask):
        comparison.problems.append(problem)
    images = pair.input_image, pair.output_image
    comparison.persons = PersonComparison(*images, mask, pair.is_exact, pair.encode_input)
    if mask.any() and not (len(record.boxes_xyxy) or record.target_boxes_xyxy):
        comparison.problems.append("masks.db: the mask has pixels, but there is no person")
    if comparison.is_unchanged and (len(record.boxes_xyxy) or mask.any()):
        problem = f"the image is that of the input, with {len(record.boxes_xyxy)} persons"
        comparison.problems.append(problem)
        return
    if problem := comparison.persons.check_mask():
        comparison.problems.append(problem)
    for box_xyxy in record.boxes_xyxy:
        problem, warning = comparison.persons.check_person(box_xyxy)
        comparison.problems += [problem] if problem else []
        comparison.warnings += [warning] if warning else []


def _format_size(image: npt.NDArray[Any]) -> str:
    return f"{image.shape[1]} x {image.shape[0]} px"


def _is_jpeg(compressed: CompressedImageData) -> bool:
    return bytes(compressed.data[:2]) == _JPEG_START


def _check_background(pair: _DecodedPair, mask: Mask) -> str:
    """Return the difference outside the mask; empty if there is none."""
    source, output = pair.input_frame, pair.output_frame
    try:
        if pair.is_raw:
            return _check_raw_background(source.raw, output.raw, mask)
        if pair.is_jpeg != _is_jpeg(output.compressed):
            return "a JPEG became a PNG, or the other way round"
        if pair.is_jpeg:
            return _check_jpeg_background(pair, mask)
        return _check_png_background(source.compressed, output.compressed, mask)
    except (ImageFormatError, ValueError) as error:
        return f"the pixels outside the mask cannot be compared: {error}"


def _check_raw_background(source: RawImage, output: RawImage, mask: Mask) -> str:
    """Compare the bytes but padding, with black painted into the mask."""
    black = np.zeros((*mask.shape, 3), np.uint8)
    source_bytes, output_bytes = (
        np.frombuffer(encode_raw(image, black, mask), np.uint8) for image in (source, output)
    )
    if source_bytes.shape != output_bytes.shape:
        return ""  # the size of data is an error already
    indices = np.flatnonzero(source_bytes != output_bytes)
    if not len(indices):
        return ""
    row, column = divmod(int(indices[0]), source.step)
    return f"{len(indices)} bytes outside the mask differ, first in row {row} byte {column}"


def _check_png_background(
    source: CompressedImageData, output: CompressedImageData, mask: Mask
) -> str:
    """Compare the samples, alpha and 16 bits included, with black painted into the mask."""
    black = np.zeros((*mask.shape, 3), np.uint8)
    source_png, output_png = (
        encode_compressed(image, black, mask, 1, adds_mark=True) for image in (source, output)
    )
    return "" if source_png == output_png else "the PNG differs outside the mask"


def _check_metadata(frame: ImageMessage, image: RgbImage) -> str:
    """Return a problem if a message of the output holds anything that encoding would have cut."""
    if frame.is_raw:
        return ""
    nobody = np.zeros(image.shape[:2], np.bool_)
    if encode_compressed(frame.compressed, image, nobody, 1) == bytes(frame.compressed.data):
        return ""
    return "the file holds metadata or further data that could show persons"


def _check_jpeg_background(pair: _DecodedPair, mask: Mask) -> str:
    """Compare the output with what encoding makes of the input with the output's persons in it."""
    source, output = pair.input_frame.compressed, pair.output_frame.compressed
    pasted = np.where(mask[..., None], pair.output_image, pair.input_image)
    nobody = np.zeros_like(mask)
    expected = encode_compressed(source, pasted, mask, pair.jpeg_quality, adds_mark=True)
    if expected == encode_compressed(output, pasted, nobody, 1, adds_mark=True):
        return ""
    if not mask.any():
        return "the JPEG is not that of the input without its metadata, yet nobody was replaced"
    expected_image = decode_compressed(CompressedImageData(source.format, expected))
    difference = expected_image.astype(np.int16) - pair.output_image
    mixed = _expand_to_units(mask, parse_jpeg(bytes(output.data)))
    wrong = (np.abs(difference).max(axis=2) > _SAME_ENCODER_LEVELS) & ~mixed
    mean = cv2.blur(difference.astype(np.float32), (_MEAN_PX, _MEAN_PX))
    max_levels = _MEAN_LEVELS * max(1.0, _COARSE_QUALITY / pair.jpeg_quality)
    wrong |= (np.abs(mean).max(axis=2) > max_levels) & ~mask
    if not wrong.any():
        return ""
    row, column = (int(index[0]) for index in np.nonzero(wrong))
    return (
        f"{np.count_nonzero(wrong)} px outside the mask differ by more than JPEG compression "
        f"explains, first at x {column} y {row}"
    )


def _expand_to_units(mask: Mask, info: JpegInfo) -> Mask:
    """Return every pixel that a JPEG encodes together with a pixel of the mask."""
    mask = turn_back(mask, info.orientation)
    height_px, width_px = mask.shape
    unit_h, unit_w = (_UNIT_SAMPLES * factor for factor in info.chroma_hw)
    rows, columns = -(-height_px // unit_h), -(-width_px // unit_w)
    padded = np.zeros((rows * unit_h, columns * unit_w), np.bool_)
    padded[:height_px, :width_px] = mask
    units = padded.reshape(rows, unit_h, columns, unit_w).any(axis=(1, 3))
    expanded = units.repeat(unit_h, axis=0).repeat(unit_w, axis=1)[:height_px, :width_px]
    kernel = np.ones((2 * _SMOOTHED_PX + 1,) * 2, np.uint8)
    mixed = np.asarray(cv2.dilate(expanded.astype(np.uint8), kernel), np.bool_)
    return turn_upright(mixed, info.orientation)
