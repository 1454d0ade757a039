"""The tables of a JPEG that its scans use: ISO/IEC 10918-1, annex B.2.4.

A table that no scan uses, or that is defined anew before, may hold anything.
"""

from collections.abc import Iterator, Sequence

from anon_ros.errors import ImageFormatError

START_OF_SCAN = 0xDA
# Table B.1: start of frame, without DHT (C4), JPG (C8) and DAC (CC)
START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

HUFFMAN, QUANTIZATION, RESTART_INTERVAL, _ARITHMETIC = 0xC4, 0xDB, 0xDD, 0xCC
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_ARITHMETIC_FRAMES = frozenset(range(0xC9, 0xD0)) - {0xCC}
_RESTART_BYTES = 2
_AC = 0x10  # bit of a Huffman table's number

_Slot = tuple[int, int]  # marker and number of a table


def drop_unused_tables(segments: Sequence[tuple[int, bytes]]) -> list[bytes]:
    """Return of each segment, marker and content, the part that the pixels need; empty for none.

    Raises:
        ImageFormatError: if a table or scan is damaged.
    """
    tables: dict[tuple[int, int], bytes] = {}  # by segment and order in it
    current: dict[_Slot, tuple[int, int]] = {}
    used: set[tuple[int, int]] = set()
    needed: dict[int, bytes] = {}
    frame = (0, b"")
    latched: set[int] = set()
    for index, (marker, content) in enumerate(segments):
        for number, (slot, table) in enumerate(_split_tables(marker, content)):
            tables[index, number] = table
            current[slot] = index, number
        if marker in START_OF_FRAME:
            frame = marker, content
            needed[index] = content
        if marker == START_OF_SCAN:
            needed[index] = content
            used.update(current[slot] for slot in _list_slots(frame, content, latched) & {*current})
    for key in sorted(used):
        needed[key[0]] = needed.get(key[0], b"") + tables[key]
    return [needed.get(index, b"") for index in range(len(segments))]


def _split_tables(marker: int, content: bytes) -> Iterator[tuple[_Slot, bytes]]:
    """Yield each table of a segment; none for a segment that defines none."""
    at = 0
    while marker in {HUFFMAN, QUANTIZATION, RESTART_INTERVAL, _ARITHMETIC} and at < len(content):
        number, end = content[at], at + 2
        if marker == HUFFMAN:
            end = at + 17 + sum(content[at + 1 : at + 17])
        elif marker == QUANTIZATION:
            number, end = number & 15, at + 65 + 64 * (number >> 4)
        elif marker == RESTART_INTERVAL:
            number, end = 0, len(content)
        if end > len(content) or (marker == RESTART_INTERVAL and end != _RESTART_BYTES):
            message = f"JPEG has a damaged table, marker {marker:02x} of {len(content)} bytes"
            raise ImageFormatError(message)
        yield (marker, number), content[at:end]
        at = end


def _list_slots(frame: tuple[int, bytes], scan: bytes, latched: set[int]) -> set[_Slot]:
    """Return the tables that a scan uses; note in ``latched`` whose quantization is settled."""
    kind, header = frame
    count = scan[0] if scan else 0
    if len(scan) != 4 + 2 * count:
        message = f"JPEG has a scan header of {len(scan)} bytes; it is damaged"
        raise ImageFormatError(message)
    quantization = {header[at]: header[at + 2] for at in range(6, len(header) - 2, 3)}
    first, approximation = scan[-3], scan[-1] >> 4
    slots = {(RESTART_INTERVAL, 0)}
    if kind in _ARITHMETIC_FRAMES:
        slots |= {(_ARITHMETIC, number) for number in range(256)}
    for at in range(1, 1 + 2 * count, 2):
        component, numbers = scan[at], scan[at + 1]
        if component not in latched and kind not in _LOSSLESS:
            slots.add((QUANTIZATION, quantization.get(component, 0)))
            latched.add(component)
        if kind in _ARITHMETIC_FRAMES:
            continue
        if kind not in _PROGRESSIVE or (first == 0 and approximation == 0):
            slots.add((HUFFMAN, numbers >> 4))
        if kind not in _LOSSLESS and (kind not in _PROGRESSIVE or first > 0):
            slots.add((HUFFMAN, _AC | numbers & 15))
    return slots
