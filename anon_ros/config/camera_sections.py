"""Sections of parameters for single cameras: ``cameras.<name>.*``."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.topic_names import topic_matches

IMAGES = "images"
IMAGES_SPEC = ParameterSpec(
    "Image topics, by full name or pattern, that the section is for. Without it those with the "
    "section's name among the parts before the last.",
    required=True,
)
REGION_PARAMETERS = ("regions.always", "regions.never")
CAMERA_PARAMETERS = (
    "topics.prefix",
    "skip.every_nth",
    "skip.max_rate_hz",
    "skip.max_age_s",
    "detect.confidence",
    *REGION_PARAMETERS,
)
"""The parameters that a section may set in place of the global ones."""

_NAME = re.compile(r"cameras\.([A-Za-z_]\w*)\.(.+)", re.ASCII)


@dataclass(frozen=True)
class CameraSection:
    """Parameters of one camera.

    Attributes:
        name: of the section.
        values: by name of the global parameter, or ``IMAGES``; sorted.
    """

    name: str
    values: tuple[tuple[str, ParameterValue], ...] = ()

    def is_for(self, topic: str) -> bool:
        """Return True if the section is for an image topic (fully qualified)."""
        patterns = dict(self.values).get(IMAGES) or (f"**/{self.name}/**",)
        return isinstance(patterns, tuple) and any(topic_matches(topic, p) for p in patterns)

    def only(self, keys: Collection[str]) -> "CameraSection":
        """Return a copy without other values than those of ``keys``."""
        return replace(self, values=tuple(pair for pair in self.values if pair[0] in keys))

    def with_value(self, key: str, value: ParameterValue) -> "CameraSection":
        """Return a copy with another value."""
        return replace(self, values=tuple(sorted((dict(self.values) | {key: value}).items())))


def split_camera_parameter(name: str) -> tuple[str, str] | None:
    """Return section and key of ``cameras.<section>.<key>``; None for another parameter."""
    match = _NAME.fullmatch(name)
    return None if match is None else (match[1], match[2])


def join_camera_parameter(section: str, key: str) -> str:
    """Return the name of a section's parameter."""
    return f"cameras.{section}.{key}"
