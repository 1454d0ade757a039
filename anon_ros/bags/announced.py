"""What two recordings say about their messages, beside the messages."""

from collections.abc import Mapping
from typing import Any

from anon_ros.bags.account import Account
from anon_ros.bags.bag import Bag
from anon_ros.bags.findings import Findings
from anon_ros.bags.walk import Side

_FIELDS = ("serialization", "definition", "definition_encoding", "type_hash", "qos", "extra")
_LINE = 80


def compare_channels(source: Side, result: Side, findings: Findings) -> None:
    """What is known of each topic beside its messages, where both recordings know it."""
    same_storage = source.bag.storage == result.bag.storage
    for (topic, type_name), before in source.channels.items():
        after = result.channels.get((topic, type_name), set())
        for name in _FIELDS if same_storage else _FIELDS[:-1]:
            one, other = ({getattr(c, name) for c in each} - {"", ()} for each in (before, after))
            if one and other and one != other:
                changed = f"{_short(one)} became {_short(other)}"
                findings.breaks(topic, f"{name.replace('_', ' ')} differs: {changed}")


def _short(values: set[object]) -> str:
    text = " and ".join(sorted(map(repr, values)))
    return text if len(text) <= _LINE else f"{text[:_LINE]}..."


def compare_extras(source: Side, result: Side, findings: Findings) -> None:
    """Attachments and metadata, which only MCAP has."""
    if source.bag.storage != "mcap" or result.bag.storage != "mcap":
        return
    for name, _ in source.extras - result.extras:
        findings.breaks(name, "is missing in the output, or changed")
    for name, _ in result.extras - source.extras:
        findings.breaks(name, "is in the output, but not so in the input")
    findings.count("attachments and metadata", source.extras.total())


def compare_counts(
    output: Bag, account: Account, counts: Mapping[str, int], findings: Findings
) -> None:
    """What the output says that it holds, against what it holds: messages by topic."""
    for topic, count in account.written.items():
        if counts.get(topic, 0) != count:
            told = f"report.json has {count} messages, the output {counts.get(topic, 0)}"
            findings.breaks(topic, told)
    for topic, entry in _topics(output).items():
        count = entry["message_count"]
        if counts.get(topic, 0) != count:
            told = f"metadata.yaml has {count} messages, the output {counts.get(topic, 0)}"
            findings.breaks(topic, told)


def compare_profiles(source: Bag, output: Bag, account: Account, findings: Findings) -> None:
    """QoS of each topic in metadata.yaml, from which players take it."""
    before, after = _topics(source), _topics(output)
    for kept in account.kept.values():
        if kept.topic in before and kept.output_topic in after:
            one, other = (
                entry["topic_metadata"].get("offered_qos_profiles")
                for entry in (before[kept.topic], after[kept.output_topic])
            )
            if one != other:
                findings.breaks(kept.output_topic, "metadata.yaml has other QoS profiles")


def _topics(bag: Bag) -> dict[str, dict[str, Any]]:
    """What metadata.yaml says of each topic, by name."""
    topics = bag.information["topics_with_message_count"] if bag.information else []
    return {entry["topic_metadata"]["name"]: entry for entry in topics}
