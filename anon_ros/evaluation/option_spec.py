"""Description of an option of an experiment, from which its flag is made."""

from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class OptionSpec:
    """Description of an option, besides its name, type and default.

    Attributes:
        help: a phrase for a user.
        metavar: placeholder of the value.
        flags: short and long flag; empty for the name of the field with dashes.
        deprecated_flag: former name of the flag; empty for none.
        choices: the only allowed values; empty for any.
        above: the value, a number, must be larger.
        below: the value, a number, must be smaller.
        maximum: largest allowed number, inclusive.
        is_positional: it has no flag.
        is_repeated: the values of a tuple are given by one flag per value.
        exclusive_group: name that options share of which only one may be given; empty for none.
    """

    help: str
    metavar: str
    flags: tuple[str, ...] = ()
    deprecated_flag: str = ""
    choices: tuple[str, ...] = ()
    above: float = -inf
    below: float = inf
    maximum: float = inf
    is_positional: bool = False
    is_repeated: bool = False
    exclusive_group: str = ""


def option(default: T, spec: OptionSpec) -> T:
    """Declare a dataclass field that is an option; the field's type is the option's."""
    declared: T = field(default=default, metadata={"spec": spec})
    return declared


def required_option(spec: OptionSpec) -> Any:
    """Declare a dataclass field that is an option without a default."""
    return field(metadata={"spec": spec})
