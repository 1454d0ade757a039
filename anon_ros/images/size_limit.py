"""The limit on the size of a picture, checked before it is decoded."""

from anon_ros.config import Config
from anon_ros.errors import ImageFormatError

DEFAULT_MAX_PIXELS = Config().fail.max_pixels


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
