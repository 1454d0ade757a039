"""What the core needs from the models, and nothing more."""

from collections.abc import Sequence
from typing import Protocol

from anon_ros.core.types import Crop, Detections, InpaintFailure, RgbImage


class Segmenter(Protocol):
    """Finds the persons of a frame."""

    def segment(self, image: RgbImage) -> Detections:
        """Return every person of ``image``, with masks at its full resolution.

        The arrays are new ones, the caller's from then on.

        Raising means that the persons are not known: the frame will not be published.
        """
        ...


class Inpainter(Protocol):
    """Draws somebody, or something, else where a person was."""

    def inpaint(self, crops: Sequence[Crop]) -> Sequence[RgbImage | InpaintFailure]:
        """Return one image per crop, of the crop's shape, or why there is none.

        Pixels under the crop's mask replace the person; those around it are blended into the
        feather, and should show the surroundings.

        An answer must not depend on the other crops of the batch, but for rounding. Raising loses
        no frame: the caller covers the persons it concerns.
        """
        ...
