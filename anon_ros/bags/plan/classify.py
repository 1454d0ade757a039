"""Heuristics that choose an action for a topic or an attachment: a guard against leaks.

If in doubt the action is UNDECIDED, and the user has to decide.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from anon_ros.bags.messages import (
    DESERIALIZED_TYPES,
    ImageMessage,
    deserialize,
    deserialize_image,
)
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision
from anon_ros.bags.storage.records import Channel
from anon_ros.bags.storage.type_definitions import get_definition, standard_types
from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    POINT_CLOUD_TYPE,
    has_color_fields,
    has_image_keyword,
    is_jpeg_or_png,
    is_supported_encoding,
    is_thermal_topic,
    may_carry_pixels,
)

NUM_SAMPLES = 5
"""Messages of a topic that ``classify_topic`` asks for."""
DEPTH_ENCODINGS = ("16UC1", "32FC1")
"""Encodings of depth images (REP 118)."""

_SERIALIZATIONS = ("cdr", "ros1")
_DEPTH_WORDS = ("depth", "disparity")
# Next to "depth" they name another image of the same camera.
_OTHER_CHANNEL_WORDS = re.compile(
    r"(?<![a-z])(?:n?ir|gr[ae]y|mono|raw_ir)(?![a-z])|infra|ampl|intens|conf|refl"
)
_IMAGE_FILES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".gif", ".webp", ".mp4", ".avi", ".mkv")
_TEXT_FILES = (".yaml", ".yml", ".json", ".txt", ".csv", ".xml", ".urdf", ".md", ".msg", ".proto")
_TEXT_TYPES = ("application/json", "application/yaml", "application/x-yaml", "application/xml")
_CAMERA_WORDS = ("camera", "/cam", "webcam", "rgb", "bgr", "pixel", "frame", "therm")
_TEXT_IMAGE_WORDS = ("b64", "base64", "jpeg", "jpg", "png")
_BYTE_ARRAY = re.compile(
    r"\b(?:u?int(?:8|16)|byte|char)\[|sequence<\s*(?:u?int(?:8|16)|octet|char|byte|short)\b"
    r"|typedef\s+(?:u?int(?:8|16)|octet|char|byte)\s+\w+\["
)
_NUMBER_ARRAY = re.compile(r"\b(?:u?int32|float32)\[|sequence<\s*(?:u?int32|float)\b")
# Unsigned only: an OccupancyGrid is no image.
_IMAGE_FIELDS = (
    re.compile(r"\bwidth\b"),
    re.compile(r"\bheight\b"),
    re.compile(r"\b(?:uint8|uint16|byte)\[|sequence<\s*(?:uint8|uint16|octet)\b"),
)
_TYPE_NAMES = re.compile(r"\b([A-Za-z]\w*)(?:/|::)(?:msg(?:/|::))?([A-Za-z]\w*)")
_COMMENTS = {
    "ros1msg": re.compile(r"#[^\n]*"),
    "ros2msg": re.compile(r"#[^\n]*"),
    "ros2idl": re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', re.DOTALL),
}


class _Classification(NamedTuple):
    """An action, and its reason unless it needs none."""

    action: TopicAction
    reason: str = ""


def classify_topic(channel: Channel, count: int, samples: Sequence[bytes]) -> TopicDecision:
    """Choose the action for a topic.

    Args:
        channel: of the topic.
        count: messages in the input.
        samples: first messages of the channel; looked at if its type is deserialized.
    """
    is_deserialized = channel.type_name in DESERIALIZED_TYPES
    classify = _classify_deserialized if is_deserialized else _classify_opaque
    action, reason = classify(channel, samples)
    verify = is_deserialized and action is TopicAction.COPY
    return TopicDecision(channel.topic, channel.type_name, count, action, reason, verify)


def classify_attachment(name: str, media_type: str) -> TopicDecision:
    """Choose the action for an attachment: only text is copied."""
    is_text = media_type.startswith("text/") or media_type in _TEXT_TYPES
    if not media_type:
        is_text = name.lower().endswith(_TEXT_FILES)
    if not is_text or name.lower().endswith(_IMAGE_FILES):
        reason = "an attachment that is no text"
        return TopicDecision(name, media_type, -1, TopicAction.UNDECIDED, reason)
    return TopicDecision(
        name, media_type, -1, TopicAction.COPY, "attachment", verify_each_message=True
    )


def find_copy_problem(channel: Channel, data: bytes) -> str:
    """Return why a message of a copied topic must not be copied; empty if it may.

    Args:
        channel: of one of DESERIALIZED_TYPES, copied as depth or as points without colors.
        data: of the message, decompressed.

    Raises:
        ImageFormatError: if the message is damaged.
    """
    if channel.type_name == POINT_CLOUD_TYPE:
        fields = deserialize(channel, data).fields
        is_colored = has_color_fields(field.name for field in fields)
        return "points with the colours of a camera" if is_colored else ""
    image = deserialize_image(channel, data)
    is_depth = image.is_raw and image.encoding in DEPTH_ENCODINGS
    return "" if is_depth else f"encoding {image.encoding!r} is no depth"


def is_utf8_text(data: bytes) -> bool:
    """Return True if an attachment is UTF-8 without NUL characters."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _classify_deserialized(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    if channel.serialization not in _SERIALIZATIONS:
        reason = f"serialized as {channel.serialization!r}"
        return _Classification(TopicAction.UNDECIDED, reason)
    if channel.type_name == POINT_CLOUD_TYPE:
        return _classify_point_cloud(channel, samples)
    return _classify_image(channel, samples)


def _classify_opaque(channel: Channel, _samples: Sequence[bytes]) -> _Classification:
    reason = _find_hidden_pixels(channel)
    return _Classification(TopicAction.UNDECIDED if reason else TopicAction.COPY, reason)


def _classify_image(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    """Classify an image topic by the first sample that is supported, or else by the last one."""
    for data in samples:
        try:
            image = deserialize_image(channel, data)
        except ImageFormatError:
            continue
        if image.is_raw and image.encoding in DEPTH_ENCODINGS:
            return _classify_depth_or_thermal(channel.topic, image.encoding)
        problem = _find_format_problem(image)
        if not problem:
            return _Classification(TopicAction.ANONYMIZE)
        if data is samples[-1]:
            return _Classification(TopicAction.UNDECIDED, problem)
    return _Classification(TopicAction.ANONYMIZE, "no message can be read" if samples else "")


def _find_format_problem(image: ImageMessage) -> str:
    if image.is_raw:
        is_supported = is_supported_encoding(image.raw.encoding)
        problem = f"encoding {image.encoding!r} is not supported"
    else:
        is_supported = is_jpeg_or_png(image.compressed)
        problem = f"format {image.encoding!r} is neither JPEG nor PNG"
    return "" if is_supported else problem


def _classify_depth_or_thermal(topic: str, encoding: str) -> _Classification:
    """Classify 16-bit or float images by the topic's name, for their data look the same."""
    name = topic.lower()
    if is_thermal_topic(name):
        if encoding == "16UC1":
            return _Classification(TopicAction.ANONYMIZE, "16UC1 as a thermal camera's grey")
    elif any(word in name for word in _DEPTH_WORDS) and not _OTHER_CHANNEL_WORDS.search(name):
        reason = f"depth ({encoding}): persons' shapes can be seen in it"
        return _Classification(TopicAction.COPY, reason)
    return _Classification(TopicAction.UNDECIDED, f"{encoding} may be depth or thermal")


def _classify_point_cloud(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    for data in samples:
        try:
            problem = find_copy_problem(channel, data)
        except ImageFormatError:
            continue
        if problem:
            return _Classification(TopicAction.UNDECIDED, problem)
    return _Classification(TopicAction.COPY)


def _find_hidden_pixels(channel: Channel) -> str:
    """Return why a type that is not deserialized may carry pixels; empty if nothing suggests it."""
    if may_carry_pixels(channel.type_name):
        return "cannot be anonymized"
    encoding = channel.definition_encoding or "ros2msg"
    if channel.serialization not in _SERIALIZATIONS or encoding not in _COMMENTS:
        return f"cannot be looked into: {channel.serialization}, described as {encoding}"
    definition = channel.definition or get_definition(channel)
    if not definition and channel.type_name not in standard_types(channel):
        return "its definition is not in the recording"
    definition = _COMMENTS[encoding].sub(" ", definition)
    return _find_image_type(definition) or _find_image_words(channel.topic.lower(), definition)


def _find_image_type(definition: str) -> str:
    for package, name in _TYPE_NAMES.findall(definition):
        if may_carry_pixels(f"{package}/msg/{name}"):
            return f"holds {package}/msg/{name}"
    is_image = all(pattern.search(definition) for pattern in _IMAGE_FIELDS)
    return "has width, height and bytes" if is_image else ""


def _find_image_words(topic: str, definition: str) -> str:
    """Return the array or text that is named like an image; empty if there is none."""
    is_camera = any(word in topic for word in _CAMERA_WORDS)
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
