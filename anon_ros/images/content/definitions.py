"""Rules for the definitions of message types: fields that may hold pixels or personal data."""

import re
from typing import NamedTuple

from anon_ros.images.pixel_content import has_image_keyword, may_carry_pixels

_INTEGER = r"(?:u?int(?:8|16|32)|short|long)"
_CAMERA_WORDS = re.compile(
    r"camera|(?<![a-z])cam(?![a-z])|webcam|rgb|bgr|pixel|frame|therm|fisheye|realsense|kinect"
    r"|snapshot|thumbnail|dvs|davis|prophesee"
)
_TEXT_IMAGE_WORDS = ("b64", "base64", "jpeg", "jpg", "png")
_BYTE_ARRAY = re.compile(
    r"\b(?:u?int(?:8|16)|byte|char|octet)\[|sequence<\s*(?:u?int(?:8|16)|octet|char|byte|short)\b"
    r"|typedef\s+(?:u?int(?:8|16)|octet|char|byte)\s+\w+\["
)
_NUMBER_ARRAY = re.compile(r"\b(?:u?int32|float32)\[|sequence<\s*(?:u?int32|float)\b")
_ANY_ARRAY = re.compile(
    r"\b(?:u?int\d+|byte|char|octet|float\d*|double)\[|sequence<\s*\w|MultiArray"
)
# Unsigned only: an OccupancyGrid is no image.
_IMAGE_FIELDS = (
    re.compile(rf"\bwidth\b|\b{_INTEGER}\s+(?:\w+_width|w|cols?|columns?|size_x|xres|x_res)\b"),
    re.compile(rf"\bheight\b|\b{_INTEGER}\s+(?:\w+_height|h|rows?|size_y|yres|y_res)\b"),
    re.compile(
        r"\b(?:uint(?:8|16|32|64)|byte)\[|sequence<\s*(?:uint(?:8|16|32|64)|octet|unsigned)\b"
    ),
)
_TYPE_NAMES = re.compile(r"\b([A-Za-z]\w*)(?:/|::)(?:(?:msg|srv|action)(?:/|::))?([A-Za-z]\w*)")


def _field(types: str, names: str) -> re.Pattern[str]:
    """Return the pattern of a field, or of an array of it, in the languages MSG and IDL."""
    return re.compile(
        rf"\b(?:{types})(?:\[[^\]\n]*\])?(?:\s*,\s*\d+)?\s*>?\s+(?:{names})\b", re.IGNORECASE
    )


_NUMBER = rf"{_INTEGER}|float(?:32|64)?|double"
_FLAG = r"bool(?:ean)?|u?int8|byte|octet|char"
_EVENT_FIELDS = (
    (
        _field(_NUMBER, r"xs?|columns?|cols?"),
        _field(_NUMBER, r"ys?|rows?"),
        _field(r"\w+", r"polarit(?:y|ies)|pols?"),
    ),
    (
        _field(_INTEGER, r"xs?|columns?|cols?|u"),
        _field(_INTEGER, r"ys?|rows?|v"),
        _field(_FLAG, r"p|ps|on|is_on|sign"),
    ),
)
_EVENT_TYPE = re.compile(
    r"(?:^|[/_.])(?:dvs|davis|event_camera|prophesee|metavision)|Event(?:Array|Packet|Struct)$"
)
_SOUND = re.compile(r"audio|microphone|voice|(?<![a-z])mic(?![a-z])", re.IGNORECASE)
_VECTOR_NAMES = re.compile(
    r"embedding|feature_?vector|face_?(?:descriptor|encoding|feature|vector|print)"
    r"|(?<![a-z])re_?id(?![a-z])|biometric|fingerprint",
    re.IGNORECASE,
)
_PLATE = re.compile(
    r"licen[cs]e_?plate|number_?plate|plate_?(?:number|text|string)|(?<![a-z])(?:alpr|anpr)(?![a-z])",
    re.IGNORECASE,
)
_PERSON_IDS = r"(?:person|face|body|voice|human|pedestrian)_?ids?"
_NOTICES = (
    (
        re.compile(rf"(?:^|/)(?:hri|people)_|/humans/|\b{_PERSON_IDS}\b", re.IGNORECASE),
        "describes persons, or tells them apart",
    ),
    (
        re.compile(
            r"NavSat|GPS|GNSS|nmea|ublox|NavPVT|\blatitude\b|\blat(?:_deg)?\b(?=[\s\S]*\blon)",
            re.IGNORECASE,
        ),
        "a track of places, which may lead to a home",
    ),
    (
        re.compile(r"^(?:rcl_interfaces|rosgraph_msgs)/msg/Log$|/rosout", re.MULTILINE),
        "text of programs: may hold names, places and paths",
    ),
    (
        re.compile(r"transcript|utterance|LiveSpeech", re.IGNORECASE),
        "words that were spoken",
    ),
    (
        re.compile(r"\b(?:mac_?addr(?:ess)?|b?ssid|imei)\b", re.IGNORECASE),
        "names of devices, which persons carry",
    ),
    (
        re.compile(r"PacketMsg$|VelodyneScan$|NebulaPackets$|PandarScan$", re.MULTILINE),
        "packets of a lidar: pictures of its near-infrared or reflected light can be made of them",
    ),
)


class Finding(NamedTuple):
    """Suspicion about a type: a reason, empty without any, and True if it is only a notice."""

    reason: str = ""
    is_notice: bool = False


def inspect_definition(topic: str, type_name: str, definition: str) -> Finding:
    """Judge a message type by its name, its definition and the name of a topic.

    Args:
        topic: as recorded or advertised.
        type_name: as in "sensor_msgs/msg/Imu".
        definition: with all nested types, in MSG or IDL, without comments.
    """
    reason = (
        _find_image_type(definition)
        or _find_events(type_name, definition)
        or _find_image_words(topic.lower(), definition)
        or _find_identity(topic, type_name, definition)
    )
    if reason:
        return Finding(reason)
    return Finding(_list_notices(topic, type_name, definition), is_notice=True)


def can_hold_media(definition: str) -> bool:
    """Return True if a type has bytes, numbers or text in its fields, or a header with its text."""
    has_array = _BYTE_ARRAY.search(definition) or _NUMBER_ARRAY.search(definition)
    return has_array is not None or "string" in definition or "Header" in definition


def _find_image_type(definition: str) -> str:
    for package, name in _TYPE_NAMES.findall(definition):
        if may_carry_pixels(f"{package}/msg/{name}"):
            return f"holds {package}/msg/{name}"
    is_image = all(pattern.search(definition) for pattern in _IMAGE_FIELDS)
    return "has width, height and bytes" if is_image else ""


def _find_events(type_name: str, definition: str) -> str:
    has_fields = any(all(field.search(definition) for field in group) for group in _EVENT_FIELDS)
    if has_fields or _EVENT_TYPE.search(type_name):
        return "events of an event camera: pictures can be made of them"
    return ""


def _find_image_words(topic: str, definition: str) -> str:
    """Return the array or text that is named like an image; empty if there is none."""
    is_camera = _CAMERA_WORDS.search(topic) is not None
    if _BYTE_ARRAY.search(definition) and (is_camera or has_image_keyword(topic)):
        return "bytes under the name of a camera or picture"
    is_image = not topic.endswith("camera_info") and has_image_keyword(topic)
    if is_image and _NUMBER_ARRAY.search(definition):
        return "numbers under the name of a picture"
    if _may_be_text_image(topic, definition):
        return "text under the name of a picture"
    fields = filter(_may_be_image_field, definition.lower().splitlines())
    return next((f"field {' '.join(field.split())!r}" for field in fields), "")


def _may_be_text_image(name: str, definition: str) -> bool:
    return "string" in definition and any(word in name for word in _TEXT_IMAGE_WORDS)


def _may_be_image_field(line: str) -> bool:
    names_pixels = has_image_keyword(line) or "rgb" in line or "pixel" in line
    is_bytes = _BYTE_ARRAY.search(line) is not None
    return (is_bytes and names_pixels) or _may_be_text_image(line, line)


def _find_identity(topic: str, type_name: str, definition: str) -> str:
    """Return the reason for which voices, vectors or plates may identify a person."""
    has_array = _ANY_ARRAY.search(definition) is not None
    names = f"{topic} {type_name}"
    if has_array and _SOUND.search(names):
        return "sound: voices can be heard"
    lines = [names if has_array else "", *filter(_ANY_ARRAY.search, definition.splitlines())]
    if any(map(_VECTOR_NAMES.search, lines)):
        return "numbers by which a person can be recognized"
    is_plate = _PLATE.search(f"{names}\n{definition}") is not None
    return "may hold number plates" if is_plate else ""


def _list_notices(topic: str, type_name: str, definition: str) -> str:
    """Return what must be said of a topic that is copied; empty if there is nothing."""
    text = f"{type_name}\n{topic}\n{definition}"
    notices = [notice for pattern, notice in _NOTICES if pattern.search(text)]
    if type_name.endswith("/String") and _CAMERA_WORDS.search(topic.lower()):
        notices.append("text under the name of a camera")
    return "; ".join(notices)
