"""The method itself, on arrays: numpy and OpenCV only; no threads, clock, files, torch or ROS."""

from anon_ros.core.anonymizer import Anonymizer, Covered, person_seed
from anon_ros.core.cover import cover, smooth
from anon_ros.core.masks import Region, person_region
from anon_ros.core.ports import Inpainter, Segmenter
from anon_ros.core.skip import SkipPolicy
from anon_ros.core.types import (
    Anonymized,
    Crop,
    Detections,
    Mask,
    Outcome,
    OutcomeKind,
    Refusal,
    RgbImage,
    Roi,
)

__all__ = [
    "Anonymized",
    "Anonymizer",
    "Covered",
    "Crop",
    "Detections",
    "Inpainter",
    "Mask",
    "Outcome",
    "OutcomeKind",
    "Refusal",
    "Region",
    "RgbImage",
    "Roi",
    "Segmenter",
    "SkipPolicy",
    "cover",
    "person_region",
    "person_seed",
    "smooth",
]
