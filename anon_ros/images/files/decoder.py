"""OpenCV's decoder, with what libjpeg and libpng write to stderr.

libjpeg reports damage there alone, and of a picture's warnings only the first. It returns a picture
that is garbled from that place on: a viewer may recognize somebody in it whom the detector does
not. libpng reports each of them, and damage of the pixels as an error, without a picture.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import cv2
import numpy as np

from anon_ros.errors import ImageFormatError
from anon_ros.images.bit_depth import Samples
from anon_ros.images.files.jpeg_intervals import split_intervals

_STDERR = 2
_WARNING = re.compile(  # also behind what another thread has written without an end of line
    rb"(?:(?P<damage>(?<!damaged: )(?:Corrupt JPEG data: .*"
    rb"|Premature end of JPEG file|Inconsistent progression.*|Invalid SOS parameters.*"
    rb"|Warning: unknown JFIF.*|Unknown Adobe.*))"
    rb"|libpng (?:warning|error):.*)\n"
)
_PADDING = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker 0x(d[0-79])")
_MAX_PADDING_BYTES = 8  # of webcams
_END_OF_IMAGE = "d9"
_LOCK = Lock()


def decode_picture(data: bytes, flags: int) -> tuple[Samples | None, str]:
    """Return the samples that OpenCV reads, None for no picture, and the damage; empty for none.

    Raises:
        ImageFormatError: if OpenCV itself fails.
    """
    samples, damage = _decode(data, flags)
    padding = _PADDING.fullmatch(damage)
    if padding is None:
        return samples, damage
    intervals = split_intervals(data)
    if intervals:
        return samples, next(filter(None, map(_find_damage, intervals)), "")
    # It comes last before the end of an image without intervals, and hides nothing.
    is_last = intervals is not None and padding[2] == _END_OF_IMAGE
    return samples, "" if is_last and _is_short(padding) else damage


def _find_damage(interval: bytes) -> str:
    samples, damage = _decode(interval, cv2.IMREAD_GRAYSCALE)
    if samples is None:
        return "Corrupt JPEG data: a restart interval cannot be decoded"
    padding = _PADDING.fullmatch(damage)
    return "" if padding and _is_short(padding) else damage


def _is_short(padding: re.Match[str]) -> bool:
    return int(padding[1]) <= _MAX_PADDING_BYTES


def _decode(data: bytes, flags: int) -> tuple[Samples | None, str]:
    """Return the samples, and the first warning of damage or of a padded JPEG."""
    try:
        with _capture_warnings() as warnings:
            samples = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        message = f"picture of {len(data)} bytes cannot be decoded: {error.err}"
        raise ImageFormatError(message) from error
    damages = (warning["damage"] or b"" for warning in warnings)
    return samples, next(filter(None, damages), b"").decode(errors="backslashreplace")


@contextmanager
def _capture_warnings() -> Iterator[list[re.Match[bytes]]]:
    """Collect the warnings of both libraries; what others write comes out a little later."""
    warnings: list[re.Match[bytes]] = []
    with _LOCK:
        stderr = _copy_stderr()
        captured = _get_captured(os.getpid())
        os.dup2(captured.file, _STDERR)
        try:
            yield warnings
        finally:
            os.dup2(stderr, _STDERR)
            text = captured.read()
            warnings += _WARNING.finditer(text)
            os.write(stderr, _WARNING.sub(b"", text))
            os.close(stderr)


def _copy_stderr() -> int:
    """Return a duplicate of stderr; where that is closed, the null device takes its place."""
    try:
        return os.dup(_STDERR)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        return os.dup(null) if null == _STDERR else null


class _Captured:
    """A file in place of stderr.

    Another thread may have begun to write there, and end when stderr is back in its place: what
    comes after one reading is part of the next.
    """

    _END = b"\0"
    _MAX_BYTES = 1 << 20

    def __init__(self) -> None:
        self.file = os.memfd_create("decoder")
        fcntl.fcntl(self.file, fcntl.F_SETFL, os.O_APPEND)  # or threads overwrite one another
        self._read = 0

    def read(self) -> bytes:
        """Return what was written since the last call, no write of it cut off."""
        os.write(self.file, self._END)  # appended when the write that is under way has ended
        text = os.pread(self.file, os.fstat(self.file).st_size - self._read, self._read)
        text = text[: text.rindex(self._END) + 1]
        self._read += len(text)
        if self._read > self._MAX_BYTES and os.fstat(self.file).st_size == self._read:
            os.ftruncate(self.file, 0)
            self._read = 0
        return text.replace(self._END, b"")


@cache
def _get_captured(_process: int) -> _Captured:
    """Return the file of one process: a fork would read its parent's lines."""
    return _Captured()
