"""Topic names and patterns."""

import re
from functools import cache


def resolve_prefix(prefix: str, namespace: str = "/") -> str:
    """Return a prefix as an absolute namespace; a relative one lies in that of the node."""
    parent = "" if prefix.startswith("/") else namespace.rstrip("/")
    return f"{parent}/{prefix.strip('/')}"


def mirrored_topic(topic: str, prefix: str, namespace: str = "/") -> str:
    """Return the topic on which the anonymized ``topic`` (fully qualified) is published.

    A prefix, not a suffix: image_transport derives the camera_info topic from all but the last
    part of an image topic's name. Below a relative prefix the topics of the node's namespace are
    named as in it: ``/car/cam/image`` becomes ``/car/anon/cam/image``.

    Args:
        topic: fully qualified.
        prefix: absolute, or relative to the namespace.
        namespace: of the node.
    """
    inside = "" if prefix.startswith("/") else f"{namespace.rstrip('/')}/"
    return f"{resolve_prefix(prefix, namespace)}/{topic.removeprefix(inside).lstrip('/')}"


def is_topic_pattern(name: str) -> bool:
    """Return True if a configured name stands for several topics or nodes."""
    return "*" in name or "?" in name


def topic_matches(name: str, pattern: str) -> bool:
    """Return True if a fully qualified name matches a pattern.

    In the pattern ? is a character, * a part of the name or less, ** anything.
    """
    return _compile_pattern(pattern).fullmatch(name) is not None


def topic_regex(pattern: str) -> str:
    """Return a pattern as a regular expression, for Python and for ECMAScript."""
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*|\*|\?)", pattern)
    return "".join(parts.get(token) or re.escape(token) for token in tokens)


@cache
def _compile_pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(topic_regex(pattern))
