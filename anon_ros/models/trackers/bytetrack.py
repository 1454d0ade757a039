"""Tracking of persons over successive frames with ByteTrack (arXiv 2110.06864)."""

import re
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from anon_ros.errors import ModelError
from anon_ros.models.trackers.box_tracker import (
    MAX_DISTANCE,
    MAX_LOST_FRAMES,
    import_lap,
    to_cxcywh,
)
from anon_ros.models.weights.offline import disable_network_access

# Older trackers share one counter of tracks, which every new tracker resets.
_MIN_VERSION = 8, 4, 175
_MIN_VERSION_TEXT = ".".join(map(str, _MIN_VERSION))


class _Boxes:
    """Detections in the form that Ultralytics' tracker reads."""

    def __init__(self, xywh: npt.NDArray[np.float32], conf: npt.NDArray[np.float32]) -> None:
        self.xywh = xywh
        self.conf = conf
        self.cls = np.zeros(len(conf), np.float32)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, selected: npt.NDArray[np.bool_]) -> "_Boxes":
        return _Boxes(self.xywh[selected], self.conf[selected])


class ByteTrackTracker:
    """A Tracker for one camera.

    It sees boxes and scores alone: nothing of a person's appearance is stored.

    Args:
        confidence: detections with at least this score begin tracks; weaker ones only continue
            them.

    Raises:
        ModelError: if Ultralytics is missing or too old, or lap is missing.
    """

    def __init__(self, confidence: float) -> None:
        disable_network_access()
        try:
            import ultralytics  # noqa: PLC0415
        except ImportError as error:
            package = f"'ultralytics>={_MIN_VERSION_TEXT}'"
            message = f"track.backend: {error}; take builtin, or pip install {package}"
            raise ModelError(message) from error

        _require_version(ultralytics.__version__)
        import_lap()  # Ultralytics would install it at the first match
        from ultralytics.trackers.byte_tracker import BYTETracker  # noqa: PLC0415

        settings = SimpleNamespace(
            track_high_thresh=confidence,
            track_low_thresh=0.0,
            new_track_thresh=confidence,
            track_buffer=MAX_LOST_FRAMES,
            match_thresh=MAX_DISTANCE,
            # Otherwise weak detections would not match their tracks.
            fuse_score=False,
        )
        self._tracker = BYTETracker(settings)

    def update(
        self, boxes_xyxy: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
    ) -> list[int | None]:
        """Return the track id of every detection of the next frame; None without a track.

        Args:
            boxes_xyxy: (N, 4) float32, px.
            scores: (N,) float32.
        """
        self._tracker.update(_Boxes(to_cxcywh(boxes_xyxy).astype(np.float32), scores))
        ids: list[int | None] = [None] * len(scores)
        for track in self._tracker.tracked_stracks:
            if track.frame_id == self._tracker.frame_id:
                ids[int(track.idx)] = int(track.track_id)
            # An unconfirmed track would be dropped at its first miss.
            track.is_activated = True
        return ids


def _require_version(version: str) -> None:
    if tuple(int(digits) for digits in re.findall(r"\d+", version)[:3]) < _MIN_VERSION:
        message = (
            f"tracks need Ultralytics {_MIN_VERSION_TEXT} or later, this is {version}; update it: "
            f"pip install 'ultralytics>={_MIN_VERSION_TEXT}'"
        )
        raise ModelError(message)
