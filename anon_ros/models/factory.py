"""Factories of models, from a Config."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from anon_ros.config import (
    ComputeConfig,
    Config,
    InpaintConfig,
    Style,
    list_drawings,
    list_styles,
    list_targets,
)
from anon_ros.core import Anonymizer, Inpainter, Target
from anon_ros.errors import ModelError
from anon_ros.images import load_regions
from anon_ros.models.detection.training_config import TrainingConfig
from anon_ros.models.inpainting.classical import CLASSICAL
from anon_ros.models.weights.generator import is_generator
from anon_ros.models.weights.offline import disable_network_access
from anon_ros.tracking import Tracker, min_confidence

# torch and the libraries on top of it are imported inside the functions: they take seconds.
if TYPE_CHECKING:
    from anon_ros.models.detection.detector import PersonDetector
    from anon_ros.models.detection.target_segmenter import TargetSegmenter
    from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter

_SMALL_MODEL_BATCH = 8


class LoadedInpainter(Inpainter, Protocol):
    """An Inpainter that adopts a new configuration and counts its fallbacks."""

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """The number of times that memory did not suffice, by reason."""
        ...

    def reconfigure(
        self, before: InpaintConfig, after: InpaintConfig, styles: Sequence[Style] = ()
    ) -> bool:
        """Adopt ``after``, and the styles of targets; return False if that needs a reload."""
        ...

    def run_idle_work(self) -> None:
        """Do what later frames gain from; between frames."""
        ...

    def release(self) -> None:
        """Free what would outlive the networks; it inpaints no more."""
        ...


def build_anonymizer(config: Config) -> Anonymizer:
    """Load every model that ``config`` needs.

    Raises:
        ConfigError: if a mask image of a region cannot be read.
        ModelError: if weights are missing or damaged, or the device is missing.
    """
    find_regions = load_regions(config)
    inpainter = build_inpainter(config)
    segmenter = build_full_segmenter(config)
    targets = build_targets(config)
    return Anonymizer(segmenter, inpainter, config.mask, config.inpaint, find_regions, targets)


def build_tracking_anonymizer(config: Config) -> Anonymizer:
    """Load the models for the frames of a stream: weak detections, which tracks use, included.

    Raises:
        ConfigError: if a mask image of a region cannot be read.
        ModelError: if weights are missing or damaged, or the device is missing.
    """
    find_regions = load_regions(config)
    inpainter = build_inpainter(config)
    segmenter = build_full_segmenter(config)
    segmenter = segmenter.with_thresholds(config.detect, min_confidence(config))
    targets = build_targets(config)
    return Anonymizer(segmenter, inpainter, config.mask, config.inpaint, find_regions, targets)


def build_targets(config: Config) -> list[Target]:
    """Return the targets beside persons, in the segmenter's order."""
    drawings = list_drawings(config)
    return [
        Target(
            name,
            target.action,
            target.dilate_ratio,
            None if target.action == "fill" else CLASSICAL.get(target.action),
            drawings.get(name),
        )
        for name, target in list_targets(config).items()
    ]


def build_segmenter(config: Config) -> "TargetSegmenter":
    """Load ``detect.weights``; networks with no class that is searched for are not run.

    Raises:
        ModelError: if they are missing, damaged or lack a class, or the device is missing.
    """
    from anon_ros.models.detection.segmenter import PersonSegmenter  # noqa: PLC0415
    from anon_ros.models.detection.target_segmenter import TargetSegmenter  # noqa: PLC0415

    return TargetSegmenter.wrap(PersonSegmenter.load(config.detect, config.compute.device), config)


def build_full_segmenter(config: Config) -> "TargetSegmenter":
    """Load ``detect.weights``, all of which a user wants to be run.

    Raises:
        ModelError: if they are missing or damaged, lack a class or have none that is searched for,
            or the device is missing.
    """
    segmenter = build_segmenter(config)
    segmenter.refuse_unused(config)
    return segmenter


def build_detector(config: Config) -> "PersonDetector":
    """Load ``detect.weights`` for boxes alone, weak ones included.

    Raises:
        ModelError: if they are missing, damaged or lack a class, or the device is missing.
    """
    from anon_ros.models.detection.detector import PersonDetector  # noqa: PLC0415

    return PersonDetector.load(config.detect, config.compute.device)


def train_detector(training: TrainingConfig, on_epoch: Callable[[int], None]) -> Path:
    """Train an Ultralytics detector, or resume; see ``detection.training.train_detector``.

    Raises:
        ModelError: if it cannot be trained.
    """
    from anon_ros.models.detection.training import train_detector  # noqa: PLC0415

    return train_detector(training, on_epoch)


def build_inpainter(config: Config) -> LoadedInpainter:
    """Load the inpainter that ``inpaint.method`` names; there is no substitute for it.

    Raises:
        ModelError: if the diffusion model is missing or damaged, its noise schedule cannot start at
            a ``beta_d``, it cannot draw a target, or the device is missing.
    """
    if config.inpaint.method in CLASSICAL:
        return CLASSICAL[config.inpaint.method]
    disable_network_access()
    for name in list_drawings(config):
        if is_generator(config.inpaint.model):
            message = (
                f"targets.{name}.action: {config.inpaint.model} is the generator, which draws "
                "persons only; set fill, blur or pixelate, or an inpaint.model that takes a prompt"
            )
            raise ModelError(message)
    from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter  # noqa: PLC0415

    main = DiffusionInpainter.load(config.inpaint, config.compute, list_styles(config))
    if not config.inpaint.has_small_model:
        return main
    try:
        return _add_small_model(main, config)
    except BaseException:
        main.release()
        raise


def _add_small_model(main: "DiffusionInpainter", config: Config) -> LoadedInpainter:
    from anon_ros.models.inpainting.tiers import TieredInpainter  # noqa: PLC0415

    # Several small crops cost hardly more than one, and compiling costs more than they do.
    batch_size = config.compute.batch_size or _SMALL_MODEL_BATCH
    compute = ComputeConfig(config.compute.device, batch_size)
    try:
        small = type(main).load(config.inpaint.for_small_model(), compute)
    except ModelError as error:
        message = str(error).replace("inpaint.model:", "inpaint.small_model:")
        raise ModelError(message) from error
    return TieredInpainter(main, small)


def build_tracker(config: Config) -> Tracker:
    """Return a new tracker, for one camera.

    Raises:
        ModelError: if a package is missing or too old.
    """
    from anon_ros.models.trackers.box_tracker import BoxTracker  # noqa: PLC0415
    from anon_ros.models.trackers.bytetrack import ByteTrackTracker  # noqa: PLC0415

    backend = config.track.backend
    if backend == "auto":
        backend = "ultralytics" if find_spec("ultralytics") else "builtin"
    tracker_class = ByteTrackTracker if backend == "ultralytics" else BoxTracker
    return tracker_class(config.detect.confidence)
