"""Cache of the models in memory, from one configuration to the next."""

import gc
import sys
from typing import TYPE_CHECKING

from anon_ros.config import (
    Config,
    all_parameters,
    get_value,
    list_styles,
    list_targets,
    merge_cameras,
)
from anon_ros.core import Anonymizer
from anon_ros.images import load_regions
from anon_ros.models.factory import (
    LoadedInpainter,
    build_full_segmenter,
    build_inpainter,
    build_targets,
    build_tracker,
)
from anon_ros.tracking import Tracker, min_confidence, needs_tracking

if TYPE_CHECKING:  # imports torch
    from anon_ros.models.detection.target_segmenter import TargetSegmenter


class ModelCache:
    """Models of the current configuration; the next configuration reuses those it can.

    Only one thread at a time may use it, and only the newest Anonymizer that it returned.
    """

    def __init__(self) -> None:
        self._config = Config()
        self._segmenter: TargetSegmenter | None = None
        self._inpainter: LoadedInpainter | None = None

    def anonymizer(self, config: Config) -> Anonymizer:
        """Return the models of ``config``, for frames of streams.

        Raises:
            ConfigError: if a mask image of a region cannot be read.
            ModelError: if a model is missing or damaged, does not fit the configuration, or the
                device is missing.
        """
        find_regions = load_regions(config)
        if needs_tracking(config):
            build_tracker(config)  # an error now, not at the first frame
        before, self._config = self._config, config
        # After an exception nothing half changed remains: the next call loads anew.
        inpainter, self._inpainter = self._inpainter, None
        can_serve = False
        try:
            can_serve = inpainter is not None and _can_serve(inpainter, before, config)
        finally:
            if not can_serve:
                _release(inpainter)
                inpainter = None  # two would not fit into memory
                release_gpu_memory()
        self._inpainter = inpainter or build_inpainter(config)
        segmenter, self._segmenter = self._segmenter, None
        is_same = _has_same_parameters(before, config, "detect", "mask")
        if segmenter is None or not is_same or list_targets(before) != list_targets(config):
            segmenter = build_full_segmenter(config)
        lenient = merge_cameras(config)
        self._segmenter = segmenter.with_thresholds(lenient.detect, min_confidence(lenient))
        return Anonymizer(
            segmenter=self._segmenter,
            inpainter=self._inpainter,
            mask=config.mask,
            inpaint=config.inpaint,
            find_regions=find_regions,
            targets=build_targets(config),
        )

    def tracker(self, config: Config) -> Tracker:
        """Return a new tracker, for one camera."""
        return build_tracker(config)

    def run_idle_work(self) -> None:
        """Do what later frames gain from; between frames."""
        if self._inpainter is not None:
            self._inpainter.run_idle_work()

    def release(self) -> None:
        """Release all models."""
        _release(self._inpainter)
        self._segmenter = self._inpainter = None
        release_gpu_memory()

    def gpu_memory(self) -> tuple[int, int] | None:
        """Return the GPU bytes that this process reserved and those in total; None on the CPU."""
        if self._segmenter is None or self._segmenter.backend.device.type != "cuda":
            return None
        cuda, device = sys.modules["torch"].cuda, self._segmenter.backend.device
        return cuda.memory_reserved(device), cuda.mem_get_info(device)[1]

    @property
    def fallbacks(self) -> dict[str, int]:
        """The number of times that the inpainter lacked memory, by reason."""
        return {} if self._inpainter is None else dict(self._inpainter.fallbacks)


def release_gpu_memory() -> None:
    """Return unused memory to the GPU."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _release(inpainter: LoadedInpainter | None) -> None:
    if inpainter is not None:
        inpainter.release()


def _has_same_parameters(before: Config, after: Config, *groups: str) -> bool:
    """Return True if all parameters agree that need a reload of the groups' models."""
    prefixes = tuple(f"{group}." for group in (*groups, "compute"))
    names = [
        name
        for name, parameter in all_parameters().items()
        if name.startswith(prefixes) and not parameter.spec.reconfigurable
    ]
    return all(get_value(before, name) == get_value(after, name) for name in names)


def _can_serve(inpainter: LoadedInpainter, before: Config, after: Config) -> bool:
    """Return True if the loaded inpainter serves ``after``, perhaps after a change in place."""
    if before.inpaint.method != after.inpaint.method:
        return False
    return _has_same_parameters(before, after, "inpaint") and inpainter.reconfigure(
        before.inpaint, after.inpaint, list_styles(after)
    )
