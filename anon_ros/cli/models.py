"""``anon_ros models``: list the required models."""

from argparse import ArgumentParser, Namespace

from anon_ros.cli.config_flags import add_config_flags, parse_config
from anon_ros.config import Config
from anon_ros.models import (
    RequiredModel,
    evaluation_models,
    hash_model,
    required_models,
    shipped_model,
)

_BYTES_PER_MIB = 2**20
_DESCRIPTION = """\
List the models that the parameters require: license, and path or download command. Exit code: 0 if
all are there, 1 if a model is missing.
"""
_EXAMPLES = """\
examples:
  anon_ros models
  anon_ros models --config mine.yaml
  anon_ros models --profile street
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the parameters that name models."""
    parser.usage = "anon_ros models [options]"
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    add_config_flags(parser, ("detect", "inpaint", "compute"))
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """List the models; return 1 if a required model is missing, else 0.

    Raises:
        ConfigError: if a parameter is not allowed.
    """
    return run_models(parse_config(arguments))


def run_models(config: Config) -> int:
    """List the models that ``config`` requires; return 1 if a model is missing, else 0."""
    models = required_models(config)
    print("\n\n".join(map(_format_model, models)))
    if config.inpaint.method != "sdxl":
        print(f"\ninpaint.method = {config.inpaint.method} needs no model")
    print("\nshipped with anon_ros, drawn with only where it is named (profile street):\n")
    print(_format_shipped(shipped_model()))
    print("\nfor anon_ros evaluate quality, which goes without:\n")
    print("\n\n".join(map(_format_model, evaluation_models())))
    return 1 if any(model.path is None for model in models) else 0


def _format_shipped(model: RequiredModel) -> str:
    text = _format_model(model)
    return text if model.path is None else f"{text}\n  SHA-256: {hash_model(model.path)}"


def _format_model(model: RequiredModel) -> str:
    lines = [f"{model.parameter}: {model.name}", f"  license: {model.license}"]
    if model.path is not None:
        lines.append(
            f"  path:    {model.path.absolute()} ({model.size_bytes / _BYTES_PER_MIB:.0f} MiB)"
        )
    else:
        lines.append(f"  missing: {model.problem.removeprefix(f'{model.parameter}: ')}")
    return "\n".join(lines)
