"""Search with one or several networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from anon_ros.config import DetectionConfig
from anon_ros.core import Detections, RgbImage, Roi
from anon_ros.models.detection.backends.backend import (
    DetectionBackend,
    find_class_ids,
    limit_persons,
)
from anon_ros.models.detection.joining import join_tiles
from anon_ros.models.weights.detector_format import choose_backend
from anon_ros.models.weights.locate import find_weights


@dataclass(frozen=True)
class EnsembleBackend:
    """A DetectionBackend over several networks: what any of them finds counts.

    Each class is searched for, by its name, with all members that have it. What two of them find of
    the same person or thing is joined, with the pixels of both.

    Attributes:
        members: the networks, each with its own class indices.
        class_ids: indices into ``names`` of the classes to search for.
    """

    members: Sequence[DetectionBackend]
    class_ids: Sequence[int] = ()

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return self.members[0].device

    @cached_property
    def names(self) -> Mapping[int, str]:
        """The classes of all members, each once, by index."""
        names = (name for member in self.members for name in member.names.values())
        return dict(enumerate(dict.fromkeys(names)))

    def with_classes(self, class_ids: Sequence[int]) -> "EnsembleBackend":
        """Return the same networks, searching for other classes."""
        return replace(self, class_ids=class_ids)

    def search(
        self, images: Sequence[RgbImage], config: DetectionConfig, min_score: float
    ) -> list[Detections]:
        """Return what the members find in each image; see ``DetectionBackend``.

        Raises:
            SegmentationError: if a member fails, or all together find too many.
        """
        wanted = {self.names[index] for index in self.class_ids}
        parts = []
        for member in self.members:
            ids = [index for index, name in member.names.items() if name in wanted]
            if ids:
                results = member.with_classes(ids).search(images, config, min_score)
                parts.append([self._rename(member, result) for result in results])
        if len(parts) == 1:
            return parts[0]
        return [_join(views, config) for views in zip(*parts, strict=True)]

    def _rename(self, member: DetectionBackend, detections: Detections) -> Detections:
        """Return the detections of a member with the indices of ``names``."""
        ids = {name: index for index, name in self.names.items()}
        renamed = [ids[member.names[index]] for index in detections.class_ids.tolist()]
        return replace(detections, class_ids=np.array(renamed, np.int64))


def _join(views: Sequence[Detections], config: DetectionConfig) -> Detections:
    """Return the union of several networks' detections in an image, the most likely first."""
    height_px, width_px = views[0].masks.shape[1:]
    image = Roi(0, 0, width_px, height_px)
    joined = join_tiles([[image]] * len(views), views, height_px, width_px, config.confidence)
    indices = torch.arange(len(joined))
    return joined.take(limit_persons(indices, torch.from_numpy(joined.scores), config).numpy())


def load_backend(
    config: DetectionConfig, device: str, *, needs_masks: bool = True
) -> DetectionBackend:
    """Load ``config.weights`` with ``config.backend``, on the device of that name.

    Args:
        config: weights, the persons' classes and back-end.
        device: to run on.
        needs_masks: warn if weights have none.

    Raises:
        ModelError: if weights are missing, damaged or of another back-end, none has a class, or
            the device is missing.
    """
    paths = [find_weights(name) for name in config.weights]
    kinds = [choose_backend(config.backend, path) for path in paths]
    members = [
        _load(kind, path, config, device, needs_masks=needs_masks)
        for kind, path in zip(kinds, paths, strict=True)
    ]
    backend = members[0] if len(members) == 1 else EnsembleBackend(members)
    class_ids = find_class_ids(backend, config.classes, config.weights, "detect.classes")
    return backend.with_classes(class_ids)


def _load(
    kind: str, path: Path, config: DetectionConfig, device: str, *, needs_masks: bool
) -> DetectionBackend:
    # Imported here: each imports its own large library.
    if kind == "rfdetr":
        from anon_ros.models.detection.backends.rfdetr_backend import RfDetrBackend  # noqa: PLC0415

        return RfDetrBackend.load(path, config.inference_px, device)
    from anon_ros.models.detection.backends.yolo_backend import YoloBackend  # noqa: PLC0415

    return YoloBackend.load(path, device, needs_masks=needs_masks)
