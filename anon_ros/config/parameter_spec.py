"""Declaration of a parameter as a dataclass field with help, unit, range and choices."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

ParameterValue: TypeAlias = bool | int | float | str | tuple[str, ...]

Weaker: TypeAlias = Literal["", "lower", "higher", "fewer", "more"]

T = TypeVar("T", bool, int, float, str, tuple[str, ...])


@dataclass(frozen=True)
class ParameterSpec:
    """Everything that is declared of a parameter beside its name, type and default.

    Attributes:
        help: one or two sentences for a user.
        unit: of the value, for example "px" or "Hz"; empty for none.
        minimum: smallest allowed value, inclusive; None for no bound.
        maximum: largest allowed value, inclusive; None for no bound.
        choices: the only allowed values; empty for any.
        pattern: of other values that are allowed beside ``choices``.
        example: of a value of ``pattern``.
        required: True if an empty string or an empty list is refused.
        reconfigurable: True if a running node accepts a new value, between two frames.
        start_only: True if not even an unconfigured node accepts a new value: anybody on the graph
            could weaken the anonymization by it.
        weaker: direction of the numbers, or of the number of a list's entries, that anonymize less;
            empty if neither does.
        weak_choices: choices that anonymize less than the others.
        accepts_string: True for a list of which a string alone stands for its only entry; on the
            command line it takes a flag for each entry.
    """

    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str = ""
    required: bool = False
    reconfigurable: bool = False
    start_only: bool = False
    weaker: Weaker = ""
    weak_choices: tuple[str, ...] = ()
    accepts_string: bool = False

    def is_weaker(self, value: ParameterValue, base: ParameterValue) -> bool:
        """Return True if ``value`` anonymizes less than ``base``."""
        if isinstance(value, int | float) and isinstance(base, int | float):
            return {"lower": value < base, "higher": value > base}.get(self.weaker, False)
        if isinstance(value, tuple) and isinstance(base, tuple):
            missing, added = set(base) - set(value), set(value) - set(base)
            return bool({"fewer": missing, "more": added}.get(self.weaker))
        return value in self.weak_choices and base not in self.weak_choices


def param(  # noqa: PLR0913 - an argument per column of the table of parameters
    default: T,
    help: str,  # noqa: A002 - the word that argparse and click use for it
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = "",
    example: str = "",
    required: bool = False,
    reconfigurable: bool = False,
    start_only: bool = False,
    weaker: Weaker = "",
    weak_choices: tuple[str, ...] = (),
    accepts_string: bool = False,
) -> T:
    """Declare a dataclass field that is a parameter; the field's type is the parameter's."""
    spec = ParameterSpec(
        help,
        unit,
        minimum,
        maximum,
        choices,
        pattern,
        example,
        required,
        reconfigurable,
        start_only,
        weaker,
        weak_choices,
        accepts_string,
    )
    declared: T = field(default=default, metadata={"spec": spec})
    return declared
