"""Which detections of successive frames are one person: ByteTrack (arXiv 2110.06864)."""

import re
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt

from anon_ros.errors import ModelError
from anon_ros.models.weights.offline import disable_network_access

# Before, trackers shared one counter of tracks, which each new tracker set back.
_LEAST_VERSION = 8, 4, 175
# Frames that a lost track can be found again, by its motion alone.
_LOST_FRAMES = 30
_MOST_DISTANCE = 0.8


class _Boxes:
    """What Ultralytics' tracker asks of detections."""

    def __init__(self, xywh: npt.NDArray[np.float32], conf: npt.NDArray[np.float32]) -> None:
        self.xywh = xywh
        self.conf = conf
        self.cls = np.zeros(len(conf), np.float32)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, chosen: npt.NDArray[np.bool_]) -> "_Boxes":
        return _Boxes(self.xywh[chosen], self.conf[chosen])


class ByteTrackTracker:
    """A Tracker for one camera.

    Boxes and scores are all that it knows of a person: nothing of the looks is kept.

    Args:
        confidence: detections with at least this score begin tracks; those below only go on with
            one.

    Raises:
        ModelError: if Ultralytics is too old, or lap is missing.
    """

    def __init__(self, confidence: float) -> None:
        disable_network_access()
        import ultralytics  # noqa: PLC0415

        _require(ultralytics.__version__)
        try:
            import lap  # noqa: F401, PLC0415 - Ultralytics would install it at the first match
            from ultralytics.trackers.byte_tracker import BYTETracker  # noqa: PLC0415
        except ImportError as error:
            message = f"tracks need the package lap: {error}; install it: pip install lap"
            raise ModelError(message) from error

        settings = SimpleNamespace(
            track_high_thresh=confidence,
            track_low_thresh=0.0,
            new_track_thresh=confidence,
            track_buffer=_LOST_FRAMES,
            match_thresh=_MOST_DISTANCE,
            # It would keep those of low score from their tracks.
            fuse_score=False,
        )
        self._tracker = BYTETracker(settings)

    def update(
        self, boxes_xyxy: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]
    ) -> list[int | None]:
        """The track of each detection of the next frame; None for one that has none."""
        sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
        xywh = np.concatenate([(boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2, sides], axis=1)
        self._tracker.update(_Boxes(xywh.astype(np.float32), scores))
        ids: list[int | None] = [None] * len(scores)
        for track in self._tracker.tracked_stracks:
            if track.frame_id == self._tracker.frame_id:
                ids[int(track.idx)] = int(track.track_id)
            # An unconfirmed one would be forgotten when it is missed once.
            track.is_activated = True
        return ids


def _require(version: str) -> None:
    if tuple(int(number) for number in re.findall(r"\d+", version)[:3]) < _LEAST_VERSION:
        least = ".".join(str(number) for number in _LEAST_VERSION)
        message = (
            f"tracks need Ultralytics {least} or later, this is {version}; update it: pip install "
            f"'ultralytics>={least}'"
        )
        raise ModelError(message)
