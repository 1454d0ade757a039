"""``anon_ros config``: print or check parameters."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from anon_ros.cli.config_flags import add_node_flag
from anon_ros.config import (
    Config,
    all_parameters,
    dump_markdown,
    dump_yaml,
    get_value,
    list_section_parameters,
    load_config,
)

_EXAMPLES = """\
examples:
  anon_ros config dump > mine.yaml
  anon_ros config check mine.yaml
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add an action for each output."""
    parser.usage = "anon_ros config ACTION"
    parser.epilog = _EXAMPLES
    actions = parser.add_subparsers(
        title="actions", required=True, metavar="ACTION", prog="anon_ros config"
    )
    dump = actions.add_parser("dump", help="print all parameters as a commented YAML file")
    dump.set_defaults(run=_print_yaml)
    check = actions.add_parser("check", help="check a parameter file")
    check.add_argument("file", type=Path, metavar="FILE")
    add_node_flag(check)
    check.set_defaults(run=_check_file)
    docs = actions.add_parser("docs", help="print all parameters as a Markdown table")
    docs.set_defaults(run=_print_markdown)


def _print_yaml(_: Namespace) -> int:
    print(dump_yaml(Config()), end="")
    return 0


def _check_file(arguments: Namespace) -> int:
    config = load_config(arguments.file, node=arguments.node)
    changed = [name for name, p in all_parameters().items() if get_value(config, name) != p.default]
    changed += list_section_parameters(config)
    print(f"{arguments.file}: ok; not default: {', '.join(changed) or 'nothing'}")
    return 0


def _print_markdown(_: Namespace) -> int:
    print(dump_markdown(), end="")
    return 0
