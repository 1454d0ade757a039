"""The method itself, on arrays: numpy and OpenCV only; no threads, clock, files, torch or ROS."""

from anon_ros.core.anonymizer import MOVED, Anonymizer, Covered, person_seed, strangers
from anon_ros.core.cover import cover, smooth
from anon_ros.core.crops import cut
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
    Persons,
    Refusal,
    RgbImage,
    Roi,
    without_numbers,
)

__all__ = [
    "MOVED",
    "Anonymized",
    "Anonymizer",
    "Covered",
    "Crop",
    "Detections",
    "Inpainter",
    "Mask",
    "Outcome",
    "OutcomeKind",
    "Persons",
    "Refusal",
    "Region",
    "RgbImage",
    "Roi",
    "Segmenter",
    "SkipPolicy",
    "cover",
    "cut",
    "person_region",
    "person_seed",
    "smooth",
    "strangers",
    "without_numbers",
]
