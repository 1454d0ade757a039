"""What two recordings say about their messages, beside the messages."""

from collections.abc import Mapping
from typing import Any

from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.verify.findings import Findings
from anon_ros.bags.verify.scans import BagScan

_FIELDS = ("serialization", "definition", "definition_encoding", "type_hash", "qos", "extra")
_LINE = 80


def compare_channels(source: BagScan, result: BagScan, findings: Findings) -> None:
    """What is known of each topic beside its messages, where both recordings know it."""
    same_storage = source.bag.storage == result.bag.storage
    for (topic, type_name), before in source.channels.items():
        after = result.channels.get((topic, type_name), set())
        for name in _FIELDS if same_storage else _FIELDS[:-1]:
            one, other = ({getattr(c, name) for c in each} - {"", ()} for each in (before, after))
            if one and other and one != other:
                changed = f"{_short(one)} became {_short(other)}"
                findings.add_error(topic, f"{name.replace('_', ' ')} differs: {changed}")


def _short(values: set[object]) -> str:
    text = " and ".join(sorted(map(repr, values)))
    return text if len(text) <= _LINE else f"{text[:_LINE]}..."


def compare_attachments(source: BagScan, result: BagScan, findings: Findings) -> None:
    """Attachments and metadata, which only MCAP has."""
    if source.bag.storage != "mcap" or result.bag.storage != "mcap":
        return
    for name, _ in source.extras - result.extras:
        findings.add_error(name, "is missing in the output, or changed")
    for name, _ in result.extras - source.extras:
        findings.add_error(name, "is in the output, but not so in the input")
    findings.count("attachments and metadata", source.extras.total())


def compare_counts(
    output: Bag, report: RunReport, counts: Mapping[str, int], findings: Findings
) -> None:
    """What the output says that it holds, against what it holds: messages by topic."""
    for topic, count in report.written.items():
        if counts.get(topic, 0) != count:
            told = f"report.json has {count} messages, the output {counts.get(topic, 0)}"
            findings.add_error(topic, told)
    for topic, entry in _topics(output).items():
        count = entry["message_count"]
        if counts.get(topic, 0) != count:
            told = f"metadata.yaml has {count} messages, the output {counts.get(topic, 0)}"
            findings.add_error(topic, told)


def compare_qos(source: Bag, output: Bag, report: RunReport, findings: Findings) -> None:
    """QoS of each topic in metadata.yaml, from which players take it."""
    before, after = _topics(source), _topics(output)
    for kept in report.topics.values():
        if kept.topic in before and kept.output_topic in after:
            one, other = (
                entry["topic_metadata"].get("offered_qos_profiles")
                for entry in (before[kept.topic], after[kept.output_topic])
            )
            if one != other:
                findings.add_error(kept.output_topic, "metadata.yaml has other QoS profiles")


def _topics(bag: Bag) -> dict[str, dict[str, Any]]:
    """What metadata.yaml says of each topic, by name."""
    topics = bag.metadata["topics_with_message_count"] if bag.metadata else []
    return {entry["topic_metadata"]["name"]: entry for entry in topics}
