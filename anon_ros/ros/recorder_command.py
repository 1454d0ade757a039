"""Command line of a recorder of mirrored topics that records no original; needs no launch."""

import os
import re
import shlex
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from anon_ros.config import is_topic_pattern, topic_matches, topic_regex
from anon_ros.errors import ConfigError

_SELECTORS = ("--all", "--regex", "--topics", "--topic-types", "--exclude", "--output")
_SHORT_SELECTORS = ("-a", "-e", "-x", "-o")


def make_recorder_command(
    bag: Path,
    prefixes: Sequence[str],
    images: Sequence[str],
    topics: Sequence[str],
    options: Sequence[str],
) -> list[str]:
    """Return the command that records all mirrored topics, also of cameras that appear later.

    Args:
        bag: that does not exist yet.
        prefixes: absolute, of mirrored topics.
        images: absolute names or patterns of the topics to anonymize. These, their transports and
            the raw image beside a compressed one are not recorded, whatever ``topics`` match.
        topics: absolute names or patterns of other topics to record.
        options: further ones for the recorder.

    Raises:
        ConfigError: if a topic is an original, an original is below the prefix, or an option
            chooses topics or the bag.
    """
    families = "|".join(topic_regex(image.removesuffix("/compressed")) for image in images)
    originals = f"(?:{families})(?:/.*)?"
    for name in topics:
        matched = [i for i in images if topic_matches(i.removesuffix("/compressed"), name)]
        if (matched and not is_topic_pattern(matched[0])) or re.fullmatch(originals, name):
            message = f"argument record_topics: {name} would record originals, which show persons"
            raise ConfigError(message)
    _check_options(options, originals)
    for prefix in prefixes:
        _check_prefix(f"{prefix}/", images)
    chosen = [f"{topic_regex(prefix)}/.*" for prefix in prefixes]
    if topics:
        chosen.append(f"(?!{originals}$)(?:{'|'.join(map(topic_regex, topics))})")
    pattern = f"^(?:{'|'.join(chosen)})$"
    return ["ros2", "bag", "record", *options, "-o", str(bag), "-e", pattern]


def split_options(text: str) -> list[str]:
    """Return the words of a command line.

    Raises:
        ConfigError: if a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        message = f"argument record_args: {text}: {error}"
        raise ConfigError(message) from error


def choose_bag(path: Path) -> Path:
    """Return the absolute path, with the first free number behind it if it is there already.

    Raises:
        ConfigError: if nothing can be written there.
    """
    path = path.expanduser().absolute()
    names = (f"{path.name}_{number}" if number > 1 else path.name for number in count(1))
    chosen = next(
        path.with_name(name) for name in names if not os.path.lexists(path.with_name(name))
    )
    above = next(folder for folder in path.parents if os.path.lexists(folder))
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        message = f"argument record: nothing can be written to {above}"
        raise ConfigError(message)
    return chosen


def _check_prefix(below: str, images: Sequence[str]) -> None:
    """Check that no original is below the prefix, as far as its name goes without wildcards.

    Raises:
        ConfigError: if one is.
    """
    for image in images:
        if re.split(r"[*?]", image)[0].startswith(below):
            message = (
                f"parameter topics.prefix: {below} is above {image}, whose original would be "
                "recorded as if it were anonymized"
            )
            raise ConfigError(message)


def _check_options(options: Sequence[str], originals: str) -> None:
    """Check that options leave the choice of topics and of the bag to this module.

    Raises:
        ConfigError: if they do not.
    """
    for index, word in enumerate(options):
        name = word.partition("=")[0]
        selects = name.startswith(_SHORT_SELECTORS) or any(
            selector.startswith(name) or name.startswith(f"{selector}-") for selector in _SELECTORS
        )
        is_topic = (index == 0 and not word.startswith("-")) or re.fullmatch(originals, word)
        if (word.startswith("-") and selects) or is_topic:
            message = (
                f"argument record_args: {word} is not allowed: record and record_topics choose the "
                "bag and its topics"
            )
            raise ConfigError(message)
