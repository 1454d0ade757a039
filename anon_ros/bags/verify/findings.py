"""Errors, warnings and counters of a verification."""

from dataclasses import dataclass, field

_MAX_LINES = 1000


@dataclass
class Findings:
    """Lines of findings, the first thousand of each kind, and their number.

    Attributes:
        errors: defects of the output.
        num_errors: of all of them.
        warnings: places that a person must look at.
        num_warnings: of all of them.
        not_checked: checks that were not possible, with the reason.
        counters: of what was checked, by its name in the summary.
    """

    errors: list[str] = field(default_factory=list)
    num_errors: int = 0
    warnings: list[str] = field(default_factory=list)
    num_warnings: int = 0
    not_checked: list[str] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 without findings, 1 with warnings, 2 with errors."""
        if self.num_errors:
            return 2
        return 1 if self.num_warnings else 0

    def add_error(self, place: str, problem: str) -> None:
        """Add a defect.

        Args:
            place: a topic, a topic ``at`` a time, or a file.
            problem: as a sentence without its end.
        """
        self.num_errors += 1
        if len(self.errors) < _MAX_LINES:
            self.errors.append(f"{place}: {problem}")

    def add_warning(self, place: str, problem: str) -> None:
        """Add a place to look at; arguments as ``add_error``."""
        self.num_warnings += 1
        if len(self.warnings) < _MAX_LINES:
            self.warnings.append(f"{place}: {problem}")

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + number


def format_location(topic: str, time_ns: int) -> str:
    """Return the place of a message as text."""
    return f"{topic} at {time_ns} ns"
