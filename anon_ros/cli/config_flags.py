"""Command-line flags of the parameters, derived from their declarations."""

import logging
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from anon_ros.config import (
    RENAMED_PARAMETERS,
    Config,
    Parameter,
    ParameterValue,
    all_parameters,
    find_profile,
    load_config,
    merge_cameras,
    rename_deprecated,
)
from anon_ros.errors import ConfigError

_LOG = logging.getLogger(__name__)
_SWITCHES = {"on": True, "true": True, "off": False, "false": False}


def add_config_flags(
    parser: ArgumentParser, groups: tuple[str, ...], without: tuple[str, ...] = ()
) -> None:
    """Add ``--config``, ``--profile`` and one flag for each parameter of ``groups``.

    Args:
        parser: to add to.
        groups: names of groups, or of single parameters in them ("skip.every_nth").
        without: parameters of them that are not offered.
    """
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="ROS parameter file to start from (anon_ros config dump writes one); may be "
        "repeated, later ones win",
    )
    parser.add_argument(
        "--profile",
        dest="config",
        type=_parse_profile,
        action="append",
        default=[],
        metavar="NAME",
        help="shipped parameter file: paper, quality, balanced, fast, small, or street, which "
        "needs no diffusion model but the shipped generator; among --config files in the order "
        "given",
    )
    add_node_flag(parser)
    for group in groups:
        section = parser.add_argument_group(f"{group} parameters")
        for parameter in all_parameters().values():
            is_in_group = f"{parameter.name}.".startswith(f"{group}.")
            if is_in_group and parameter.name not in without:
                _add_flag(section, parameter)


def add_node_flag(parser: ArgumentParser) -> None:
    """Add ``--node``, which chooses among the sections of parameter files."""
    parser.add_argument(
        "--node",
        default="",
        metavar="NAME",
        help="full name of the node whose sections of the parameter files count, as "
        "/front/anonymizer (default: those that are for anonymizer, without a namespace or "
        "with any)",
    )


def parse_config(
    arguments: Namespace, inherited: Mapping[str, ParameterValue] | None = None
) -> Config:
    """Return the configuration that the flags ask for.

    Args:
        arguments: the parsed flags.
        inherited: values of parameters over which flags win.

    Raises:
        ConfigError: if a value is not allowed.
    """
    flags = collect_parameters(arguments)
    config = load_config(arguments.config, {**(inherited or {}), **flags}, arguments.node)
    if config.cameras:
        _LOG.warning(
            "sections of single cameras are for the node: here all images get the lowest "
            "detect.confidence of them, and only regions stay a camera's own"
        )
    return merge_cameras(config)


def collect_parameters(arguments: Namespace) -> dict[str, object]:
    """Return the parameters that were given as flags, under their current names.

    Raises:
        ConfigError: if a parameter was given under its former and its current name.
    """
    names = {*all_parameters(), *RENAMED_PARAMETERS}
    return rename_deprecated(
        {name: value for name, value in vars(arguments).items() if name in names}
    )


def _parse_bool(text: str) -> bool:
    if text.lower() not in _SWITCHES:
        message = f"expected {', '.join(_SWITCHES)}, got {text}"
        raise ArgumentTypeError(message)
    return _SWITCHES[text.lower()]


_ELEMENT_TYPES: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "bool": _parse_bool}


def _parse_profile(name: str) -> Path:
    try:
        return find_profile(name)
    except ConfigError as error:
        raise ArgumentTypeError(str(error)) from error


def _add_flag(section: object, parameter: Parameter) -> None:
    is_list = isinstance(parameter.default, tuple)
    text = (
        " ".join(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    )
    allowed = f" [{parameter.allowed_text}]" if parameter.allowed_text else ""
    help_text = f"{parameter.spec.help}{allowed} (default: {text})".replace("%", "%%")
    former = [old for old, current in RENAMED_PARAMETERS.items() if current == parameter.name]
    for name in (parameter.name, *former):
        section.add_argument(  # type: ignore[attr-defined]  # argparse's group class is private
            f"--{name}",
            dest=name,
            type=_ELEMENT_TYPES.get(parameter.type_name, str),
            # With nargs the weights would take the words after them, too.
            action="append" if parameter.spec.accepts_string else "store",
            **({"nargs": "+"} if is_list and not parameter.spec.accepts_string else {}),
            default=SUPPRESS,
            metavar=parameter.type_name.split()[-1].upper(),
            help=help_text if name == parameter.name else SUPPRESS,
        )
