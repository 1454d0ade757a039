"""OpenCV's decoder, with what libjpeg and libpng write to stderr.

They report damage there alone, a line per picture, and return a picture that is garbled from that
place on: a viewer may recognize somebody in it whom the detector does not.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import cv2
import numpy as np

from anon_ros.errors import ImageFormatError
from anon_ros.images.bit_depth import Samples

_STDERR = 2
_DAMAGE = re.compile(
    r"Corrupt JPEG data: (?:(?P<extra_bytes>\d+) extraneous)?.*"
    r"|Premature end of JPEG file|Inconsistent progression.*|Invalid SOS parameters.*"
)
_OTHER_WARNING = re.compile(r"libpng (?:warning|error):.*|Warning: unknown JFIF.*|Unknown Adobe.*")
_MAX_EXTRA_BYTES = 8  # webcams pad the end of their frames
_LOCK = Lock()


def decode_picture(data: bytes, flags: int) -> tuple[Samples | None, str]:
    """Return the samples that OpenCV reads, None for no picture, and the damage; empty for none.

    Raises:
        ImageFormatError: if OpenCV itself fails.
    """
    try:
        with _capture_warnings() as lines:
            samples = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        message = f"picture of {len(data)} bytes cannot be decoded: {error.err}"
        raise ImageFormatError(message) from error
    return samples, next(filter(_is_damage, lines), "")


def _is_damage(line: str) -> bool:
    match = _DAMAGE.fullmatch(line)
    return (
        match is not None and int(match["extra_bytes"] or _MAX_EXTRA_BYTES + 1) > _MAX_EXTRA_BYTES
    )


@contextmanager
def _capture_warnings() -> Iterator[list[str]]:
    """Collect the lines of both libraries; those of other threads come out a little later."""
    lines: list[str] = []
    with _LOCK:
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # it is closed: nobody reads what is written there
            yield lines
            return
        captured = os.memfd_create("decoder")
        fcntl.fcntl(captured, fcntl.F_SETFL, os.O_APPEND)  # or threads overwrite one another
        os.dup2(captured, _STDERR)
        try:
            yield lines
        finally:
            os.dup2(stderr, _STDERR)
            text = os.pread(captured, os.fstat(captured).st_size, 0)
            os.close(captured)
            foreign = b""
            for line in text.splitlines(keepends=True):
                word = line.decode(errors="backslashreplace").rstrip("\n")
                if _DAMAGE.fullmatch(word) or _OTHER_WARNING.fullmatch(word):
                    lines.append(word)
                else:
                    foreign += line
            os.write(stderr, foreign)
            os.close(stderr)
