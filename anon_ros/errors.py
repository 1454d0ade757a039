"""Errors that anon_ros raises on purpose.

Their messages name the wrong value and the remedy, in one line that a command can print and a node
can log.
"""

import sys
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class AnonRosError(Exception):
    """Base of all errors that a user, not a developer, can fix."""


class ConfigError(AnonRosError):
    """Parameter with an unknown name, a wrong type or a value out of range."""


class ImageFormatError(AnonRosError):
    """Image that cannot be decoded: unsupported encoding, too little data, or damage."""


class UnsupportedFormatError(ImageFormatError):
    """Image of a kind that is never anonymized, however intact: depth, numbers, video."""


class TextLengthError(ImageFormatError):
    """Text of a message that is so long that a picture may hide in it."""


class ModelError(AnonRosError):
    """Weights that are missing or do not fit, or a model that cannot run as configured."""


class SegmentationError(AnonRosError):
    """Failure to segment the persons of a frame, which must not be published then."""


class InputError(AnonRosError):
    """Input image, folder or file that is missing or cannot be used."""


class LabelError(AnonRosError):
    """Labels or labelled dataset that cannot be read."""


class ReportError(AnonRosError):
    """Report, or a cache beside it, that cannot be written."""


class BagError(AnonRosError):
    """Recording that cannot be read, planned or written as requested."""


class BagDamageError(BagError):
    """Damage in a recording, at a place that the message names."""


class SizeLimitError(AnonRosError, ValueError):
    """Data that are larger than allowed, or declare to be."""


def format_error(error: BaseException) -> str:
    """Return ``error`` as a short line: the message, preceded by the type unless it is ours."""
    if isinstance(error, ModuleNotFoundError):
        package = str(error.name).partition(".")[0]
        return (
            f"the Python package {package} is not installed in {sys.prefix}; activate the "
            "virtual environment that has it (docs/install.md)"
        )
    first_line = next(iter(str(error).splitlines()), "")
    if isinstance(error, AnonRosError):
        return first_line
    return f"{type(error).__name__}: {first_line}".removesuffix(": ")


def drop_traceback(error: E) -> E:
    """Remove the traceback of ``error`` and of its causes, and return it.

    The frames of a traceback hold the images that they worked on. If such a frame also holds the
    error, they form a cycle, and Python's collector counts objects, not bytes, before it runs.
    """
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
