"""Synthetic persons of one camera, reused from frame to frame."""

from dataclasses import replace

from anon_ros.config import Config
from anon_ros.core import (
    AnonymizedFrame,
    CoveredFrame,
    InpaintFailure,
    RgbImage,
    crop_image,
    make_crop_mask,
)
from anon_ros.tracking.reuse.warping import (
    CachedPerson,
    WarpedPerson,
    WarpLimits,
    WarpTarget,
    cache_person,
    overlay_warped,
    warp_person,
)
from anon_ros.utils.units import NS_PER_S


def reuses_synthetics(config: Config) -> bool:
    """Return True if the result of a frame depends on the results before it."""
    return config.identity.reuse == "previous" or config.skip.on_skipped == "reuse"


class SyntheticCache:
    """Warps the synthetic persons of one frame to the next frame.

    A person who does not fit there is forgotten, and at a key frame everybody, so that results
    from it on depend on nothing before.

    Attributes:
        is_keyframe: True if the frame that was last attached to is a key frame.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._persons: dict[int, CachedPerson] = {}
        self._keyframe_ns: int | None = None
        self.is_keyframe = False

    def reconfigure(self, config: Config) -> None:
        """Go on with ``config``, from a key frame."""
        self._config, self._persons, self._keyframe_ns = config, {}, None

    def attach(self, frame: CoveredFrame, time_ns: int, *, inpaints: bool) -> CoveredFrame:
        """Return the frame with the synthetic persons of earlier frames, warped to their places.

        Args:
            frame: covered.
            time_ns: of the frame.
            inpaints: the persons are to be inpainted, not left covered.
        """
        self.is_keyframe = inpaints and self._is_keyframe_due(time_ns)
        if self.is_keyframe:
            self._persons, self._keyframe_ns = {}, time_ns
        warped = self._warp_persons(frame, time_ns) if self._persons else {}
        # Over the cover: nothing of the original persons is in it.
        crops: dict[int, RgbImage] = {
            index: overlay_warped(crop_image(frame.canvas, frame.rois[index]), person)
            for index, person in warped.items()
        }
        if inpaints:
            return replace(frame, init_images=crops)
        return replace(frame, warped_crops=crops if self._config.skip.on_skipped == "reuse" else {})

    def store(self, frame: CoveredFrame, result: AnonymizedFrame, time_ns: int) -> None:
        """Store the synthetic persons of a frame that was inpainted."""
        if not reuses_synthetics(self._config):
            return
        for index, inpainted in result.inpainted_crops.items():
            track_id = result.track_ids[index]
            if track_id is not None:
                roi = frame.rois[index]
                mask = make_crop_mask(frame.regions[index], roi)
                person = cache_person(mask, roi, inpainted, frame.image, time_ns)
                self._persons[track_id] = person

    def _is_keyframe_due(self, time_ns: int) -> bool:
        if self._config.identity.reuse != "previous" or self._keyframe_ns is None:
            return True
        age_ns = time_ns - self._keyframe_ns
        return not 0 <= age_ns < self._config.identity.keyframe_s * NS_PER_S

    def _warp_persons(self, frame: CoveredFrame, time_ns: int) -> dict[int, WarpedPerson]:
        limits = WarpLimits(max_age_s=self._config.identity.keyframe_s)
        warped: dict[int, WarpedPerson] = {}
        cached, self._persons = self._persons, {}
        for index, roi in frame.rois.items():
            track_id = frame.persons.track_ids[index]
            person = cached.get(track_id) if track_id is not None else None
            if track_id is None or person is None:
                continue
            mask = make_crop_mask(frame.regions[index], roi)
            result = warp_person(person, WarpTarget(frame.image, mask, roi, time_ns), limits)
            if not isinstance(result, InpaintFailure):
                warped[index], self._persons[track_id] = result
        return warped
