"""People made by hand who walk through a street of noise, and what a detector tells of them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from anon_ros.config import Config, load_config
from anon_ros.core import TARGET_STRIDE, Detections, FramePersons, Mask, RgbImage, Roi
from anon_ros.models import build_tracker
from anon_ros.tracking import (
    OnlineStream,
    Tracker,
    iter_with_lookahead,
    observe_frame,
)
from anon_ros.tracking.observations import PersonObservation, observe_persons
from anon_ros.utils.units import NS_PER_S
from helpers.arrays import make_detections

WIDTH_PX, HEIGHT_PX = 480, 270
STEP_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000
STREET = np.random.default_rng(1).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
# The glimpse of noise is flat: only large shapes are alike or not.
STREET[:, :200] //= 3
OTHER_STREET = np.ascontiguousarray(STREET[:, ::-1])


def make_person_mask(x: float, y: float = 100, height_px: int = 80, *, head: bool = True) -> Mask:
    """A person of 30 px width whose left edge is at x, with or without the head."""
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_)
    left, right = (min(max(round(side), 0), WIDTH_PX) for side in (x, x + 30))
    top = round(y) if head else round(y) + height_px // 5
    mask[top : round(y) + height_px, left:right] = True
    return mask


@dataclass
class FrameSequence:
    """Frames with the masks that the detector found in them, of persons or of one target."""

    frames: list[tuple[RgbImage, Sequence[Mask], float, int]] = field(default_factory=list)
    targets: set[int] = field(default_factory=set)
    """Indices of the masks in a frame that are target 1."""

    def add_frame(
        self,
        masks: Iterable[Mask] = (),
        image: RgbImage = STREET,
        score: float = 0.9,
        step_ns: int = STEP_NS,
    ) -> None:
        """Add a frame, ``step_ns`` after the last."""
        before_ns = self.frames[-1][3] if self.frames else START_NS
        self.frames.append((image, [m for m in masks if m.any()], score, before_ns + step_ns))

    def find_persons(self, **overrides: object) -> list[FramePersons]:
        """The persons of each frame."""
        config = make_config(**overrides)
        moments, given = [], []
        for image, masks, score, time_ns in self.frames:
            found = make_detections(masks) if masks else Detections.empty(HEIGHT_PX, WIDTH_PX)
            ids = [TARGET_STRIDE * (index in self.targets) for index in range(len(masks))]
            found = replace(
                found,
                scores=np.full(len(masks), score, np.float32),
                class_ids=np.array(ids, np.int64),
            )
            moments.append(observe_frame(image, found, time_ns))
            given.append(found.masks)
        if config.memory.mode == "both":
            return [
                line.persons_in(m)
                for line, m in iter_with_lookahead(moments, config, make_tracker_factory(config))
            ]
        stream = OnlineStream(config, make_tracker_factory(config))
        return [stream.persons_in(*each) for each in zip(moments, given, strict=True)]


def make_config(**overrides: object) -> Config:
    named = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_config(overrides={"inpaint.method": "fill", **named})


def make_tracker_factory(config: Config) -> Callable[[], Tracker]:
    return lambda: build_tracker(config)


def merge_masks(persons: FramePersons) -> Mask:
    """(H, W) bool: everybody's pixels, before they are dilated."""
    masks = persons.detections.masks
    return masks.any(axis=0) if len(masks) else np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_)


def make_observation(mask: Mask, time_s: float = 0) -> PersonObservation:
    (found,) = observe_persons(make_detections([mask]), round(time_s * NS_PER_S))
    return found


def paste_window(window: Roi, mask: Mask) -> Mask:
    image = np.zeros((HEIGHT_PX, WIDTH_PX), np.bool_)
    image[window.slices] = mask
    return image


def covered_ratio(cover: Mask, person: Mask) -> float:
    return np.count_nonzero(cover & person) / np.count_nonzero(person)


def make_walk(
    frames: int, missed: set[int], speed_px: float = 4
) -> tuple[FrameSequence, list[Mask]]:
    """Return a person who walks to the right and is missed in some frames."""
    film, truth = (
        FrameSequence(),
        [make_person_mask(60 + speed_px * index) for index in range(frames)],
    )
    for index, person in enumerate(truth):
        film.add_frame([] if index in missed else [person])
    return film, truth


def choose_street(*, before: bool) -> RgbImage:
    return STREET if before else OTHER_STREET


masks = st.builds(
    make_person_mask,
    st.integers(-20, WIDTH_PX),
    st.integers(0, HEIGHT_PX - 60),
    st.integers(10, 60),
)


frames = st.lists(
    st.tuples(
        st.lists(masks, max_size=3),
        st.sampled_from([STEP_NS, STEP_NS, STEP_NS, 1, 3 * STEP_NS, 50 * STEP_NS, -STEP_NS, 0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
