"""Flags of an experiment, derived from the fields of its options, and the way back."""

import math
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from anon_ros.cli.deprecated_flags import add_deprecated_flag
from anon_ros.evaluation.option_spec import OptionSpec

T = TypeVar("T")


class OptionFlags:
    """Builder of the flags of one parser.

    Args:
        parser: to add to.
    """

    def __init__(self, parser: ArgumentParser) -> None:
        self._parser = parser
        self._exclusive_groups: dict[str, Any] = {}

    def add(self, options_class: type) -> None:
        """Add a flag for each option, and a section for each group of options.

        Args:
            options_class: dataclass whose fields are options (see ``option``), or such dataclasses.
        """
        self._add_fields(self._parser, options_class, None)

    def _add_fields(self, section: Any, options_class: type, defaults: object) -> None:
        hints = get_type_hints(options_class)
        for field in fields(options_class):
            default = getattr(defaults, field.name, field.default)
            if _is_group(hints[field.name]):
                group = self._parser.add_argument_group(field.name.replace("_", " "))
                self._add_fields(group, hints[field.name], default)
            else:
                self._add_flag(section, field, hints[field.name], default)

    def _add_flag(self, section: Any, field: Field[Any], hint: Any, default: Any) -> None:
        spec: OptionSpec = field.metadata["spec"]
        if spec.exclusive_group:
            section = self._find_exclusive_group(section, spec.exclusive_group)
        action: Action = section.add_argument(
            *_find_names(field.name, spec), **_make_keywords(field.name, spec, hint, default)
        )
        if spec.deprecated_flag:
            add_deprecated_flag(self._parser, spec.deprecated_flag, action)

    def _find_exclusive_group(self, section: Any, name: str) -> Any:
        if name not in self._exclusive_groups:
            self._exclusive_groups[name] = section.add_mutually_exclusive_group()
        return self._exclusive_groups[name]


def parse_options(arguments: Namespace, options_class: type[T]) -> T:
    """Return the options for which the flags of ``OptionFlags`` ask."""
    hints = get_type_hints(options_class)
    values = {
        name: parse_options(arguments, hint) if _is_group(hint) else getattr(arguments, name)
        for name, hint in hints.items()
    }
    return options_class(
        **{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    )


def _is_group(hint: Any) -> bool:
    return is_dataclass(hint)


def _find_names(field_name: str, spec: OptionSpec) -> tuple[str, ...]:
    if spec.is_positional:
        return (field_name,)
    return spec.flags or (f"--{field_name.replace('_', '-')}",)


def _make_keywords(field_name: str, spec: OptionSpec, hint: Any, default: Any) -> dict[str, Any]:
    """Return the arguments of ``add_argument``."""
    value_type = next((part for part in get_args(hint) if part not in {type(None), ...}), hint)
    keywords: dict[str, Any] = {
        "type": _find_parser(value_type, spec),
        "metavar": spec.metavar,
        "help": _format_help(spec, default),
    }
    if spec.choices:
        keywords["choices"] = spec.choices
    if get_origin(hint) is tuple:
        keywords |= {"action": "append"} if spec.is_repeated else {"nargs": "+"}
    if not spec.is_positional:
        is_required = default is MISSING
        keywords |= {"dest": field_name, "required": is_required}
        if not is_required:
            keywords["default"] = list(default) if isinstance(default, tuple) else default
    return keywords


def _format_help(spec: OptionSpec, default: Any) -> str:
    values = default if isinstance(default, tuple) else (default,)
    text = " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
    suffix = f" (default: {text})" if default is not MISSING and default else ""
    return f"{spec.help}{suffix}".replace("%", "%%")


def _find_parser(value_type: type, spec: OptionSpec) -> Callable[[str], Any]:
    return partial(_parse_number, value_type, spec) if value_type in {int, float} else value_type


def _parse_number(number_type: type[int] | type[float], spec: OptionSpec, text: str) -> float:
    try:
        value = number_type(text)
    except ValueError:
        value = math.nan
    if not (spec.above < value < spec.below and value <= spec.maximum):
        message = f"expected {_describe_range(number_type, spec)}, got {text}"
        raise ArgumentTypeError(message)
    return value


def _describe_range(number_type: type[int] | type[float], spec: OptionSpec) -> str:
    if number_type is int:
        return "a positive integer"
    limits = (("above", spec.above), ("below", spec.below), ("up to", spec.maximum))
    bounds = [f"{word} {bound:g}" for word, bound in limits if math.isfinite(bound)]
    return f"a number {' and '.join(bounds)}"
