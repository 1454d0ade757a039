"""Parameters of what is detected, covered and followed."""

from dataclasses import dataclass

from anon_ros.config.parameter_spec import param
from anon_ros.config.sections.targets import PRESETS


@dataclass(frozen=True)
class DetectionConfig:
    """Detection of persons (YOLOv8 instance segmentation, or RF-DETR)."""

    weights: tuple[str, ...] = param(
        ("yolov8x-seg.pt",),
        "Path of Ultralytics weights, of which detect-only ones work too, with the whole box as "
        "mask; or directory, or hub id in the cache, of an RF-DETR-Seg model of transformers. Of "
        "several, each class is searched for with all that have it, and what any of them finds "
        "counts; each costs a run per frame.",
        required=True,
        start_only=True,
        accepts_string=True,
    )
    backend: str = param(
        "auto",
        "Library of the detector: ultralytics (AGPL-3.0) for a .pt file, rfdetr (Apache-2.0) for a "
        "directory; auto goes by each of the weights.",
        choices=("auto", "ultralytics", "rfdetr"),
    )
    classes: tuple[str, ...] = param(
        ("person",),
        "Names of the weights' classes that count as a person.",
        required=True,
        start_only=True,
    )
    confidence: float = param(
        0.1,
        "Min score of a detection that is anonymized. A low value detects more persons, and more "
        "things that are none; a missed person is published.",
        minimum=0.001,
        maximum=1,
        reconfigurable=True,
        weaker="higher",
    )
    nms_iou: float = param(
        0.7,
        "IoU of non-maximum suppression: boxes that overlap by more than this count as a single "
        "person, unless the mask with the lower score shows pixels that no other does.",
        minimum=0.5,
        maximum=1,
        reconfigurable=True,
        weaker="lower",
    )
    inference_px: int = param(
        640,
        "Longer side of the network's input; a larger value detects smaller persons and costs "
        "more. Rounded up to a multiple of 32; with RF-DETR to one of its windows, for a square.",
        unit="px",
        minimum=32,
        maximum=8192,
        reconfigurable=True,
        weaker="lower",
    )
    tiles: str = param(
        "auto",
        "Search large images in overlapping tiles, too, and in the whole: columns x rows of "
        "tiles, none, or as many as show the image at its own resolution, once its longer side "
        "exceeds three times inference_px. Each tile costs as much as a small image.",
        choices=("auto", "off"),
        pattern=r"[1-9]\d?x[1-9]\d?",
        example="4x2",
        reconfigurable=True,
        weak_choices=("off",),
    )
    max_persons: int = param(
        300,
        "Max persons in a frame; a frame that reaches it fails.",
        minimum=1,
        maximum=10_000,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class MaskConfig:
    """Growth of an instance mask to the mask of the replaced pixels."""

    dilate_ratio: float = param(
        0.05,
        "The mask grows by this ratio of the person's size (the geometric mean of the mask's width "
        "and height), by 2 px or more, to include hair, outlines and errors of the segmenter.",
        minimum=0,
        maximum=1,
        reconfigurable=True,
        weaker="lower",
    )
    join: tuple[str, ...] = param(
        (),
        "Names of the weights' classes that are joined to the person whom they touch, such as "
        "backpack, handbag, suitcase, umbrella and bicycle: replaced with them. What touches "
        "nobody stays. Costs another run of the detector.",
        start_only=True,
        weaker="fewer",
    )
    feather_ratio: float = param(
        0.015,
        "Width of the soft edge outside the grown mask, as a ratio of the person's size. It "
        "blends outward only, and never onto another person.",
        minimum=0,
        maximum=1,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class RegionsConfig:
    """Parts of the image that are treated alike in all frames."""

    always: tuple[str, ...] = param(
        (),
        "Regions that are covered with the fill in every frame, such as a driver's window or a "
        "mirroring bonnet. A polygon is its corners x,y in ratios of width and height, from 0,0 "
        '(left, top) to 1,1: "0,0.8 1,0.8 1,1 0,1". Or the path of a PNG as large as the image, '
        "black outside the region.",
        start_only=True,
        weaker="fewer",
    )
    never: tuple[str, ...] = param(
        (),
        "Regions, as above, in which nobody is looked for, such as the robot's own arm. A "
        "detection is ignored only if all of its mask lies inside: who reaches out of the region "
        "is replaced, also inside it. A person who lies wholly inside is published.",
        start_only=True,
        weaker="more",
    )


@dataclass(frozen=True)
class TargetsConfig:
    """Choice of what is replaced beside persons."""

    preset: str = param(
        "person",
        "person: persons alone. The others also cover targets of the weights' classes "
        "license_plate; car, motorcycle, bus, train and truck; or face, with the fill. "
        "targets.NAME.* changes them, such as to action inpaint, or adds more.",
        choices=tuple(PRESETS),
        start_only=True,
        weak_choices=("person",),
    )


@dataclass(frozen=True)
class TrackingConfig:
    """Association of detections over time into tracks (ByteTrack)."""

    backend: str = param(
        "auto",
        "Tracker: ultralytics is Ultralytics' ByteTrack; builtin works in the same two rounds "
        "without Ultralytics; auto takes ultralytics if it is installed.",
        choices=("auto", "ultralytics", "builtin"),
    )
    low_confidence: float = param(
        0.1,
        "Min score of a detection that continues an existing track; above detect.confidence it "
        "has no effect.",
        minimum=0.001,
        maximum=1,
        reconfigurable=True,
        weaker="higher",
    )


@dataclass(frozen=True)
class MaskMemoryConfig:
    """Covers for tracked persons in frames in which they were not detected."""

    mode: str = param(
        "both",
        "off: no memory. past: a tracked person who is not detected stays covered, and the cover "
        "moves on (live). both: also cover the frames before a detection (recordings only; the "
        "node uses past). Before the first and after the last detection of a person, three "
        "detections are needed, one of them with detect.confidence + 0.1.",
        choices=("off", "past", "both"),
        reconfigurable=True,
        weak_choices=("off",),
    )
    duration_s: float = param(
        1.0,
        "Max time from a detection for which the person's mask is propagated, in either direction.",
        unit="s",
        minimum=0.01,
        maximum=10,
        reconfigurable=True,
        weaker="lower",
    )
    growth_ratio: float = param(
        0.2,
        "Growth of a propagated mask per second, as a ratio of the person's size; before the "
        "first and after the last detection of a person a quarter of it. It grows by that size at "
        "most.",
        unit="1/s",
        minimum=0,
        maximum=10,
        reconfigurable=True,
        weaker="lower",
    )


@dataclass(frozen=True)
class IdentityConfig:
    """Reuse of a synthetic person from frame to frame."""

    reuse: str = param(
        "noise",
        "noise: one seed and a stable crop per track, so that the noise moves with the person. "
        "previous: the diffusion also starts from the synthetic person of the frame before, warped "
        "by optical flow, and so with less of the original. off: nothing is reused.",
        choices=("noise", "previous", "off"),
        reconfigurable=True,
    )
    keyframe_s: float = param(
        2.0,
        "With reuse = previous or skip.on_skipped = reuse: re-generate a reused synthetic person "
        "from the original after this time, because warping drifts.",
        unit="s",
        minimum=0.01,
        maximum=3600,
        reconfigurable=True,
    )
