"""The method itself, on arrays: NumPy and OpenCV only; no clock, files, torch or ROS."""

from anon_ros.core.anonymizer import Anonymizer, CoveredFrame, derive_seed, untracked_persons
from anon_ros.core.cover import cover_regions, fill_from_surroundings
from anon_ros.core.crops import crop_image, make_crop_mask
from anon_ros.core.fixed_regions import FixedRegions, MaskImage, Polygon
from anon_ros.core.masks import PersonRegion, complete_mask, erode, make_region, make_regions
from anon_ros.core.protocols import BatchSegmenter, Inpainter, Segmenter
from anon_ros.core.roi import Roi
from anon_ros.core.skip_policy import SkipPolicy
from anon_ros.core.targets import Target
from anon_ros.core.types import (
    TARGET_STRIDE,
    AnonymizedFrame,
    CoverReason,
    Crop,
    Detections,
    FramePersons,
    InpaintFailure,
    Mask,
    Outcome,
    OutcomeKind,
    RgbImage,
    Tier,
    concatenate_detections,
)

__all__ = [
    "TARGET_STRIDE",
    "AnonymizedFrame",
    "Anonymizer",
    "BatchSegmenter",
    "CoverReason",
    "CoveredFrame",
    "Crop",
    "Detections",
    "FixedRegions",
    "FramePersons",
    "InpaintFailure",
    "Inpainter",
    "Mask",
    "MaskImage",
    "Outcome",
    "OutcomeKind",
    "PersonRegion",
    "Polygon",
    "RgbImage",
    "Roi",
    "Segmenter",
    "SkipPolicy",
    "Target",
    "Tier",
    "complete_mask",
    "concatenate_detections",
    "cover_regions",
    "crop_image",
    "derive_seed",
    "erode",
    "fill_from_surroundings",
    "make_crop_mask",
    "make_region",
    "make_regions",
    "untracked_persons",
]
