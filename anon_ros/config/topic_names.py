"""Topic names and patterns."""

import re
from functools import cache


def mirrored_topic(topic: str, prefix: str) -> str:
    """Return the topic on which the anonymized ``topic`` (fully qualified) is published.

    A prefix, not a suffix: image_transport derives the camera_info topic from all but the last
    part of an image topic's name.
    """
    return f"/{prefix.strip('/')}/{topic.lstrip('/')}"


def resolve_prefix(prefix: str, namespace: str) -> str:
    """Return a prefix as an absolute one; without a leading slash it is below ``namespace``."""
    return prefix if prefix.startswith("/") else f"{namespace.rstrip('/')}/{prefix}"


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
