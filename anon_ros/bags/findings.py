"""What a verification has to say."""

from dataclasses import dataclass, field

_KEPT = 1000


@dataclass
class Findings:
    """Lines of findings, the first thousand of each kind, and how many there are.

    Attributes:
        broken: what is not as it must be.
        broken_count: of all of them.
        suspicions: what somebody should look at.
        suspicion_count: of all of them.
        unchecked: what could not be checked, and why.
        numbers: what was checked, by the words that say it.
    """

    broken: list[str] = field(default_factory=list)
    broken_count: int = 0
    suspicions: list[str] = field(default_factory=list)
    suspicion_count: int = 0
    unchecked: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 suspicions, 2 broken."""
        if self.broken_count:
            return 2
        return 1 if self.suspicion_count else 0

    def breaks(self, place: str, problem: str) -> None:
        """Note a defect: ``place`` is a topic, a topic ``at`` a time, or a file."""
        self.broken_count += 1
        if len(self.broken) < _KEPT:
            self.broken.append(f"{place}: {problem}")

    def suspects(self, place: str, problem: str) -> None:
        """Note a suspicion; arguments as ``breaks``."""
        self.suspicion_count += 1
        if len(self.suspicions) < _KEPT:
            self.suspicions.append(f"{place}: {problem}")

    def count(self, what: str, number: int = 1) -> None:
        self.numbers[what] = self.numbers.get(what, 0) + number


def at(topic: str, time_ns: int) -> str:
    """The place of a message."""
    return f"{topic} at {time_ns} ns"
