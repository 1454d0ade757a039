"""Options of the experiments: typed, with the help texts of the flags that are made of them.

An experiment takes one of these and a ``Config``. Whoever calls it from Python needs no command
line; ``anon_ros evaluate`` derives its flags, their choices and their defaults from here.
"""

from dataclasses import dataclass
from pathlib import Path

from anon_ros.config import all_parameters
from anon_ros.evaluation.option_spec import OptionSpec, option, required_option

PRODUCT_METHODS = all_parameters()["inpaint.method"].spec.choices
PAPER_METHODS = ("paper-blur", "paper-pixelate", "mask-out")
METHODS = (*PRODUCT_METHODS, *PAPER_METHODS)
DATASET_FORMATS = ("market1501", "last", "csv")
LABEL_NAMING_HELP = (
    "named as the images; for a video by a name that ends with the frame's number, for a bag as "
    "camera/image_raw/000012.txt: the topic and the image's number from 0, or its log time in ns"
)


def _declare_labels(purpose: str) -> Path | None:
    help_text = f"folder of outlines as YOLO segmentation text, {LABEL_NAMING_HELP}{purpose}"
    return option(None, OptionSpec(help_text, "DIR"))


def _declare_fps() -> float:
    help_text = "rate of the images in a folder, which have no times"
    return option(10.0, OptionSpec(help_text, "HZ", deprecated_flag="--rate-hz", above=0))


def _declare_period() -> float:
    help_text = (
        "of recordings: cut out each person once in so many seconds, and do not search for them "
        "within the same period"
    )
    return option(2.0, OptionSpec(help_text, "S", above=0))


def _declare_embedders() -> tuple[str, ...]:
    help_text = (
        "ONNX (.onnx, preferred) or TorchScript (.pt, which can write files: trust it as a "
        "program) network, its input's size behind @ (default: as the ONNX file says, or "
        "256x128); or ARCHITECTURE=CHECKPOINT.pth of torchreid, if that is installed. May be "
        "repeated. The embedder colours, which needs no file, is always used"
    )
    spec = OptionSpec(help_text, "[NAME=]PATH[@HxW]", ("--embedder",), is_repeated=True)
    return option((), spec)


def _declare_scenes(default: int) -> int:
    return option(default, OptionSpec("synthetic scenes for the paste order", "N", above=0))


@dataclass(frozen=True, kw_only=True)
class FrameSelection:
    """The frames to work on.

    Attributes:
        path: folder of images, video, or bag.
        topics: image topics of a bag; empty for all.
        stride: the first of every so many frames is taken.
        max_frames: 0 for all.
    """

    path: Path = required_option(
        OptionSpec(
            "original: folder of images, video, or recording (rosbag2 folder, .mcap, .db3, .bag)",
            "IN",
            is_positional=True,
        ),
    )
    topics: tuple[str, ...] = option(
        (), OptionSpec("of a recording these alone (default: all image topics)", "TOPIC")
    )
    stride: int = option(
        1,
        OptionSpec("take the first of every N frames", "N", deprecated_flag="--every-nth", above=0),
    )
    max_frames: int = option(
        0,
        OptionSpec("at most N frames (default: all)", "N", deprecated_flag="--limit", above=0),
    )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The anonymized frames to compare with: an existing version, or methods to run now.

    Attributes:
        anonymized: existing version of the input, of the same kind; None to run ``methods``.
        prefix: namespace that its topics have before those of the input.
        methods: of METHODS.
    """

    anonymized: Path | None = option(
        None,
        OptionSpec(
            "existing anonymized version of IN, of the same kind; else it is made now", "PATH"
        ),
    )
    prefix: str = option(
        "",
        OptionSpec(
            "what the topics of --anonymized have before those of IN, as /anon", "NAMESPACE"
        ),
    )
    methods: tuple[str, ...] = option(
        ("fill",),
        OptionSpec(
            f"ways to anonymize: {' '.join(METHODS)}; the last three are the baselines of the "
            "paper's code",
            "METHOD",
            deprecated_flag="--modes",
            choices=METHODS,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ImageNetworks:
    """Networks whose features describe images.

    Attributes:
        inception_weights: path; empty to look in the models folder.
        lpips_weights: path; empty to look in the models folder.
        features: "[NAME=]PATH[@HxW]" of more networks.
    """

    inception_weights: str = option(
        "",
        OptionSpec(
            "Inception-v3 of 2015 for FID, KID and IS (default: in the models folder)",
            "PATH",
            deprecated_flag="--inception",
        ),
    )
    lpips_weights: str = option(
        "",
        OptionSpec(
            "AlexNet of torchvision, for LPIPS (default: in the models folder)",
            "PATH",
            deprecated_flag="--lpips",
        ),
    )
    features: tuple[str, ...] = option(
        (),
        OptionSpec(
            "ONNX (.onnx, preferred) or TorchScript (.pt, which can write files: trust it as a "
            "program) network whose features are compared, too; may be repeated",
            "[NAME=]PATH[@HxW]",
            is_repeated=True,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Training of detectors on anonymized frames; none without ``train_from``."""

    train_from: str | None = option(
        None,
        OptionSpec(
            "train detectors from these Ultralytics weights for detection (.pt), or from random "
            "ones of this architecture (as yolov8n.yaml). DIR/train then holds ORIGINAL frames",
            "WEIGHTS",
            deprecated_flag="--train",
        ),
    )
    epochs: int = option(100, OptionSpec("passes over the frames", "N", above=0))
    train_seeds: int = option(
        1,
        OptionSpec(
            "trainings of each kind, with seeds 0, 1 ..",
            "N",
            deprecated_flag="--seeds",
            above=0,
        ),
    )
    train_batch: int = option(
        16, OptionSpec("frames per step", "N", deprecated_flag="--batch", above=0)
    )
    train_px: int | None = option(
        None,
        OptionSpec(
            "longer side of the frames for these detectors (default: detect.inference_px)",
            "PX",
            above=0,
        ),
    )
    train_fraction: float = option(
        0.7,
        OptionSpec(
            "of the labelled frames, the earliest; the last twentieth of them is left out, so "
            "that no tested frame nearly equals a training frame",
            "FRACTION",
            deprecated_flag="--train-share",
            above=0,
            below=1,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """Options of every experiment.

    Attributes:
        frames: the frames to work on.
        output: folder for the report, made if it is missing.
    """

    frames: FrameSelection
    output: Path = required_option(
        OptionSpec(
            "folder for one report, made if it is missing. It also holds what lets a run go on: "
            "vectors of original persons, and frames. Hand on report.html alone",
            "DIR",
            flags=("-o", "--output"),
            deprecated_flag="--out",
        ),
    )

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Paths that are measured."""
        return (self.frames.path,)


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(ExperimentOptions):
    """Options of an experiment that compares original and anonymized frames."""

    comparison: Comparison = Comparison()

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Paths that are measured."""
        anonymized = self.comparison.anonymized
        return (self.frames.path,) if anonymized is None else (self.frames.path, anonymized)


@dataclass(frozen=True, kw_only=True)
class OverviewOptions(ComparisonOptions):
    """Options of ``anon_ros evaluate all``."""

    labels: Path | None = _declare_labels("")
    scenes: int = _declare_scenes(200)
    embedders: tuple[str, ...] = _declare_embedders()
    networks: ImageNetworks = ImageNetworks()
    period_s: float = _declare_period()
    fps: float = _declare_fps()


@dataclass(frozen=True, kw_only=True)
class ReidOptions(ComparisonOptions):
    """Options of ``anon_ros evaluate reid``."""

    dataset_format: str = option(
        "",
        OptionSpec(
            f"of the dataset IN: {', '.join(DATASET_FORMATS)} (default: recognized by its files)",
            "FORMAT",
            deprecated_flag="--format",
            choices=DATASET_FORMATS,
        ),
    )
    embedders: tuple[str, ...] = _declare_embedders()
    period_s: float = _declare_period()
    fps: float = _declare_fps()


@dataclass(frozen=True, kw_only=True)
class TemporalOptions(ComparisonOptions):
    """Options of ``anon_ros evaluate temporal``."""

    labels: Path | None = _declare_labels(
        "; at equal intervals. Without them only flicker is measured"
    )
    fps: float = _declare_fps()


@dataclass(frozen=True, kw_only=True)
class QualityOptions(ComparisonOptions):
    """Options of ``anon_ros evaluate quality``."""

    networks: ImageNetworks = ImageNetworks()


@dataclass(frozen=True, kw_only=True)
class DetectionOptions(ComparisonOptions):
    """Options of ``anon_ros evaluate detection``."""

    comparison: Comparison = Comparison(methods=("fill", *PAPER_METHODS))
    labels: Path | None = option(
        None,
        OptionSpec(
            "persons of the frames: folder of YOLO text files (boxes or outlines; "
            f"{LABEL_NAMING_HELP}), or COCO annotations (.json); frames without labels do not "
            "count. Default: the detector's own boxes on the original",
            "PATH",
        ),
    )
    label_classes: tuple[str, ...] = option(
        ("person",),
        OptionSpec("COCO categories that are persons; in YOLO files every class is one", "NAME"),
    )
    pseudo_label_confidence: float = option(
        0.5,
        OptionSpec(
            "minimum score of the boxes on the original that the others are compared with",
            "SCORE",
            deprecated_flag="--truth-confidence",
            above=0,
            below=1,
        ),
    )
    detector: str | None = option(
        None,
        OptionSpec(
            "detection weights (default: detect.weights; others than those tell more)", "WEIGHTS"
        ),
    )
    detector_classes: tuple[str, ...] = option(
        (), OptionSpec("its classes that are persons (default: detect.classes)", "NAME")
    )
    training: TrainingOptions = TrainingOptions()


@dataclass(frozen=True, kw_only=True)
class OcclusionOptions(ExperimentOptions):
    """Options of ``anon_ros evaluate occlusion``; at most one of the three for depth."""

    labels: Path | None = _declare_labels(" (default: what the segmenter finds)")
    scenes: int = _declare_scenes(300)
    depth_topic: str | None = option(
        None,
        OptionSpec(
            "depth of the recording IN, aligned to its images", "TOPIC", exclusive_group="depth"
        ),
    )
    depth: Path | None = option(
        None,
        OptionSpec("16-bit PNG in mm, named as the images of IN", "DIR", exclusive_group="depth"),
    )
    depth_model: str | None = option(
        None,
        OptionSpec(
            "TorchScript or ONNX network for depth, whose output is larger for nearer things",
            "PATH[@HxW]",
            exclusive_group="depth",
        ),
    )


@dataclass(frozen=True, kw_only=True)
class BetaOptions(ExperimentOptions):
    """Options of ``anon_ros evaluate beta``."""

    betas: tuple[float, ...] = option(
        (0.2, 0.4, 0.6, 0.8, 1.0), OptionSpec("noise levels", "BETA", above=0, maximum=1)
    )
    sizes: tuple[int, ...] = option(
        (), OptionSpec("values of inpaint.generate_px (default: the parameter's)", "PX", above=0)
    )
    prompts: tuple[str, ...] = option((), OptionSpec("prompts (default: the parameter's)", "TEXT"))
    margin: float = option(
        5.0,
        OptionSpec("how far above chance rank-1 may be, in percentage points", "POINTS", above=0),
    )
    embedders: tuple[str, ...] = _declare_embedders()
    networks: ImageNetworks = ImageNetworks()
    period_s: float = _declare_period()
    fps: float = _declare_fps()
