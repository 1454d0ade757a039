"""Warn of what a run copies only if the user names it: ``--copy``.

The run's report says that they did; it may be anybody's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from anon_ros.bags.plan.classify import classify_attachment, classify_topic, find_copy_problem
from anon_ros.bags.plan.decisions import TopicAction, TopicDecision
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.storage.records import METADATA_KIND, PRIVATE_KIND, Message
from anon_ros.bags.verify.findings import Findings
from anon_ros.errors import ImageFormatError

_WARNING = "was copied, whoever is in it"


@dataclass
class CopyChecker:
    """Warns of topics once, by a plan of its own.

    Attributes:
        findings: gets the warnings.
    """

    findings: Findings
    _decisions: dict[tuple[str, str], TopicDecision] = field(default_factory=dict)
    _warned: set[tuple[str, str]] = field(default_factory=set)

    def check(self, message: Message, decompress: Callable[[bytes], bytes]) -> None:
        """Check a message that was copied.

        Args:
            message: of the input.
            decompress: of the recording, for what the message holds.
        """
        channel = message.channel
        key = channel.topic, channel.type_name
        if key in self._warned:
            return
        data = decompress(message.data)
        if key not in self._decisions:
            self._decisions[key] = classify_topic(channel, 1, [data])
        decision = self._decisions[key]
        problem = decision.reason
        if decision.action is TopicAction.COPY:
            problem = _find_problem(message, data) if decision.verify_each_message else ""
            if not problem:
                return
        self._warned.add(key)
        self.findings.add_warning(channel.topic, _describe(channel.type_name, problem))

    def check_attachments(self, report: RunReport) -> None:
        """Check the names of what was copied beside the messages."""
        for topic in report.topics:
            if not (topic.is_attachment and topic.is_in_output) or topic.type_name == METADATA_KIND:
                continue
            decision = classify_attachment(topic.topic, topic.type_name)
            is_private = topic.type_name == PRIVATE_KIND
            reason = "nobody knows what they show" if is_private else decision.reason
            if decision.action is not TopicAction.COPY:
                self.findings.add_warning(topic.topic, _describe(topic.type_name, reason))


def _find_problem(message: Message, data: bytes) -> str:
    try:
        return find_copy_problem(message.channel, data)
    except ImageFormatError as error:
        return str(error)


def _describe(type_name: str, problem: str) -> str:
    return f"of type {type_name} {_WARNING}" + (f": {problem}" if problem else "")
