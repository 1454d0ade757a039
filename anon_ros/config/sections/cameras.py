"""Sections of parameters for single cameras: ``cameras.<name>.*``."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from anon_ros.config.parameter_spec import ParameterSpec
from anon_ros.config.sections.section import Section
from anon_ros.config.topic_names import topic_matches

CAMERAS = "cameras"
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


@dataclass(frozen=True)
class CameraSection(Section):
    """Parameters of one camera, by name of the global parameter, or ``IMAGES``."""

    def is_for(self, topic: str) -> bool:
        """Return True if the section is for an image topic (fully qualified)."""
        patterns = dict(self.values).get(IMAGES) or (f"**/{self.name}/**",)
        return isinstance(patterns, tuple) and any(topic_matches(topic, p) for p in patterns)

    def only(self, keys: Collection[str]) -> "CameraSection":
        """Return a copy without other values than those of ``keys``."""
        return replace(self, values=tuple(pair for pair in self.values if pair[0] in keys))
