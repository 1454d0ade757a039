"""What a verification has to say."""

from dataclasses import dataclass, field

_KEPT = 1000


@dataclass
class Findings:
    """Lines of findings, the first thousand of each kind, and how many there are.

    Attributes:
        errors: what is not as it must be.
        broken_count: of all of them.
        warnings: what somebody should look at.
        suspicion_count: of all of them.
        not_checked: what could not be checked, and why.
        counters: what was checked, by the words that say it.
    """

    errors: list[str] = field(default_factory=list)
    broken_count: int = 0
    warnings: list[str] = field(default_factory=list)
    suspicion_count: int = 0
    not_checked: list[str] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 suspicions, 2 broken."""
        if self.broken_count:
            return 2
        return 1 if self.suspicion_count else 0

    def add_error(self, place: str, problem: str) -> None:
        """Note a defect: ``place`` is a topic, a topic ``at`` a time, or a file."""
        self.broken_count += 1
        if len(self.errors) < _KEPT:
            self.errors.append(f"{place}: {problem}")

    def add_warning(self, place: str, problem: str) -> None:
        """Note a suspicion; arguments as ``breaks``."""
        self.suspicion_count += 1
        if len(self.warnings) < _KEPT:
            self.warnings.append(f"{place}: {problem}")

    def count(self, what: str, number: int = 1) -> None:
        self.counters[what] = self.counters.get(what, 0) + number


def format_location(topic: str, time_ns: int) -> str:
    """The place of a message."""
    return f"{topic} at {time_ns} ns"
