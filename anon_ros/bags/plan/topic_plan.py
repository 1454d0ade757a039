"""What becomes of each topic, decided before any model is loaded."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from anon_ros.bags.messages import (
    COMPRESSED_TYPE,
    DESERIALIZED_TYPES,
    IMAGE_TYPE,
    ImageMessage,
    deserialize,
    get_definition,
    standard_types,
)
from anon_ros.bags.storage.records import Channel
from anon_ros.config import topic_matches
from anon_ros.errors import BagError, ImageFormatError
from anon_ros.images import (
    POINT_CLOUD_TYPE,
    has_color_fields,
    has_image_keyword,
    is_jpeg_or_png,
    is_supported_encoding,
    may_carry_pixels,
)

# Of an image topic, to learn what its pictures are.
NUM_SAMPLES = 5
_SERIALIZATIONS = ("cdr", "ros1")
DEPTH_ENCODINGS = ("16UC1", "32FC1")  # REP 118
_DEPTH_WORDS = ("depth", "disparity")
_THERMAL_WORDS = ("therm", "lwir", "mwir", "flir", "lepton", "boson", "radiometr")
# Beside "depth" they tell of another picture of the same camera.
_OTHER_CHANNEL_WORDS = re.compile(
    r"(?<![a-z])(?:n?ir|gr[ae]y|mono|raw_ir)(?![a-z])|infra|ampl|intens|conf|refl"
)
_PICTURE_FILES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".gif", ".webp", ".mp4", ".avi", ".mkv")
_TEXT_FILES = (".yaml", ".yml", ".json", ".txt", ".csv", ".xml", ".urdf", ".md", ".msg", ".proto")
_TEXT_TYPES = ("application/json", "application/yaml", "application/x-yaml", "application/xml")
_CAMERA_WORDS = ("camera", "/cam", "webcam", "rgb", "bgr", "pixel", "frame", "therm")
_AS_TEXT_WORDS = ("b64", "base64", "jpeg", "jpg", "png")
_BYTES = re.compile(
    r"\b(?:u?int(?:8|16)|byte|char)\[|sequence<\s*(?:u?int(?:8|16)|octet|char|byte|short)\b"
    r"|typedef\s+(?:u?int(?:8|16)|octet|char|byte)\s+\w+\["
)
_NUMBERS = re.compile(r"\b(?:u?int32|float32)\[|sequence<\s*(?:u?int32|float)\b")
# Not signed: an OccupancyGrid is no picture.
_LIKE_AN_IMAGE = tuple(
    map(
        re.compile,
        (
            r"\bwidth\b",
            r"\bheight\b",
            r"\b(?:uint8|uint16|byte)\[|sequence<\s*(?:uint8|uint16|octet)\b",
        ),
    )
)
_TYPE_NAMES = re.compile(r"\b([A-Za-z]\w*)(?:/|::)(?:msg(?:/|::))?([A-Za-z]\w*)")
_COMMENTS = {
    "ros1msg": re.compile(r"#[^\n]*"),
    "ros2msg": re.compile(r"#[^\n]*"),
    "ros2idl": re.compile(r'//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', re.DOTALL),
}


class TopicAction(Enum):
    """What becomes of a topic."""

    ANONYMIZE = "ANONYMIZE"
    COPY = "COPY"
    DROP = "DROP"
    UNDECIDED = "?"


@dataclass(frozen=True)
class TopicDecision:
    """The decision for one topic and type.

    Attributes:
        topic: as recorded; of an attachment its name.
        type_name: of its messages; of an attachment its media type.
        count: of messages.
        decision: what becomes of it.
        reason: why, if that is worth a notice.
        verify_each_message: copied, but each message must be what the first ones were: depth, or a
            cloud without colours; and an attachment a text.
    """

    topic: str
    type_name: str
    count: int
    decision: TopicAction
    reason: str = ""
    verify_each_message: bool = False


@dataclass(frozen=True)
class TopicRules:
    """What the user decided: names, or patterns of them.

    Attributes:
        topics: the only ones to take over; empty for all.
        drop: to leave out.
        copy: to take over as they are, whatever they show.
    """

    topics: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()


@dataclass(frozen=True)
class TopicPlan:
    """All decisions."""

    entries: tuple[TopicDecision, ...]

    @property
    def undecided(self) -> list[TopicDecision]:
        return [entry for entry in self.entries if entry.decision is TopicAction.UNDECIDED]

    def get(self, topic: str, type_name: str) -> TopicDecision | None:
        """The decision for a topic and type, or an attachment; None if the plan has none."""
        return next((e for e in self.entries if (e.topic, e.type_name) == (topic, type_name)), None)

    def require_decided(self) -> None:
        """Refuse a plan with open decisions.

        Raises:
            BagError: naming each.
        """
        if open_entries := self.undecided:
            flags = " ".join(f"--drop {entry.topic}" for entry in open_entries)
            names = ", ".join(f"{e.topic} ({e.type_name}: {e.reason})" for e in open_entries)
            message = (
                f"these may show persons and cannot be anonymized: {names}; decide for each with "
                f"--drop TOPIC, or --copy TOPIC if nobody can be seen there. To drop all: {flags}"
            )
            raise BagError(message)

    def format_table(self) -> str:
        """The plan as text, one topic per line."""
        rows = [
            (e.decision.value, e.topic, e.type_name, str(e.count) if e.count >= 0 else "", e.reason)
            for e in self.entries
        ]
        head = ("DECISION", "TOPIC", "TYPE", "MESSAGES", "NOTE")
        widths = [max(len(row[column]) for row in [head, *rows]) for column in range(4)]
        return "\n".join(
            "  ".join(
                [*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[4]]
            ).rstrip()
            for row in [head, *rows]
        )


def plan_topics(
    counts: Mapping[Channel, int],
    samples: Mapping[Channel, Sequence[bytes]],
    attachments: Iterable[tuple[str, str]],
    wishes: TopicRules,
) -> TopicPlan:
    """Decide.

    Args:
        counts: messages of each channel.
        samples: first messages of the channels of READABLE_TYPES.
        attachments: name and media type of each.
        wishes: of the user.

    Raises:
        BagError: if a wish names nothing in the recording.
    """
    merged: dict[tuple[str, str], TopicDecision] = {}
    for channel, count in counts.items():
        entry = _decide(channel, count, samples.get(channel, ()))
        key = entry.topic, entry.type_name
        known = merged.get(key)
        if known is None:
            merged[key] = entry
        else:
            merged[key] = replace(_stricter_of(known, entry), count=known.count + count)
    entries = [
        *merged.values(),
        *(_classify_attachment(*each) for each in dict.fromkeys(attachments)),
    ]
    for wish in (*wishes.topics, *wishes.drop, *wishes.copy):
        if not any(topic_matches(entry.topic, wish) for entry in entries):
            message = (
                f"no topic of the recording fits {wish!r}: {', '.join(e.topic for e in entries)}"
            )
            raise BagError(message)
    return TopicPlan(tuple(_apply_rules(entry, wishes) for entry in entries))


def _decide(channel: Channel, count: int, samples: Sequence[bytes]) -> TopicDecision:
    if channel.type_name in DESERIALIZED_TYPES:
        if channel.serialization not in _SERIALIZATIONS:
            decision, reason = TopicAction.UNDECIDED, f"serialized as {channel.serialization!r}"
        elif channel.type_name == POINT_CLOUD_TYPE:
            decision, reason = _classify_point_cloud(channel, samples)
        else:
            decision, reason = _classify_image(channel, samples)
    elif reason := _find_hidden_pixels(channel):
        decision = TopicAction.UNDECIDED
    else:
        decision = TopicAction.COPY
    is_checked = decision is TopicAction.COPY and channel.type_name in DESERIALIZED_TYPES
    return TopicDecision(channel.topic, channel.type_name, count, decision, reason, is_checked)


def _classify_image(channel: Channel, samples: Sequence[bytes]) -> tuple[TopicAction, str]:
    """An image topic, by the first of its messages that can be read."""
    for data in samples:
        try:
            frame = ImageMessage(channel, deserialize(channel, data))
        except ImageFormatError:
            continue
        if channel.type_name == IMAGE_TYPE and frame.encoding in DEPTH_ENCODINGS:
            return _classify_depth_or_thermal(channel.topic, frame.encoding)
        if channel.type_name == COMPRESSED_TYPE:
            known = is_jpeg_or_png(frame.compressed)
            problem = f"format {frame.encoding!r} is neither JPEG nor PNG"
        else:
            known = is_supported_encoding(frame.raw.encoding)
            problem = f"encoding {frame.encoding!r} is not supported"
        if known or data is samples[-1]:
            return (TopicAction.ANONYMIZE, "") if known else (TopicAction.UNDECIDED, problem)
    return TopicAction.ANONYMIZE, "no message can be read" if samples else ""


def _classify_depth_or_thermal(topic: str, encoding: str) -> tuple[TopicAction, str]:
    """16 bits or floats are depth, or what a thermal camera saw: only the name tells."""
    if any(word in topic.lower() for word in _THERMAL_WORDS):
        if encoding == "16UC1":
            return TopicAction.ANONYMIZE, "16UC1 as a thermal camera's grey"
    elif any(word in topic.lower() for word in _DEPTH_WORDS) and not _OTHER_CHANNEL_WORDS.search(
        topic.lower()
    ):
        return TopicAction.COPY, f"depth ({encoding}): persons' shapes can be seen in it"
    return TopicAction.UNDECIDED, f"{encoding} may be depth or thermal"


def _classify_point_cloud(channel: Channel, samples: Sequence[bytes]) -> tuple[TopicAction, str]:
    for data in samples:
        try:
            problem = find_copy_problem(channel, data)
        except ImageFormatError:
            continue
        if problem:
            return TopicAction.UNDECIDED, problem
    return TopicAction.COPY, ""


def find_copy_problem(channel: Channel, data: bytes) -> str:
    """Why a message is not what its topic was taken for, depth or bare points; empty if it is.

    Raises:
        ImageFormatError: if the message is damaged.
    """
    fields = deserialize(channel, data)
    if channel.type_name == POINT_CLOUD_TYPE:
        coloured = has_color_fields(field.name for field in fields.fields)
        return "points with the colours of a camera" if coloured else ""
    known = channel.type_name == IMAGE_TYPE and fields.encoding in DEPTH_ENCODINGS
    return "" if known else f"encoding {ImageMessage(channel, fields).encoding!r} is no depth"


def _find_hidden_pixels(channel: Channel) -> str:
    """Why a type that we do not read may carry pixels; empty if nothing speaks for it."""
    if may_carry_pixels(channel.type_name):
        return "cannot be anonymized"
    encoding = channel.definition_encoding or "ros2msg"
    if channel.serialization not in _SERIALIZATIONS or encoding not in _COMMENTS:
        return f"cannot be looked into: {channel.serialization}, described as {encoding}"
    definition = channel.definition or get_definition(channel)
    if not definition and channel.type_name not in standard_types(channel):
        return "its definition is not in the recording"
    definition = _COMMENTS[encoding].sub(" ", definition)
    for package, name in _TYPE_NAMES.findall(definition):
        if may_carry_pixels(f"{package}/msg/{name}"):
            return f"holds {package}/msg/{name}"
    if all(pattern.search(definition) for pattern in _LIKE_AN_IMAGE):
        return "has width, height and bytes"
    return _named_like_pictures(channel.topic.lower(), definition)


def _named_like_pictures(topic: str, definition: str) -> str:
    """Bytes, numbers or text where names tell of a picture; empty if they do not."""
    has_bytes, has_numbers = (p.search(definition) for p in (_BYTES, _NUMBERS))
    about_camera = any(word in topic for word in _CAMERA_WORDS)
    if has_bytes and (about_camera or has_image_keyword(topic)):
        return "bytes under the name of a camera or picture"
    if has_numbers and not topic.endswith("camera_info") and has_image_keyword(topic):
        return "numbers under the name of a picture"
    if "string" in definition and any(word in topic for word in _AS_TEXT_WORDS):
        return "text under the name of a picture"
    for line in definition.lower().splitlines():
        field = " ".join(line.split())
        about_pixels = has_image_keyword(line) or "rgb" in line or "pixel" in line
        if _BYTES.search(line) and about_pixels:
            return f"field {field!r}"
        if "string" in line and any(word in line for word in _AS_TEXT_WORDS):
            return f"field {field!r}"
    return ""


def _classify_attachment(name: str, media_type: str) -> TopicDecision:
    is_text = media_type.startswith("text/") or media_type in _TEXT_TYPES
    if not media_type:
        is_text = name.lower().endswith(_TEXT_FILES)
    if is_text and not name.lower().endswith(_PICTURE_FILES):
        return TopicDecision(
            name, media_type, -1, TopicAction.COPY, "attachment", verify_each_message=True
        )
    return TopicDecision(
        name, media_type, -1, TopicAction.UNDECIDED, "an attachment that is no text"
    )


def is_utf8_text(data: bytes) -> bool:
    """Whether an attachment is what its name says."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _stricter_of(one: TopicDecision, other: TopicDecision) -> TopicDecision:
    order = (TopicAction.UNDECIDED, TopicAction.ANONYMIZE, TopicAction.COPY)
    return min(one, other, key=lambda entry: order.index(entry.decision))


def _apply_rules(entry: TopicDecision, wishes: TopicRules) -> TopicDecision:
    if wishes.topics and not any(topic_matches(entry.topic, wish) for wish in wishes.topics):
        return replace(entry, decision=TopicAction.DROP, reason="not in --topics")
    if any(topic_matches(entry.topic, wish) for wish in wishes.drop):
        return replace(entry, decision=TopicAction.DROP, reason="--drop")
    if any(topic_matches(entry.topic, wish) for wish in wishes.copy):
        if entry.decision is TopicAction.COPY and not entry.verify_each_message:
            return entry
        return replace(
            entry,
            decision=TopicAction.COPY,
            verify_each_message=False,
            reason="--copy: whoever is seen stays",
        )
    return entry
