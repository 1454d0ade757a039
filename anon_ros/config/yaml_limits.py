"""Limits of YAML from outside, checked before anything is built from it.

A few lines can describe a document that fills the memory: aliases to nodes that hold aliases, or
merge keys over lists of them. Deep nesting ends each parser in its own way.
"""

import re
from collections.abc import Iterator

import yaml

_MAX_DEPTH = 50
_MERGE_KEY = "<<"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_yaml(text: str) -> None:
    """Check that a document is no larger in memory than its text suggests.

    Raises:
        ValueError: if it is no YAML, is nested too deeply, or has a merge key, or an alias to a
            node that holds aliases; ROS's own parser takes none of the last two.
    """
    anchors: list[str | None] = []  # of the nodes that are open
    holders: set[str] = set()
    for event in _parse_events(text):
        if isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor)
            if len(anchors) > _MAX_DEPTH:
                message = f"it is nested more than {_MAX_DEPTH} times"
                raise ValueError(message)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchors.pop()
        elif isinstance(event, yaml.AliasEvent):
            holders.update(filter(None, anchors))
            if event.anchor in holders:
                message = f"the alias {event.anchor} leads to a node that holds aliases"
                raise ValueError(message)
        elif isinstance(event, yaml.ScalarEvent) and event.value == _MERGE_KEY:
            message = f"it has a merge key ({_MERGE_KEY})"
            raise ValueError(message)


def _parse_events(text: str) -> Iterator[yaml.Event]:
    # The bytes of a file name that is no UTF-8, which the C parser refuses.
    text = _SURROGATE.sub(r"\\u0020", text)
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
