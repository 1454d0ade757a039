"""Metadata of a rosbag2 bag: metadata.yaml (rosbag2_storage, BagMetadata)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from anon_ros.bags.storage.records import MAX_TIME_NS, Channel, Message
from anon_ros.config import check_yaml
from anon_ros.errors import BagDamageError, BagError
from anon_ros.utils.files import require_regular

METADATA_NAME = "metadata.yaml"
TOPICS_KEY = "topics_with_message_count"
"""Key of the topics in the metadata."""

_MARK_PREFIX = "anon_ros."
_ROOT_KEY = "rosbag2_bagfile_information"
_NEWEST_VERSION = 9
# Up to this version QoS profiles are YAML text of numbers, from then on a list of words.
_LAST_VERSION_WITH_QOS_TEXT = 8
_FIRST_VERSION_WITH_FILES = 5
_INVALID = (
    *(YAMLError, KeyError, TypeError, ValueError, AttributeError),
    *(OverflowError, RecursionError),  # of .inf, and of deep nesting
)


@dataclass
class FileStatistics:
    """Statistics of the messages in one storage file.

    Attributes:
        start_ns: smallest log time; MAX_TIME_NS without messages.
        end_ns: largest log time; 0 without messages.
        counts: messages by topic.
    """

    start_ns: int = MAX_TIME_NS
    end_ns: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Count a message."""
        topic = message.channel.topic
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.start_ns = min(self.start_ns, message.log_time_ns)
        self.end_ns = max(self.end_ns, message.log_time_ns)


def read_metadata(folder: Path) -> dict[str, Any]:
    """Read metadata.yaml.

    Raises:
        BagError: if its version is newer than any that is supported.
        BagDamageError: if it makes no sense.
        OSError: if it cannot be read.
    """
    path = folder / METADATA_NAME
    require_regular(path)
    try:
        metadata = _parse_yaml(path.read_text("utf-8"), _ROOT_KEY)
        is_supported = _is_supported(metadata)
        [str(p) for p in metadata["relative_file_paths"]]
        _check_topics(metadata)
    except _INVALID as error:
        message = f"{path} is damaged ({error!r}); name the storage files one by one instead"
        raise BagDamageError(" ".join(message.split())) from error
    if not is_supported:
        message = f"{path}: version {metadata['version']} is newer than {_NEWEST_VERSION}"
        raise BagError(message)
    return metadata


def write_metadata(folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write metadata.yaml.

    Raises:
        OSError: if it cannot be written.
    """
    (folder / METADATA_NAME).write_text(dump_yaml({_ROOT_KEY: dict(metadata)}), "utf-8")


def list_channels(metadata: Mapping[str, Any]) -> list[Channel]:
    """Return a channel for every topic that metadata.yaml names, without a number."""
    entries = [entry["topic_metadata"] for entry in metadata.get(TOPICS_KEY, [])]
    return [
        Channel(
            -1,
            str(entry["name"]),
            str(entry.get("type", "")),
            str(entry.get("serialization_format", "")),
        )
        for entry in entries
    ]


def parse_embedded_metadata(text: str) -> dict[str, Any] | None:
    """Parse the metadata that rosbag2 wrote into a storage file; None if they make no sense."""
    try:
        metadata = _parse_yaml(text)
        _check_topics(metadata)
        return metadata if _is_supported(metadata) else None
    except _INVALID:
        return None


def dump_yaml(values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return YAML in block style, as rosbag2 writes it."""
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 4096
    stream = StringIO()
    yaml.dump(dict(values) if isinstance(values, Mapping) else list(values), stream)
    return stream.getvalue()


def build_metadata(
    channels: Mapping[str, Channel], storage: str, template: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return metadata of a bag with these topics; counts and files are still missing.

    Args:
        channels: of the input, by the topic's name in the output.
        storage: "sqlite3" or "mcap".
        template: metadata of the input, whose other entries stay; None if it has none.
    """
    if template is None:
        template = _make_template(channels)
    entries = {entry["topic_metadata"]["name"]: entry for entry in template.get(TOPICS_KEY, [])}
    places = {name: place for place, name in enumerate(entries)}
    topics = []
    for name, channel in sorted(
        channels.items(), key=lambda item: places.get(item[1].topic, len(places))
    ):
        entry = entries.get(channel.topic) or _make_topic(channel, int(template["version"]))
        topics.append({**entry, "topic_metadata": {**entry["topic_metadata"], "name": name}})
    return {**template, "storage_identifier": storage, TOPICS_KEY: topics}


def add_mark(metadata: Mapping[str, Any], mark: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``metadata`` with a mark among the custom data."""
    custom_data = {**(metadata.get("custom_data") or {}), **make_custom_data(mark)}
    return {**metadata, "custom_data": custom_data}


def make_custom_data(mark: Mapping[str, Any]) -> dict[str, str]:
    """Return a mark as custom data, of which other tools have theirs."""
    return {f"{_MARK_PREFIX}{key}": str(value) for key, value in mark.items()}


def find_mark(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the custom data that are a mark; empty for none."""
    custom_data = (metadata or {}).get("custom_data") or {}
    return {key: text for key, text in custom_data.items() if key.startswith(_MARK_PREFIX)}


def add_file_statistics(
    metadata: Mapping[str, Any], files: Sequence[tuple[str, FileStatistics]], compression: str
) -> dict[str, Any]:
    """Return ``metadata`` with the counts, times and names of files.

    Args:
        metadata: from ``build_metadata``.
        files: names and statistics.
        compression: "file", "message", or anything else for none that metadata.yaml has.
    """
    statistics = [item for _, item in files]
    mode = compression if compression in {"file", "message"} else ""
    if str(metadata.get("compression_mode")).isupper():  # as rosbag2 itself writes it
        mode = mode.upper()
    result = {
        **metadata,
        **_sum_up(statistics),
        "relative_file_paths": [name for name, _ in files],
        TOPICS_KEY: _count_messages(metadata[TOPICS_KEY], statistics),
        "compression_format": "zstd" if mode else "",
        "compression_mode": mode,
    }
    if "files" in metadata or int(metadata["version"]) >= _FIRST_VERSION_WITH_FILES:
        result["files"] = [{"path": name, **_sum_up([item])} for name, item in files]
    return result


def _parse_yaml(text: str, root: str = "") -> dict[str, Any]:
    """Parse YAML, with custom data as text, even if they look like numbers."""
    check_yaml(text)
    values, texts = (YAML(typ=typ).load(text) for typ in ("safe", "base"))
    if root:
        values, texts = values[root], texts[root]
    custom = {"custom_data": dict(texts["custom_data"])} if values.get("custom_data") else {}
    return {**values, **custom}


def _is_supported(metadata: Mapping[str, Any]) -> bool:
    return int(metadata["version"]) <= _NEWEST_VERSION


def _check_topics(metadata: Mapping[str, Any]) -> None:
    """Raise one of ``_INVALID`` if a topic has no name."""
    [str(entry["topic_metadata"]["name"]) for entry in metadata[TOPICS_KEY]]


def _make_template(channels: Mapping[str, Channel]) -> dict[str, Any]:
    has_words = any(isinstance(_find_history(channel), str) for channel in channels.values())
    version = _NEWEST_VERSION if has_words else _LAST_VERSION_WITH_QOS_TEXT
    return {"version": version, "custom_data": None, "ros_distro": "unknown"}


def _make_topic(channel: Channel, version: int) -> dict[str, Any]:
    is_text = version <= _LAST_VERSION_WITH_QOS_TEXT
    return {
        "topic_metadata": {
            "type": channel.type_name,
            "serialization_format": channel.serialization,
            "offered_qos_profiles": channel.qos if is_text else _parse_qos(channel),
            "type_description_hash": channel.type_hash,
        }
    }


def _count_messages(
    topics: Sequence[Mapping[str, Any]], statistics: Sequence[FileStatistics]
) -> list[dict[str, Any]]:
    """Return the entries of topics with their counts."""
    counts = Counter[str]()
    for item in statistics:
        counts.update(item.counts)
    return [{**entry, "message_count": counts[entry["topic_metadata"]["name"]]} for entry in topics]


def _sum_up(statistics: Sequence[FileStatistics]) -> dict[str, Any]:
    """Return begin, duration and number of messages of some files."""
    start_ns = min((item.start_ns for item in statistics), default=MAX_TIME_NS)
    end_ns = max((item.end_ns for item in statistics), default=0)
    return {
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "duration": {"nanoseconds": max(0, end_ns - start_ns)},
        "message_count": sum(sum(item.counts.values()) for item in statistics),
    }


def _parse_qos(channel: Channel) -> list[dict[str, Any]]:
    try:
        check_yaml(channel.qos)
        return [dict(profile) for profile in YAML(typ="safe").load(channel.qos) or []]
    except _INVALID:
        return []


def _find_history(channel: Channel) -> object:
    """Return the history policy of the first QoS profile: a number, or a word in new versions."""
    return next((profile.get("history") for profile in _parse_qos(channel)), None)
