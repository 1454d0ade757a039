"""metadata.yaml of a rosbag2 recording (rosbag2_storage, BagMetadata)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from anon_ros.bags.storage.records import MAX_TIME_NS, Channel, Message
from anon_ros.errors import BagDamageError, BagError

METADATA_NAME = "metadata.yaml"
_ROOT = "rosbag2_bagfile_information"
_TOPICS = "topics_with_message_count"
_NEWEST_VERSION = 9
# Up to this version QoS profiles are YAML text of numbers, from then on a list of words.
_QOS_AS_TEXT = 8


@dataclass
class FileStatistics:
    """What was written to one storage file.

    Attributes:
        start_ns: smallest log time.
        end_ns: largest log time.
        counts: messages by topic.
    """

    start_ns: int = MAX_TIME_NS
    end_ns: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        topic = message.channel.topic
        self.counts[topic] = self.counts.get(topic, 0) + 1
        self.start_ns = min(self.start_ns, message.log_time_ns)
        self.end_ns = max(self.end_ns, message.log_time_ns)


def read_metadata(folder: Path) -> dict[str, Any]:
    """What metadata.yaml says.

    Raises:
        BagError: if its version is newer than the ones known here.
        BagDamageError: if it cannot be understood.
    """
    path = folder / METADATA_NAME
    try:
        information = _loaded(path.read_text("utf-8"), _ROOT)
        known = int(information["version"]) <= _NEWEST_VERSION
        str(information["storage_identifier"]), [str(p) for p in information["relative_file_paths"]]
        [str(each["topic_metadata"]["name"]) for each in information[_TOPICS]]
    except (YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{path} is damaged ({error!r}); name the storage files one by one instead"
        raise BagDamageError(" ".join(message.split())) from error
    if not known:
        message = f"{path}: version {information['version']} is newer than {_NEWEST_VERSION}"
        raise BagError(message)
    return information


def write_metadata(folder: Path, information: Mapping[str, Any]) -> None:
    """Write metadata.yaml."""
    (folder / METADATA_NAME).write_text(dump_yaml({_ROOT: dict(information)}), "utf-8")


def parse_embedded_metadata(text: str) -> dict[str, Any] | None:
    """What rosbag2 wrote into a storage file about itself; None if it makes no sense."""
    try:
        found = _loaded(text)
        [str(each["topic_metadata"]["name"]) for each in found[_TOPICS]]
        return found if int(found["version"]) <= _NEWEST_VERSION else None
    except (YAMLError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _loaded(text: str, root: str = "") -> dict[str, Any]:
    """YAML of which the custom data stay what they are: text, even if it looks like a number."""
    found, texts = (YAML(typ=kind).load(text) for kind in ("safe", "base"))
    if root:
        found, texts = found[root], texts[root]
    custom = {"custom_data": dict(texts["custom_data"])} if found.get("custom_data") else {}
    return {**found, **custom}


def dump_yaml(values: Mapping[str, Any] | Sequence[Any]) -> str:
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 4096
    stream = StringIO()
    yaml.dump(dict(values) if isinstance(values, Mapping) else list(values), stream)
    return stream.getvalue()


def build_metadata(
    channels: Mapping[str, Channel], storage: str, like: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Information for a recording with these topics; counts and files are still missing.

    Args:
        channels: by the topic's name in the output; theirs is the one in the input.
        storage: "sqlite3" or "mcap".
        like: that of the input, whose other entries are kept; None if it had none.
    """
    if like is None:
        words = any(isinstance(_history(channel), str) for channel in channels.values())
        version = _QOS_AS_TEXT + 1 if words else _QOS_AS_TEXT
        like = {"version": version, "custom_data": None, "ros_distro": "unknown"}
    known = {each["topic_metadata"]["name"]: each for each in like.get(_TOPICS, [])}
    topics = []
    for name, channel in channels.items():
        entry = known.get(channel.topic) or _described(channel, int(like["version"]))
        topics.append({**entry, "topic_metadata": {**entry["topic_metadata"], "name": name}})
    return {**like, "storage_identifier": storage, _TOPICS: topics}


def add_file_statistics(
    information: Mapping[str, Any], files: Sequence[tuple[str, FileStatistics]], compression: str
) -> dict[str, Any]:
    """``information`` with the numbers of what was written.

    Args:
        information: from ``build_metadata``.
        files: name and content of each storage file.
        compression: "file", "message" or anything else for none that metadata.yaml knows of.
    """
    tallies = [tally for _, tally in files]
    mode = compression if compression in {"file", "message"} else ""
    if str(information.get("compression_mode")).isupper():  # as rosbag2 itself writes it
        mode = mode.upper()
    counts = Counter[str]()
    for tally in tallies:
        counts.update(tally.counts)
    result = {
        **information,
        **_span(tallies),
        "relative_file_paths": [name for name, _ in files],
        _TOPICS: [
            {**each, "message_count": counts[each["topic_metadata"]["name"]]}
            for each in information[_TOPICS]
        ],
        "compression_format": "zstd" if mode else "",
        "compression_mode": mode,
    }
    if "files" in information or int(information["version"]) > 4:  # noqa: PLR2004 - the first that has it
        result["files"] = [{"path": name, **_span([tally])} for name, tally in files]
    return result


def _span(tallies: Sequence[FileStatistics]) -> dict[str, Any]:
    start_ns = min((tally.start_ns for tally in tallies), default=MAX_TIME_NS)
    end_ns = max((tally.end_ns for tally in tallies), default=0)
    return {
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "duration": {"nanoseconds": max(0, end_ns - start_ns)},
        "message_count": sum(sum(tally.counts.values()) for tally in tallies),
    }


def _described(channel: Channel, version: int) -> dict[str, Any]:
    as_text = version <= _QOS_AS_TEXT
    return {
        "topic_metadata": {
            "type": channel.type_name,
            "serialization_format": channel.serialization,
            "offered_qos_profiles": channel.qos if as_text else _profiles(channel),
            "type_description_hash": channel.type_hash,
        }
    }


def _profiles(channel: Channel) -> list[dict[str, Any]]:
    try:
        return YAML(typ="safe").load(channel.qos) or []
    except YAMLError:
        return []


def _history(channel: Channel) -> object:
    return next((profile.get("history") for profile in _profiles(channel)), None)
