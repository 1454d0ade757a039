"""Identity switches: persons whose track, and so whose face, changes in a video."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from anon_ros.core import Mask, Roi
from anon_ros.metrics.matching import match_greedily
from anon_ros.metrics.validation import validate_array, validate_unique

_MIN_IOU = 0.5
_BOXES_NDIM = 2


@dataclass(frozen=True)
class IdSwitchReport:
    """The agreement of tracks with labelled persons.

    Attributes:
        person_frames: number of labelled persons, over all frames.
        matches: number of those who were matched with a track.
        switches: number of matches with another track than the person's last match.
        persons: number of different labelled persons.
        tracks_per_person: by person, the number of tracks that ever matched them, 0 included.
    """

    person_frames: int
    matches: int
    switches: int
    persons: int
    tracks_per_person: Mapping[int, int]


class IdSwitches:
    """A count of identity switches, which stores identities alone.

    In a frame labelled persons and tracks are matched by intersection over union, the highest
    first and none below 0.5. A switch is counted as in multiple object tracking (Bernardin and
    Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics", 2008):
    when a person's track is not the one of the last match, however long ago that was.
    """

    def __init__(self) -> None:
        self._tracks: dict[int, set[int]] = defaultdict(set)
        self._last_track: dict[int, int] = {}
        self._person_frames = 0
        self._matches = 0
        self._switches = 0

    def update(
        self,
        label_masks: npt.NDArray[np.bool_],
        persons: Sequence[int],
        tracks: npt.NDArray[Any],
        track_ids: Sequence[int],
    ) -> None:
        """Add a labelled frame.

        Args:
            label_masks: (N, H, W) bool.
            persons: N identities of the labels.
            tracks: (M, H, W) bool masks, or (M, 4) boxes x0, y0, x1, y1 in px, which are compared
                with the bounds of the labels.
            track_ids: M identities of the tracks.

        Raises:
            ValueError: if a shape or dtype is wrong, or an identity is repeated.
        """
        _validate(label_masks, persons, tracks, track_ids)
        compute_iou = _compute_box_iou if tracks.ndim == _BOXES_NDIM else _compute_mask_iou
        ious = np.array([compute_iou(mask, tracks) for mask in label_masks]).reshape(
            len(persons), len(tracks)
        )
        for person in persons:
            self._tracks[person]  # inserts an empty set: the report counts unmatched persons
        self._person_frames += len(persons)
        for row, column in match_greedily(1 - ious, 1 - _MIN_IOU):
            self._record_match(persons[row], track_ids[column])

    def compute(self) -> IdSwitchReport:
        """Return the counts of the frames so far."""
        return IdSwitchReport(
            person_frames=self._person_frames,
            matches=self._matches,
            switches=self._switches,
            persons=len(self._tracks),
            tracks_per_person={person: len(ids) for person, ids in self._tracks.items()},
        )

    def _record_match(self, person: int, track: int) -> None:
        self._matches += 1
        self._switches += self._last_track.get(person, track) != track
        self._last_track[person] = track
        self._tracks[person].add(track)


def _compute_mask_iou(label: Mask, tracks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    rows, columns = Roi.from_mask(label).slices
    intersection_px = np.count_nonzero(tracks[:, rows, columns] & label[rows, columns], axis=(1, 2))
    union_px = np.count_nonzero(tracks, axis=(1, 2)) + np.count_nonzero(label) - intersection_px
    return np.asarray(intersection_px / np.maximum(union_px, 1))


def _compute_box_iou(label: Mask, boxes_xyxy: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    x0, y0, x1, y1 = boxes_xyxy.T.astype(np.float64)
    roi = Roi.from_mask(label)
    intersection_px = _measure_length(
        np.maximum(x0, roi.x0), np.minimum(x1, roi.x1)
    ) * _measure_length(np.maximum(y0, roi.y0), np.minimum(y1, roi.y1))
    union_px = (
        _measure_length(x0, x1) * _measure_length(y0, y1) + _measure_area(roi) - intersection_px
    )
    return np.asarray(intersection_px / np.maximum(union_px, np.finfo(np.float64).tiny))


def _measure_length(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.maximum(high - low, 0)


def _measure_area(roi: Roi) -> int:
    return roi.width_px * roi.height_px


def _validate(
    label_masks: npt.NDArray[np.bool_],
    persons: Sequence[int],
    tracks: npt.NDArray[Any],
    track_ids: Sequence[int],
) -> None:
    validate_unique("persons", persons)
    validate_unique("track_ids", track_ids)
    frame = label_masks.shape[1:]
    validate_array("label_masks", label_masks, (len(persons), *frame), np.bool_)
    if tracks.ndim == _BOXES_NDIM:
        validate_array("tracks", tracks, (len(track_ids), 4), tracks.dtype.type)
    else:
        validate_array("tracks", tracks, (len(track_ids), *frame), np.bool_)
