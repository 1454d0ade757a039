"""The synthetic persons of one camera, from frame to frame."""

from dataclasses import replace

from anon_ros.config import Config
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    CoveredFrame,
    InpaintFailure,
    RgbImage,
    crop_image,
)
from anon_ros.tracking.warping import (
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
    """Whether a frame's result depends on the results before it."""
    return config.identity.reuse == "previous" or config.skip.on_skipped == "reuse"


class SyntheticCache:
    """Moves the drawings of one frame's persons to the next frame.

    What does not fit there is forgotten, and at a key frame everything, so that what comes from it
    on depends on nothing before.

    Attributes:
        is_keyframe: whether the frame that was prepared last is a key frame.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._kept: dict[int, CachedPerson] = {}
        self._key_ns: int | None = None
        self.is_keyframe = False

    def reconfigure(self, config: Config) -> None:
        """Go on with ``config``, from a key frame."""
        self._config, self._kept, self._key_ns = config, {}, None

    def attach(
        self, frame: CoveredFrame, anonymizer: Anonymizer, time_ns: int, *, inpaints: bool
    ) -> CoveredFrame:
        """The frame with the drawings that are known of its persons, moved to where they are.

        Args:
            frame: covered.
            anonymizer: that covered it.
            time_ns: of the frame.
            inpaints: the persons are to be inpainted, not left covered.
        """
        self.is_keyframe = inpaints and self._is_due(time_ns)
        if self.is_keyframe:
            self._kept, self._key_ns = {}, time_ns
        moved = self._move(frame, anonymizer, time_ns) if self._kept else {}
        # Over the cover: nothing of the original persons is in it.
        pasted: dict[int, RgbImage] = {
            index: overlay_warped(crop_image(frame.canvas, frame.rois[index]), each)
            for index, each in moved.items()
        }
        if inpaints:
            return replace(frame, init_images=pasted)
        return replace(
            frame, warped_crops=pasted if self._config.skip.on_skipped == "reuse" else {}
        )

    def store(
        self, frame: CoveredFrame, anonymizer: Anonymizer, result: AnonymizedFrame, time_ns: int
    ) -> None:
        """Keep what was drawn in a frame that was inpainted."""
        if not reuses_synthetics(self._config):
            return
        for index, drawing in result.inpainted_crops.items():
            track = result.track_ids[index]
            if track is not None:
                crop = anonymizer.extract_crop(frame, index)
                self._kept[track] = cache_person(crop, drawing, frame.image, time_ns)

    def _is_due(self, time_ns: int) -> bool:
        if self._config.identity.reuse != "previous" or self._key_ns is None:
            return True
        age_ns = time_ns - self._key_ns
        return not 0 <= age_ns < self._config.identity.keyframe_s * NS_PER_S

    def _move(
        self, frame: CoveredFrame, anonymizer: Anonymizer, time_ns: int
    ) -> dict[int, WarpedPerson]:
        limits = WarpLimits(max_age_s=self._config.identity.keyframe_s)
        found: dict[int, WarpedPerson] = {}
        before, self._kept = self._kept, {}
        for index, roi in frame.rois.items():
            track = frame.persons.track_ids[index]
            kept = before.get(track) if track is not None else None
            if track is None or kept is None:
                continue
            mask = anonymizer.extract_crop(frame, index).mask
            answer = warp_person(kept, WarpTarget(frame.image, mask, roi, time_ns), limits)
            if not isinstance(answer, InpaintFailure):
                found[index], self._kept[track] = answer
        return found
