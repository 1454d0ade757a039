"""Every error that anon_ros raises on purpose.

Each message names the value that was wrong and what to do about it, so that a command line can
print it as one line and a node can log it as it is.
"""

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class AnonRosError(Exception):
    """Base of all errors that a user, not a developer, can mend."""


class ConfigError(AnonRosError):
    """A parameter has an unknown name, a wrong type or a value out of range."""


class ImageFormatError(AnonRosError):
    """An image cannot be decoded: unsupported encoding, too little data, or damaged."""


class ModelError(AnonRosError):
    """Weights are missing or do not fit, or a model cannot run as configured."""


class SegmentationError(AnonRosError):
    """The persons of a frame could not be found, so the frame must not be published."""


class InputError(AnonRosError):
    """An image, folder or other input file is missing, or cannot be used as it was asked for."""


class LabelError(AnonRosError):
    """Labels, or a labelled dataset, cannot be read."""


class ReportError(AnonRosError):
    """A report, or a cache beside it, cannot be written where it was asked for."""


class BagError(AnonRosError):
    """A recording cannot be read, planned or written as it was asked for."""


class BagDamageError(BagError):
    """A recording is damaged at a place that the message names."""


def format_error(error: BaseException) -> str:
    """``error`` as one short line: its own message if it is one of ours, else with its type."""
    first_line = next(iter(str(error).splitlines()), "")
    if isinstance(error, AnonRosError):
        return first_line
    return f"{type(error).__name__}: {first_line}".removesuffix(": ")


def drop_traceback(error: E) -> E:
    """``error`` without the calls that led to it, which hold the images that they worked on.

    An error that is kept by one of these calls would be a cycle, and Python's collector comes for
    cycles after so many objects, however large they are.
    """
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error
