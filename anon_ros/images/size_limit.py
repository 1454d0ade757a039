"""Sizes of pictures, too large to decode or for the detector to see persons, and of texts."""

from anon_ros.config import Config
from anon_ros.errors import ImageFormatError, TextLengthError

DEFAULT_MAX_PIXELS = Config().fail.max_pixels
MAX_TEXT_CHARACTERS = 256
"""Characters of a frame_id or format: in more, a picture may hide."""

# At 8192 x 4096 px, with 640 px, six of thirteen persons were found, at 20000 x 5000 px none.
_MAX_REDUCTION = 4


def reject_oversized(width_px: int, height_px: int, max_pixels: int) -> None:
    """Reject a picture whose header declares too many pixels.

    Raises:
        ImageFormatError: names size and parameter.
    """
    if width_px * height_px > max_pixels:
        message = (
            f"picture of {width_px} x {height_px} px is over the limit of {max_pixels} pixels "
            "(fail.max_pixels)"
        )
        raise ImageFormatError(message)


def reject_long_text(name: str, text: str) -> None:
    """Reject a text of a message that is mirrored, but that nobody looks at.

    Raises:
        TextLengthError: names the field.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        message = (
            f"{name} of {len(text)} characters, more than {MAX_TEXT_CHARACTERS}: a picture may "
            "hide in it"
        )
        raise TextLengthError(message)


def describe_reduction(width_px: int, height_px: int, inference_px: int) -> str:
    """Return a warning about a picture that the detector sees much reduced; empty for any other.

    Args:
        width_px: of the picture.
        height_px: of the picture.
        inference_px: detect.inference_px.
    """
    if max(width_px, height_px) <= _MAX_REDUCTION * inference_px:
        return ""
    return (
        f"images of {width_px} x {height_px} px are searched at detect.inference_px = "
        f"{inference_px}, more than {_MAX_REDUCTION} times smaller: persons may be missed"
    )
