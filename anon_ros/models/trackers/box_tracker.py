"""Tracking of persons over successive frames by their boxes, without Ultralytics."""

from dataclasses import dataclass
from types import ModuleType
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from anon_ros.errors import ModelError

_Float = TypeVar("_Float", bound=np.floating)
Boxes: TypeAlias = npt.NDArray[np.float64]

# A track that is lost for longer is not resumed; it is predicted by its motion alone.
MAX_LOST_FRAMES = 30
# Distances are 1 - IoU. A weak detection must fit its track better than a certain one.
MAX_DISTANCE, _MAX_WEAK_DISTANCE = 0.8, 0.5
# Standard deviations as ratios of the box's height (arXiv 1703.07402): of a detection, and of what
# place and speed change by from frame to frame.
_MEASURED_RATIO, _PLACE_RATIO, _SPEED_RATIO = 1 / 20, 1 / 20, 1 / 160
_STEP = np.array([[1.0, 1.0], [0.0, 1.0]])


@dataclass
class _Track:
    """A person's box that moves at a steady speed: a Kalman filter.

    Attributes:
        id: from 1.
        state: (2, 4) center x, center y, width and height in px, and their change per frame.
        covariance: (2, 2) of place and speed, the same for all four.
        lost_frames: number of frames since the last detection.
    """

    id: int
    state: Boxes
    covariance: Boxes
    lost_frames: int = 0

    @classmethod
    def begin(cls, track_id: int, box_cxcywh: Boxes) -> "_Track":
        state = np.stack([box_cxcywh, np.zeros(4)])
        ratios = np.array([2 * _MEASURED_RATIO, 10 * _SPEED_RATIO])
        return cls(track_id, state, np.diag((ratios * box_cxcywh[3]) ** 2))

    def predict(self) -> None:
        """Move to the next frame."""
        if self.lost_frames:
            self.state[1, 2:] = 0  # nobody grows or shrinks for long
        self.state = _STEP @ self.state
        noise = np.diag((np.array([_PLACE_RATIO, _SPEED_RATIO]) * self._height_px) ** 2)
        self.covariance = _STEP @ self.covariance @ _STEP.T + noise
        self.lost_frames += 1

    def update(self, box_cxcywh: Boxes) -> None:
        """Correct the state by the detection of this frame."""
        variance = (_MEASURED_RATIO * self._height_px) ** 2
        gain = self.covariance[:, 0] / (self.covariance[0, 0] + variance)
        self.state = self.state + gain[:, None] * (box_cxcywh - self.state[0])
        self.covariance = self.covariance - np.outer(gain, self.covariance[0])
        self.lost_frames = 0

    @property
    def _height_px(self) -> float:
        return max(float(self.state[0, 3]), 1.0)


class BoxTracker:
    """A Tracker for one camera, with the two rounds of ByteTrack (arXiv 2110.06864).

    Certain detections are assigned first, to all tracks; then weak ones, to those tracks that were
    seen a frame ago. It sees boxes and scores alone: nothing of a person's appearance is stored.

    Args:
        confidence: detections with at least this score begin tracks; weaker ones only continue
            them.

    Raises:
        ModelError: if lap is missing.
    """

    def __init__(self, confidence: float) -> None:
        self._confidence = confidence
        self._lap = import_lap()
        self._tracks: list[_Track] = []
        self._last_id = 0

    def update(
        self, boxes_xyxy: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
    ) -> list[int | None]:
        """Return the track id of every detection of the next frame; None without a track.

        Args:
            boxes_xyxy: (N, 4) float32, px.
            scores: (N,) float32.
        """
        boxes = to_cxcywh(boxes_xyxy.astype(np.float64))
        for track in self._tracks:
            track.predict()
        ids: list[int | None] = [None] * len(scores)
        is_certain = scores >= self._confidence
        certain, weak = np.flatnonzero(is_certain), np.flatnonzero(~is_certain)
        self._assign(self._tracks, boxes, certain, MAX_DISTANCE, ids)
        recent = [track for track in self._tracks if track.lost_frames == 1]
        self._assign(recent, boxes, weak, _MAX_WEAK_DISTANCE, ids)
        for index in certain:
            if ids[index] is None:
                ids[index] = self._begin(boxes[index])
        self._tracks = [t for t in self._tracks if t.lost_frames <= MAX_LOST_FRAMES]
        return ids

    def _begin(self, box_cxcywh: Boxes) -> int:
        self._last_id += 1
        self._tracks.append(_Track.begin(self._last_id, box_cxcywh))
        return self._last_id

    def _assign(
        self,
        tracks: list[_Track],
        boxes: Boxes,
        indices: npt.NDArray[np.intp],
        max_distance: float,
        ids: list[int | None],
    ) -> None:
        """Continue ``tracks`` by the detections at ``indices`` such that they fit best in total."""
        if not tracks or not len(indices):
            return
        predicted = np.array([track.state[0] for track in tracks])
        distances = 1 - _compute_iou(predicted, boxes[indices])
        columns = self._lap.lapjv(distances, extend_cost=True, cost_limit=max_distance)[1]
        for track, column in zip(tracks, columns, strict=True):
            if column >= 0:
                track.update(boxes[indices[column]])
                ids[indices[column]] = track.id


def import_lap() -> ModuleType:
    """Return the package that assigns detections to tracks.

    Raises:
        ModelError: if it is missing.
    """
    try:
        import lap  # noqa: PLC0415 - only tracks need it
    except ImportError as error:
        message = f"tracks need the package lap: {error}; install it: pip install lap"
        raise ModelError(message) from error
    module: ModuleType = lap
    return module


def to_cxcywh(boxes_xyxy: npt.NDArray[_Float]) -> npt.NDArray[_Float]:
    """Convert (N, 4) boxes from corners to centers and sides."""
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def _compute_iou(a_cxcywh: Boxes, b_cxcywh: Boxes) -> Boxes:
    """Return the overlaps (A, B) of boxes; those without an area overlap nothing."""
    a, b = a_cxcywh[:, None], b_cxcywh[None]
    low = np.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - common
    return np.asarray(common / np.maximum(union, 1e-9))
