"""Sections of parameters with a name of the user's choice: ``cameras.<name>.*``, ``targets.*``."""

import re
from dataclasses import dataclass, replace
from typing import TypeVar

from anon_ros.config.parameter_spec import ParameterValue

_S = TypeVar("_S", bound="Section")


@dataclass(frozen=True)
class Section:
    """Parameters that a section sets.

    Attributes:
        name: of the section.
        values: by key; sorted.
    """

    name: str
    values: tuple[tuple[str, ParameterValue], ...] = ()

    def with_value(self: _S, key: str, value: ParameterValue) -> _S:  # noqa: PYI019 - Python 3.10
        """Return a copy with another value."""
        return replace(self, values=tuple(sorted((dict(self.values) | {key: value}).items())))


def split_section_parameter(kind: str, name: str) -> tuple[str, str] | None:
    """Return section and key of ``<kind>.<section>.<key>``; None for another parameter."""
    match = re.fullmatch(rf"{kind}\.([A-Za-z_]\w*)\.(.+)", name, re.ASCII)
    return None if match is None else (match[1], match[2])


def join_section_parameter(kind: str, section: str, key: str) -> str:
    """Return the name of a section's parameter."""
    return f"{kind}.{section}.{key}"
