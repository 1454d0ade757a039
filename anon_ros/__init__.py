"""Anonymization of persons in camera images: live on ROS 2 topics, in image files and recordings.

>>> from anon_ros import build_anonymizer, load_config
>>> anonymizer = build_anonymizer(load_config(overrides={"inpaint.method": "fill"}))
>>> result = anonymizer.anonymize(image_rgb, seed=0)  # .image .detections .replaced_mask .outcomes
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anon_ros.config import load_config
    from anon_ros.core import AnonymizedFrame, Detections
    from anon_ros.models import build_anonymizer

__all__ = ["AnonymizedFrame", "Detections", "build_anonymizer", "load_config"]

_HOMES = {
    "AnonymizedFrame": "anon_ros.core",
    "Detections": "anon_ros.core",
    "build_anonymizer": "anon_ros.models",
    "load_config": "anon_ros.config",
}


def __getattr__(name: str) -> Any:
    # On first use: a command line that only prints its help must not wait for OpenCV.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
