"""Heuristics that choose an action for a topic or an attachment: a guard against leaks.

If in doubt the action is UNDECIDED, and the user has to decide.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from anon_ros.bags.messages import (
    DESERIALIZED_TYPES,
    ImageMessage,
    deserialize,
    deserialize_image,
)
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision
from anon_ros.bags.plan.nested_messages import (
    find_long_frame_id,
    find_nested_problem,
    has_colored_markers,
    holds_nested,
    omit_nested,
)
from anon_ros.bags.storage.records import PRIVATE_KIND, Attachment, Channel, MetadataRecord
from anon_ros.bags.storage.type_definitions import get_definition, standard_types
from anon_ros.errors import ImageFormatError
from anon_ros.images import (
    IMAGE_TYPES,
    POINT_CLOUD_TYPE,
    is_jpeg_or_png,
    is_supported_encoding,
    is_thermal_topic,
    may_carry_pixels,
)
from anon_ros.images.content.definitions import Finding, can_hold_media, inspect_definition
from anon_ros.images.content.media import find_media, find_media_in_blocks
from anon_ros.images.content.point_clouds import find_cloud_problem, list_cloud_notices

NUM_SAMPLES = 5
"""Messages of a topic that ``classify_topic`` asks for."""
DEPTH_ENCODINGS = {"16UC1": 2, "32FC1": 4}
"""Encodings of depth images (REP 118), with the bytes of a pixel."""

_SERIALIZATIONS = ("cdr", "ros1")
_DEPTH_WORDS = ("depth", "disparity")
# Next to "depth" they name another image of the same camera.
_OTHER_CHANNEL_WORDS = re.compile(
    r"(?<![a-z])(?:n?ir|gr[ae]y|mono|raw_ir)(?![a-z])|infra|ampl|intens|conf|refl"
)
# Behind that word they name a camera that is called so: /depth_cam/left.
_CAMERA_SIDE = re.compile(r"(?:depth|disparity).*[/_](?:left|right)(?![a-z])")
_IMAGE_FILES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".gif", ".webp", ".mp4", ".avi", ".mkv")
_TEXT_FILES = (".yaml", ".yml", ".json", ".txt", ".csv", ".xml", ".urdf", ".md", ".msg", ".proto")
_TEXT_TYPES = ("application/json", "application/yaml", "application/x-yaml", "application/xml")
_COLORED_MARKERS = "many colored points: they may show a camera's view"
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
        samples: first messages of the channel, decompressed.
    """
    if problem := _find_description_problem(channel):
        action = TopicAction.UNDECIDED
        return TopicDecision(channel.topic, channel.type_name, count, action, problem)
    is_deserialized = channel.type_name in DESERIALIZED_TYPES
    classify = _classify_deserialized if is_deserialized else _classify_opaque
    action, reason = classify(channel, samples)
    verify = action is TopicAction.COPY and (is_deserialized or _can_hide_media(channel))
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


def classify_metadata(record: MetadataRecord) -> TopicDecision:
    """Choose the action for a metadata record."""
    problem = find_metadata_problem(record.values)
    action = TopicAction.UNDECIDED if problem else TopicAction.COPY
    reason = problem or "metadata"
    return TopicDecision(
        record.name, record.media_type, -1, action, reason, verify_each_message=not problem
    )


def classify_private(name: str, count: int, num_bytes: int) -> TopicDecision:
    """Choose the action for ``count`` private records of a kind."""
    reason = f"{count} records, {num_bytes} bytes: nobody knows what they show"
    return TopicDecision(name, PRIVATE_KIND, -1, TopicAction.DROP, reason)


def find_copy_problem(channel: Channel, data: bytes) -> str:
    """Return why a message of a copied topic must not be copied; empty if it may.

    Args:
        channel: of a topic that the plan copies.
        data: of the message, decompressed.

    Raises:
        ImageFormatError: if the message is damaged.
    """
    if channel.type_name == POINT_CLOUD_TYPE:
        return find_cloud_problem(deserialize(channel, data))
    if channel.type_name in IMAGE_TYPES:
        image = deserialize_image(channel, data)
        problem = _find_depth_problem(image)
        return problem or _find_media(data) or find_long_frame_id(channel, data)
    problem = find_nested_problem(channel, data) if _holds_nested(channel) else ""
    return problem or _find_media(data) or find_long_frame_id(channel, data)


def _find_depth_problem(image: ImageMessage) -> str:
    """Return why an image is no depth, or what it has beside the pixels; empty if neither."""
    if not image.is_raw or image.encoding not in DEPTH_ENCODINGS:
        return f"encoding {image.encoding!r} is no depth"
    raw = image.raw
    pixels = np.asarray(raw.data)
    row_bytes, size = DEPTH_ENCODINGS[image.encoding] * raw.width, pixels.size
    needed = raw.height * max(raw.step, row_bytes)
    if size != needed:
        return f"has {size} bytes of data, {raw.height} rows of {raw.step} bytes need {needed}"
    if raw.step and pixels.reshape(-1, raw.step)[:, row_bytes:].any():
        return "has bytes beside the pixels of its rows"
    return ""


def find_attachment_problem(attachment: Attachment) -> str:
    """Return why an attachment that is named as a text must not be copied; empty if it may.

    It is read block by block, for it may be larger than the memory.

    Raises:
        OSError: if it cannot be read.
    """
    if not _is_utf8_text(attachment.iter_blocks()):
        return "its name or type is that of a text, its data are not"
    media = find_media_in_blocks(attachment.iter_blocks())
    return f"holds {media}" if media else ""


def find_metadata_problem(values: Mapping[str, str]) -> str:
    """Return why a metadata record must not be copied; empty if it may."""
    texts = (text.encode(errors="surrogateescape") for pair in values.items() for text in pair)
    return next(filter(None, map(_find_media, texts)), "")


def _is_utf8_text(blocks: Iterable[bytes]) -> bool:
    """Return True if blocks are UTF-8 without NUL characters."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        has_nul = any("\0" in decoder.decode(block) for block in blocks)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return not has_nul


def _find_description_problem(channel: Channel) -> str:
    """Return the picture in what is copied of a channel beside its messages; empty if none."""
    texts = {"definition": channel.definition, "qos": channel.qos, **dict(channel.extra)}
    problem = find_metadata_problem(texts)
    return f"its description {problem}" if problem else ""


def _classify_deserialized(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    if channel.serialization not in _SERIALIZATIONS:
        reason = f"serialized as {channel.serialization!r}"
        return _Classification(TopicAction.UNDECIDED, reason)
    if channel.type_name == POINT_CLOUD_TYPE:
        return _classify_point_cloud(channel, samples)
    return _classify_image(channel, samples)


def _classify_opaque(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    finding = _inspect_type(channel)
    if finding.reason and not finding.is_notice:
        return _Classification(TopicAction.UNDECIDED, finding.reason)
    notices = [finding.reason]
    for data in samples:
        try:
            if problem := find_copy_problem(channel, data):
                return _Classification(TopicAction.UNDECIDED, problem)
            if _holds_markers(channel) and has_colored_markers(channel, data):
                notices.append(_COLORED_MARKERS)
        except ImageFormatError:
            continue
    return _Classification(TopicAction.COPY, _join_notices(notices))


def _classify_image(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    """Classify an image topic by the first sample that is supported, or else by the last one."""
    for data in samples:
        try:
            image = deserialize_image(channel, data)
        except ImageFormatError:
            continue
        if image.is_raw and image.encoding in DEPTH_ENCODINGS:
            return _classify_depth_or_thermal(channel, image.encoding, data)
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
        problem = f"format {image.encoding!r} is neither JPEG nor PNG, or may be depth"
    return "" if is_supported else problem


def _classify_depth_or_thermal(channel: Channel, encoding: str, data: bytes) -> _Classification:
    """Classify 16-bit or float images by the topic's name, for their data look the same."""
    name = channel.topic.lower()
    if is_thermal_topic(name):
        if encoding == "16UC1":
            return _Classification(TopicAction.ANONYMIZE, "16UC1 as a thermal camera's grey")
    elif any(word in name for word in _DEPTH_WORDS) and not (
        _OTHER_CHANNEL_WORDS.search(name) or _CAMERA_SIDE.search(name)
    ):
        if problem := find_copy_problem(channel, data):
            return _Classification(TopicAction.UNDECIDED, problem)
        reason = f"depth ({encoding}): persons' shapes can be seen in it"
        return _Classification(TopicAction.COPY, reason)
    return _Classification(TopicAction.UNDECIDED, f"{encoding} may be depth or thermal")


def _classify_point_cloud(channel: Channel, samples: Sequence[bytes]) -> _Classification:
    notices = []
    for data in samples:
        try:
            cloud = deserialize(channel, data)
        except ImageFormatError:
            continue
        if problem := find_cloud_problem(cloud):
            return _Classification(TopicAction.UNDECIDED, problem)
        notices.append(list_cloud_notices(cloud))
    return _Classification(TopicAction.COPY, _join_notices(notices))


def _find_media(data: bytes) -> str:
    media = find_media(data)
    return f"holds {media}" if media else ""


def _join_notices(notices: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, notices)))


def _inspect_type(channel: Channel) -> Finding:
    """Judge a type that is not deserialized by its names and definition."""
    if may_carry_pixels(channel.type_name):
        return Finding("cannot be anonymized")
    encoding = channel.definition_encoding or "ros2msg"
    if channel.serialization not in _SERIALIZATIONS or encoding not in _COMMENTS:
        return Finding(f"cannot be looked into: {channel.serialization}, described as {encoding}")
    definition = channel.definition or get_definition(channel)
    if not definition and channel.type_name not in standard_types(channel):
        return Finding("its definition is not in the recording")
    if _holds_nested(channel):
        definition = omit_nested(definition)
    definition = _COMMENTS[encoding].sub(" ", definition)
    return inspect_definition(channel.topic, channel.type_name, definition)


@lru_cache(maxsize=4096)
def _holds_nested(channel: Channel) -> bool:
    if channel.definition_encoding not in {"", "ros1msg", "ros2msg"}:
        return False
    return holds_nested(channel, channel.definition or get_definition(channel))


def _holds_markers(channel: Channel) -> bool:
    return channel.type_name.startswith("visualization_msgs/") and _holds_nested(channel)


def _can_hide_media(channel: Channel) -> bool:
    """Return True if messages have bytes, numbers or text, such as a frame_id."""
    return can_hold_media(channel.definition or get_definition(channel))
