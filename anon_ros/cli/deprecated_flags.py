"""Old names of flags, accepted for one release."""

import logging
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

_LOG = logging.getLogger(__name__)


class _DeprecatedFlag(Action):
    """An old flag that warns, and then does what the new one does."""

    def __init__(self, option_strings: Sequence[str], dest: str, new_action: Action) -> None:
        del dest  # the value belongs to the new flag
        value_type: Any = new_action.type
        super().__init__(
            option_strings,
            new_action.dest,
            nargs=new_action.nargs,
            default=SUPPRESS,
            type=value_type,
            choices=new_action.choices,
            help=SUPPRESS,
        )
        self._new_action = new_action

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        new_name = self._new_action.option_strings[-1]
        _LOG.warning("%s is deprecated, use %s", option_string, new_name)
        self._new_action.required = False  # argparse would miss the new flag
        self._new_action(parser, namespace, values, new_name)


def add_deprecated_flag(parser: ArgumentParser, old_name: str, new_action: Action) -> None:
    """Accept an old flag, which the help does not show, with a warning that names the new one.

    Args:
        parser: of the command.
        old_name: with its dashes.
        new_action: returned by ``add_argument`` for the new flag.
    """
    parser.add_argument(old_name, action=_DeprecatedFlag, new_action=new_action)
