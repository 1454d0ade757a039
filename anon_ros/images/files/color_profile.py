"""Color profiles reduced to their numbers: ICC.1:2022.

A profile may hold private tags of any content, texts and tables, where a picture could hide. Only
profiles of a matrix and curves are kept, and of them only these.
"""

import struct

_HEADER_BYTES, _MAX_TAGS = 128, 100
_D50 = bytes.fromhex("0000f6d6000100000000d32d")
_CLASSES = {b"mntr", b"scnr", b"prtr", b"spac"}
_CURVES = {b"RGB ": (b"rTRC", b"gTRC", b"bTRC"), b"GRAY": (b"kTRC",)}
_POINTS = {b"RGB ": (b"rXYZ", b"gXYZ", b"bXYZ"), b"GRAY": ()}
_WHITE_POINT, _ADAPTATION = b"wtpt", b"chad"
_POINT_BYTES, _ADAPTATION_BYTES, _CURVE_HEADER = 20, 44, 12
_PARAMETER_COUNTS = (1, 3, 4, 5, 7)  # section 10.18, table 68
_MAX_CURVE_POINTS = 4096
_FIRST_UNICODE_VERSION = 4
_NAME = "color profile"


def reduce_profile(profile: bytes, space: bytes) -> bytes | None:
    """Return a profile with nothing but its matrix and curves; None if it has other means.

    Args:
        profile: an ICC profile, damaged or not.
        space: of the pixels that it describes, b"RGB " or b"GRAY"; others have no such profile.
    """
    try:
        return _reduce(profile, space)
    except (struct.error, IndexError):  # cut short
        return None


def _reduce(profile: bytes, space: bytes) -> bytes | None:
    kind, stated_space, connection = (profile[at : at + 4] for at in (12, 16, 20))
    is_known = profile[36:40] == b"acsp" and kind in _CLASSES and connection == b"XYZ "
    if not is_known or stated_space != space or space not in _CURVES:
        return None
    tags = _read_tags(profile)
    required = (*_POINTS[space], *_CURVES[space])
    contents = {name: _clean_tag(name, tags.get(name, b"")) for name in required}
    for name in (_WHITE_POINT, _ADAPTATION):
        if content := _clean_tag(name, tags.get(name, b"")):
            contents[name] = content
    if not all(contents.values()):
        return None
    text = _make_text(profile[8])
    return _build(profile, {b"desc": text[0], b"cprt": text[1], **contents})


def _read_tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, _HEADER_BYTES)
    tags: dict[bytes, bytes] = {}
    for index in range(min(count, _MAX_TAGS)):
        name, at, size = struct.unpack_from(">4sII", profile, _HEADER_BYTES + 4 + 12 * index)
        tags.setdefault(name, profile[at : at + size])
    return tags


def _clean_tag(name: bytes, content: bytes) -> bytes:
    """Return what belongs to a tag; nothing if it is not of the type that it should be."""
    if name.endswith(b"TRC"):
        return _clean_curve(content)
    is_adaptation = name == _ADAPTATION
    size = _ADAPTATION_BYTES if is_adaptation else _POINT_BYTES
    kind = b"sf32" if is_adaptation else b"XYZ "
    return content[:size] if content[:8] == kind + bytes(4) and len(content) >= size else b""


def _clean_curve(content: bytes) -> bytes:
    if content[:8] == b"para" + bytes(4):
        (function,) = struct.unpack_from(">H", content, 8)
        size = _CURVE_HEADER + 4 * _PARAMETER_COUNTS[function]
        return content[:10] + bytes(2) + content[12:size] if len(content) >= size else b""
    if content[:8] != b"curv" + bytes(4):
        return b""
    (count,) = struct.unpack_from(">I", content, 8)
    if count > _MAX_CURVE_POINTS:
        return b""
    points = struct.unpack_from(f">{count}H", content, _CURVE_HEADER)
    # A curve that goes up and down would be no curve, but something hidden.
    return content[: _CURVE_HEADER + 2 * count] if list(points) == sorted(points) else b""


def _make_text(version: int) -> tuple[bytes, bytes]:
    """Return a description and a copyright, which the standard demands."""
    if version >= _FIRST_UNICODE_VERSION:
        words = _NAME.encode("utf-16-be")
        text = b"mluc" + struct.pack(">III4sII", 0, 1, 12, b"enUS", len(words), 28) + words
        return text, text
    words = _NAME.encode() + b"\0"
    description = b"desc" + struct.pack(">II", 0, len(words)) + words + bytes(4 + 4 + 2 + 1 + 67)
    return description, b"text" + bytes(4) + words


def _build(profile: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    first = _HEADER_BYTES + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, first + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = struct.pack(">I", first + len(body))
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    intent = struct.pack(">I", profile[67] % 4)
    head = size + bytes(4) + profile[8:10] + bytes(2) + profile[12:24] + date + b"acsp"
    return (head + bytes(24) + intent + _D50).ljust(_HEADER_BYTES, b"\0") + table + body
