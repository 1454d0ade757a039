"""Interfaces between the core and the models."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from anon_ros.core.types import Crop, Detections, InpaintFailure, RgbImage


class Segmenter(Protocol):
    """Finds the persons of a frame."""

    def segment(self, image: RgbImage) -> Detections:
        """Return every person of ``image``, with masks at its full resolution.

        The arrays are new ones, the caller's from then on.

        Raising means that the persons are not known: the frame will not be published.
        """
        ...


@runtime_checkable
class BatchSegmenter(Segmenter, Protocol):
    """A Segmenter that can take several frames, of any sizes, in a joint call."""

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call; 1 if more gain nothing."""
        ...

    def segment_batch(self, images: Sequence[RgbImage]) -> Sequence[Detections]:
        """Return for each image what ``segment`` returns, but for rounding.

        Raising loses no frame: each is tried again alone. A subclass with another ``segment`` needs
        another of these, too.
        """
        ...


class Inpainter(Protocol):
    """Draws something else in a person's place."""

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call; 1 if more only delay the first."""
        ...

    @property
    def draws_persons(self) -> bool:
        """True if it draws synthetic persons, from the image that a crop shows."""
        ...

    @property
    def keeps_grid(self) -> bool:
        """True if its result depends on the size of a crop, which should then be stable."""
        ...

    def inpaint(self, crops: Sequence[Crop]) -> Sequence[RgbImage | InpaintFailure]:
        """Return one image per crop, of the crop's shape, or a failure.

        Pixels under the crop's mask replace the person; those around it are blended into the
        feather, and should show the surroundings.

        A result must not depend on the other crops of the batch, but for rounding. Raising loses
        no frame: the caller covers the persons it concerns.
        """
        ...
