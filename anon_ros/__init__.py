"""Anonymizes persons in camera images: live on ROS 2 topics, in image files and in recordings.

>>> from anon_ros import build_anonymizer, load_config
>>> anonymizer = build_anonymizer(load_config(overrides={"inpaint.method": "fill"}))
>>> result = anonymizer.anonymize(image_rgb, seed=0)  # .image .detections .replaced_mask .outcomes
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anon_ros.config import load_config
    from anon_ros.models import build_anonymizer

__all__ = ["build_anonymizer", "load_config"]


def __getattr__(name: str) -> Any:
    # On first use: a command line that only prints its help must not wait for OpenCV.
    if name == "load_config":
        from anon_ros.config import load_config  # noqa: PLC0415

        return load_config
    if name == "build_anonymizer":
        from anon_ros.models import build_anonymizer  # noqa: PLC0415

        return build_anonymizer
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
