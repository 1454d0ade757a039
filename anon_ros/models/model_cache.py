"""The models in memory, from one configuration to the next."""

import gc
import sys
from typing import TYPE_CHECKING

from anon_ros.config import Config, all_parameters, get_value
from anon_ros.core import Anonymizer, Inpainter
from anon_ros.models.factory import build_inpainter, build_segmenter, build_tracker
from anon_ros.tracking import Tracker, min_confidence, needs_tracking

if TYPE_CHECKING:  # imports torch
    from anon_ros.models.detection.segmenter import YoloSegmenter


class ModelCache:
    """Loads what a Config asks for and keeps what the next one can use, too.

    One thread at a time may use it, and only the newest Anonymizer that it made.
    """

    def __init__(self) -> None:
        self._config = Config()
        self._segmenter: YoloSegmenter | None = None
        self._inpainter: Inpainter | None = None

    def anonymizer(self, config: Config) -> Anonymizer:
        """The models of ``config``, for frames of streams.

        Raises:
            ModelError: if a model is missing or damaged, cannot do what is asked, or the device is
                not there.
        """
        if needs_tracking(config):
            build_tracker(config)  # or it would fail at the first frame
        before, self._config = self._config, config
        # Whatever raises here leaves nothing half changed: it is loaded anew the next time.
        inpainter, self._inpainter = self._inpainter, None
        if inpainter is None or not _inpainter_serves(inpainter, before, config):
            inpainter = None  # two would not fit into memory
            release_gpu_memory()
            inpainter = build_inpainter(config)
        self._inpainter = inpainter
        segmenter, self._segmenter = self._segmenter, None
        if segmenter is None or not _same_models(before, config, "detect"):
            segmenter = build_segmenter(config)
        self._segmenter = segmenter.with_thresholds(config.detect, min_confidence(config))
        return Anonymizer(self._segmenter, self._inpainter, config.mask, config.inpaint)

    def tracker(self, config: Config) -> Tracker:
        """A new one, for one camera."""
        return build_tracker(config)

    def release(self) -> None:
        """Let go of all models."""
        self._segmenter = self._inpainter = None
        release_gpu_memory()

    def gpu_memory(self) -> tuple[int, int] | None:
        """What this process has reserved on its GPU and what that has; None without a GPU."""
        if self._segmenter is None or self._segmenter.device.type != "cuda":
            return None
        cuda, device = sys.modules["torch"].cuda, self._segmenter.device
        return cuda.memory_reserved(device), cuda.mem_get_info(device)[1]

    @property
    def fallbacks(self) -> dict[str, int]:
        """How often the inpainter had to do less than it was asked to, by reason."""
        return dict(getattr(self._inpainter, "fallbacks", {}))


def release_gpu_memory() -> None:
    """Give what nobody holds any more back to the GPU."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _same_models(before: Config, after: Config, group: str) -> bool:
    """Whether all parameters agree with which the models of a group are loaded."""
    names = [
        name
        for name, parameter in all_parameters().items()
        if name.startswith((f"{group}.", "compute.")) and not parameter.spec.reconfigurable
    ]
    return all(get_value(before, name) == get_value(after, name) for name in names)


def _inpainter_serves(inpainter: Inpainter, before: Config, after: Config) -> bool:
    """Whether the one in memory does what ``after`` asks for, perhaps after a change in place."""
    if before.inpaint.method != after.inpaint.method or not _same_models(before, after, "inpaint"):
        return False
    if after.inpaint.method != "sdxl":
        return True
    from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter  # noqa: PLC0415 - imports torch

    assert isinstance(inpainter, DiffusionInpainter)  # noqa: S101 - narrows the type
    return inpainter.reconfigure(before.inpaint, after.inpaint)
