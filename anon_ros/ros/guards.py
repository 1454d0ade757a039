"""Guards of a drive: a line for each danger to its recording, and the answer to all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from diagnostic_msgs.msg import DiagnosticStatus

from anon_ros.ros.session import SessionSnapshot, StreamSnapshot

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

_RECORDER = "recorder"


@dataclass(frozen=True)
class GuardStatus:
    """State of a guard.

    Attributes:
        name: of its diagnostics.
        level: OK, WARN or ERROR.
        text: finding, for the operator.
    """

    name: str
    level: bytes
    text: str


def check_guards(session: SessionSnapshot) -> list[GuardStatus]:
    """Return the state of every guard."""
    return [
        _check_prefix(session),
        _check_originals(session.streams),
        _check_mirrors(session.not_mirrored),
        _check_calibration(session.streams),
        _check_recorder(session.streams),
    ]


def summarize_guards(
    state: str, guards: Sequence[GuardStatus], states: Sequence[GuardStatus]
) -> GuardStatus:
    """Return the answer to "is this drive being recorded safely".

    Args:
        state: of the node; anything but "ready" publishes nothing.
        guards: all of them, the recorder's last.
        states: worker and streams, whose texts need their names.
    """
    named = [replace(status, text=f"{status.name}: {status.text}") for status in states]
    findings = [status for status in (*guards, *named) if status.level != OK]
    if state != "ready":
        findings.append(GuardStatus("", WARN, f"nothing is published: {state}"))
    if not findings:
        return GuardStatus("recording", OK, f"safe: {guards[-1].text}")
    findings.sort(key=lambda finding: finding.level, reverse=True)
    word = "not safe" if findings[0].level == ERROR else "to be checked"
    text = "; ".join(finding.text for finding in findings)
    return GuardStatus("recording", findings[0].level, f"{word}: {text}")


def format_foreign(publishers: Mapping[str, Sequence[str]]) -> str:
    """Return a line about the nodes, by topic, that publish below the prefix."""
    topics = "; ".join(f"{topic} by {', '.join(names)}" for topic, names in publishers.items())
    return (
        f"another node publishes below the prefix, perhaps originals: {topics}; end it, or name "
        "it in topics.trusted_publishers"
    )


def _check_prefix(session: SessionSnapshot) -> GuardStatus:
    name = "guard: publishers below the prefix"
    if session.foreign_publishers:
        return GuardStatus(name, ERROR, format_foreign(session.foreign_publishers))
    if session.twin_topics:
        topics = ", ".join(session.twin_topics)
        return GuardStatus(name, ERROR, f"a second node of the same name publishes {topics}")
    return GuardStatus(name, OK, "none but this node and those that are trusted")


def _check_originals(streams: Sequence[StreamSnapshot]) -> GuardStatus:
    name = "guard: subscribers of the originals"
    nodes = sorted({node for stream in streams for node in stream.untrusted_subscribers})
    if not nodes:
        return GuardStatus(name, OK, "none but this node and those that are trusted")
    level = ERROR if any(_RECORDER in node for node in nodes) else WARN
    return GuardStatus(name, level, f"the original images go to {', '.join(nodes)}")


def _check_calibration(streams: Sequence[StreamSnapshot]) -> GuardStatus:
    name = "guard: calibration"
    problems = [f"{s.name}: {s.calibration_problem}" for s in streams if s.calibration_problem]
    if problems:
        return GuardStatus(name, WARN, f"no calibration: {'; '.join(problems)}")
    return GuardStatus(name, OK, "every image topic has its camera_info")


def _check_mirrors(not_mirrored: Mapping[str, str]) -> GuardStatus:
    name = "guard: topics that are not mirrored"
    if not not_mirrored:
        return GuardStatus(name, OK, "none of those that are named or match")
    topics = "; ".join(f"{topic}: {reason}" for topic, reason in not_mirrored.items())
    return GuardStatus(name, WARN, f"leave out of topics.images, or mend: {topics}")


def _check_recorder(streams: Sequence[StreamSnapshot]) -> GuardStatus:
    name = "guard: recorder"
    missing = [stream.mirrored_topic for stream in streams if not list(_list_recorders(stream))]
    if missing or not streams:
        topics = ", ".join(missing) or "anything"
        return GuardStatus(name, WARN, f"no recorder subscribes to {topics}")
    recorders = sorted({node for stream in streams for node in _list_recorders(stream)})
    return GuardStatus(name, OK, f"all mirrored images go to {', '.join(recorders)}")


def _list_recorders(stream: StreamSnapshot) -> Iterator[str]:
    return (node for node in stream.subscribers if _RECORDER in node)
