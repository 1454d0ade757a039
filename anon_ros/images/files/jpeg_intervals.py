"""The restart intervals of a JPEG, as pictures of their own: ISO/IEC 10918-1, annexes A.2 and B.2.

libjpeg prints the first warning of a picture alone. Webcams pad some intervals with a few bytes:
the warning of the first of them would hide all damage in the later ones.
"""

import re
import struct

from anon_ros.images.files.jpeg import (
    END_OF_IMAGE,
    START_OF_IMAGE,
    Segment,
    find_scan_end,
    iter_segments,
    join_segment,
)
from anon_ros.images.files.jpeg_tables import (
    HUFFMAN,
    QUANTIZATION,
    RESTART_INTERVAL,
    START_OF_FRAME,
    START_OF_SCAN,
)

_FIRST_RESTART = b"\xff\xd0"
_SEQUENTIAL = {0xC0, 0xC1}
_BLOCK_PX, _NUM_RESTARTS, _MAX_PX = 8, 8, 0xFFFF
_RESTART = re.compile(rb"\xff+([\xd0-\xd7])")


def split_intervals(data: bytes) -> list[bytes] | None:
    """Return each restart interval as a JPEG that shows it; an empty list for a JPEG without them.

    All but the last show it twice: libjpeg counts all padding before a restart marker, but before
    the end of an image only what it has not yet read.

    Returns:
        None if there are several scans with intervals, or not all intervals in their order.

    Raises:
        ImageFormatError: if it is cut short.
    """
    segments = list(iter_segments(data))
    restarts = [item for item in segments if item.marker == RESTART_INTERVAL]
    frames = [item for item in segments if item.marker in START_OF_FRAME]
    scans = [item for item in segments if item.marker == START_OF_SCAN]
    if not any(any(item.content) for item in restarts):
        return []
    if not len(restarts) == len(frames) == len(scans) == 1 or frames[0].marker not in _SEQUENTIAL:
        return None
    head = [item for item in segments if item.marker in {HUFFMAN, QUANTIZATION}]
    head += [*frames, *restarts, *scans]
    parts = _RESTART.split(data[scans[0].end : find_scan_end(data, scans[0].end)])
    orders = [marker[0] % _NUM_RESTARTS for marker in parts[1::2]]
    columns, counts = _plan(frames[0].content, int.from_bytes(restarts[0].content, "big"))
    if orders != [index % _NUM_RESTARTS for index in range(len(counts) - 1)]:
        return None
    *inner, last = zip(parts[::2], counts, strict=True)
    pictures = [_show([part, part], count, columns, head) for part, count in inner]
    return [*pictures, _show([last[0]], last[1], columns, head)]


def _measure_unit(frame: bytes) -> tuple[int, int]:
    """Return width and height of what is coded together, px."""
    factors = frame[7::3] if frame[5] > 1 else b"\x11"
    width, height = max(factor >> 4 for factor in factors), max(factor & 15 for factor in factors)
    return _BLOCK_PX * width, _BLOCK_PX * height


def _plan(frame: bytes, size: int) -> tuple[int, list[int]]:
    """Return the units in a row of the image, and those of all its intervals."""
    height_px, width_px = struct.unpack_from(">HH", frame, 1)
    unit_width_px, unit_height_px = _measure_unit(frame)
    columns = -(-width_px // unit_width_px)
    total = columns * -(-height_px // unit_height_px)
    return columns, [min(size, total - start) for start in range(0, total, size)]


def _show(copies: list[bytes], count: int, columns: int, head: list[Segment]) -> bytes:
    """Return a JPEG of some copies of an interval of ``count`` units."""
    *tables, frame, restart, scan = head
    width = columns if count % columns == 0 else count  # short rows: a JPEG has at most 65500 px
    unit_width_px, unit_height_px = _measure_unit(frame.content)
    size_hw = unit_height_px * count * len(copies) // width, unit_width_px * width
    size = struct.pack(">HH", *(min(length_px, _MAX_PX) for length_px in size_hw))
    shown = frame.content[:1] + size + frame.content[5:]
    head = [
        *tables,
        frame._replace(content=shown),
        restart._replace(content=count.to_bytes(2, "big")),
        scan,
    ]
    segments = b"".join(join_segment(item.marker, item.content) for item in head)
    return START_OF_IMAGE + segments + _FIRST_RESTART.join(copies) + bytes([0xFF, END_OF_IMAGE])
