"""Names of topics, and patterns of them."""

import re
from functools import cache


def mirrored_topic(topic: str, prefix: str) -> str:
    """The topic on which the anonymized ``topic`` (fully qualified) is published.

    A prefix, not a suffix: image_transport derives the camera_info topic from all but the last
    part of an image topic's name.
    """
    return f"/{prefix.strip('/')}/{topic.lstrip('/')}"


def is_topic_pattern(name: str) -> bool:
    """Whether a name of the configuration stands for several topics or nodes."""
    return "*" in name or "?" in name


def topic_matches(name: str, pattern: str) -> bool:
    """Whether a fully qualified name fits: ? is a character, * a part or less, ** anything."""
    return _expression(pattern).fullmatch(name) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(token) or re.escape(token) for token in tokens))
