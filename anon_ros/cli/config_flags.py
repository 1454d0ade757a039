"""Command-line flags of the parameters, derived from their declarations."""

from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

from anon_ros.config import Config, Parameter, ParameterValue, all_parameters, load_config

_ELEMENT_TYPES = {"int": int, "float": float}


def add_config_flags(
    parser: ArgumentParser, groups: tuple[str, ...], without: tuple[str, ...] = ()
) -> None:
    """Add ``--config`` and one flag for each parameter of ``groups``.

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
        help="ROS parameter file to start from (anon_ros config dump writes one), or one of "
        "config/profiles; may be repeated, later ones win",
    )
    for group in groups:
        section = parser.add_argument_group(f"{group} parameters")
        for parameter in all_parameters().values():
            is_of_it = f"{parameter.name}.".startswith(f"{group}.")
            if is_of_it and parameter.name not in without:
                _add(section, parameter)


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
    flags = {name: value for name, value in vars(arguments).items() if name in all_parameters()}
    return load_config(arguments.config, {**(inherited or {}), **flags})


def _add(section: object, parameter: Parameter) -> None:
    is_list = isinstance(parameter.default, tuple)
    text = (
        " ".join(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
    )
    allowed = f" [{parameter.allowed_text}]" if parameter.allowed_text else ""
    help_text = f"{parameter.spec.help}{allowed} (default: {text})".replace("%", "%%")
    section.add_argument(  # type: ignore[attr-defined]  # argparse's group class is private
        f"--{parameter.name}",
        dest=parameter.name,
        type=_ELEMENT_TYPES.get(parameter.type_name, str),
        nargs="+" if is_list else None,
        default=SUPPRESS,
        metavar=parameter.type_name.split()[-1].upper(),
        help=help_text,
    )
