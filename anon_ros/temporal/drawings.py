"""The synthetic persons of one camera, from frame to frame."""

from dataclasses import replace

from anon_ros.config import Config
from anon_ros.core import Anonymized, Anonymizer, Covered, Refusal, RgbImage, cut
from anon_ros.temporal.motion import NS_PER_S
from anon_ros.temporal.moving import Keepsake, Limits, Moved, Target, keep, move, paste_over


def reuses_drawings(config: Config) -> bool:
    """Whether a frame's result depends on the results before it."""
    return config.identity.reuse == "previous" or config.skip.on_skipped == "reuse"


class Drawings:
    """Moves the drawings of one frame's persons to the next frame.

    What does not fit there is forgotten, and at a key frame everything, so that what comes from it
    on depends on nothing before.

    Attributes:
        at_key: whether the frame that was prepared last is a key frame.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._kept: dict[int, Keepsake] = {}
        self._key_ns: int | None = None
        self.at_key = False

    def reconfigure(self, config: Config) -> None:
        """Go on with ``config``, from a key frame."""
        self._config, self._kept, self._key_ns = config, {}, None

    def prepare(
        self, frame: Covered, anonymizer: Anonymizer, time_ns: int, *, inpaints: bool
    ) -> Covered:
        """The frame with the drawings that are known of its persons, moved to where they are.

        Args:
            frame: covered.
            anonymizer: that covered it.
            time_ns: of the frame.
            inpaints: the persons are to be inpainted, not left covered.
        """
        self.at_key = inpaints and self._is_due(time_ns)
        if self.at_key:
            self._kept, self._key_ns = {}, time_ns
        moved = self._move(frame, anonymizer, time_ns) if self._kept else {}
        # Over the cover: nothing of the original persons is in it.
        pasted: dict[int, RgbImage] = {
            index: paste_over(cut(frame.canvas, frame.rois[index]), each)
            for index, each in moved.items()
        }
        if inpaints:
            return replace(frame, starts=pasted)
        return replace(frame, moved=pasted if self._config.skip.on_skipped == "reuse" else {})

    def remember(
        self, frame: Covered, anonymizer: Anonymizer, result: Anonymized, time_ns: int
    ) -> None:
        """Keep what was drawn in a frame that was inpainted."""
        if not reuses_drawings(self._config):
            return
        for index, drawing in result.drawings.items():
            track = result.tracks[index]
            if track is not None:
                crop = anonymizer.crop(frame, index)
                self._kept[track] = keep(crop, drawing, frame.image, time_ns)

    def _is_due(self, time_ns: int) -> bool:
        if self._config.identity.reuse != "previous" or self._key_ns is None:
            return True
        age_ns = time_ns - self._key_ns
        return not 0 <= age_ns < self._config.identity.keyframe_s * NS_PER_S

    def _move(self, frame: Covered, anonymizer: Anonymizer, time_ns: int) -> dict[int, Moved]:
        limits = Limits(max_age_s=self._config.identity.keyframe_s)
        found: dict[int, Moved] = {}
        before, self._kept = self._kept, {}
        for index, roi in frame.rois.items():
            track = frame.persons.tracks[index]
            kept = before.get(track) if track is not None else None
            if track is None or kept is None:
                continue
            mask = anonymizer.crop(frame, index).mask
            answer = move(kept, Target(frame.image, mask, roi, time_ns), limits)
            if not isinstance(answer, Refusal):
                found[index], self._kept[track] = answer
        return found
