"""Compare channels, attachments, counts and QoS of two bags."""

from collections.abc import Mapping
from typing import Any

from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.verify.findings import Findings
from anon_ros.bags.verify.scans import BagScan

_FIELDS = ("serialization", "definition", "definition_encoding", "type_hash", "qos", "extra")
_MAX_CHARACTERS = 80


def compare_channels(source: BagScan, output: BagScan, findings: Findings) -> None:
    """Compare the fields of channels that both bags have.

    Args:
        source: the input, scanned to its end.
        output: the output, scanned to its end.
        findings: gets the errors.
    """
    has_same_storage = source.bag.storage == output.bag.storage
    names = _FIELDS if has_same_storage else _FIELDS[:-1]
    for (topic, type_name), input_channels in source.channels.items():
        output_channels = output.channels.get((topic, type_name), set())
        for name in names:
            input_values, output_values = (
                {getattr(channel, name) for channel in channels} - {"", ()}
                for channels in (input_channels, output_channels)
            )
            if input_values and output_values and input_values != output_values:
                change = f"{_format_values(input_values)} became {_format_values(output_values)}"
                findings.add_error(topic, f"{name.replace('_', ' ')} differs: {change}")


def compare_attachments(source: BagScan, output: BagScan, findings: Findings) -> None:
    """Compare attachments and metadata records, which only MCAP has; arguments as above."""
    if source.bag.storage != "mcap" or output.bag.storage != "mcap":
        return
    for name, _ in source.extras - output.extras:
        findings.add_error(name, "is missing in the output, or changed")
    for name, _ in output.extras - source.extras:
        findings.add_error(name, "is in the output, but not so in the input")
    findings.count("attachments and metadata", source.extras.total())


def compare_counts(
    output: Bag, report: RunReport, counts: Mapping[str, int], findings: Findings
) -> None:
    """Compare the numbers of messages in the output with what it says about itself.

    Args:
        output: the output.
        report: of the run.
        counts: messages in the output, by topic.
        findings: gets the errors.
    """
    expected_counts = {
        **{("report.json", topic): count for topic, count in report.num_written.items()},
        **{
            ("metadata.yaml", topic): entry["message_count"]
            for topic, entry in _index_topics(output).items()
        },
    }
    for (file, topic), expected in expected_counts.items():
        if counts.get(topic, 0) != expected:
            problem = f"{file} has {expected} messages, the output {counts.get(topic, 0)}"
            findings.add_error(topic, problem)


def compare_qos(source: Bag, output: Bag, report: RunReport, findings: Findings) -> None:
    """Compare the QoS profiles in metadata.yaml, from which players take them.

    Args:
        source: the input.
        output: the output.
        report: of the run.
        findings: gets the errors.
    """
    input_topics, output_topics = _index_topics(source), _index_topics(output)
    for topic in report.topics_by_key.values():
        if topic.topic in input_topics and topic.output_topic in output_topics:
            input_qos, output_qos = (
                entry["topic_metadata"].get("offered_qos_profiles")
                for entry in (input_topics[topic.topic], output_topics[topic.output_topic])
            )
            if input_qos != output_qos:
                findings.add_error(topic.output_topic, "metadata.yaml has other QoS profiles")


def _format_values(values: set[object]) -> str:
    text = " and ".join(sorted(map(repr, values)))
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."


def _index_topics(bag: Bag) -> dict[str, dict[str, Any]]:
    """Return the entries of metadata.yaml by name of the topic."""
    topics = bag.metadata["topics_with_message_count"] if bag.metadata else []
    return {entry["topic_metadata"]["name"]: entry for entry in topics}
