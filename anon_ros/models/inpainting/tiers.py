"""Two inpainters in one: a model for small persons beside the main one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anon_ros.config import InpaintConfig, Style
from anon_ros.core import Crop, InpaintFailure, RgbImage, Tier
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter


@dataclass(frozen=True)
class TieredInpainter:
    """An Inpainter that draws each crop with the model of its tier."""

    main: DiffusionInpainter
    small: DiffusionInpainter

    @property
    def max_batch(self) -> int:
        """The number of frames that are worth a joint call."""
        return max(self.main.max_batch, self.small.max_batch)

    @property
    def draws_persons(self) -> bool:
        """True: every result shows a synthetic person."""
        return True

    @property
    def keeps_grid(self) -> bool:
        """True: a person's size in a crop changes the result, so crop windows should be stable."""
        return True

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """The number of times that memory did not suffice, by reason, of both models."""
        return Counter(self.main.fallbacks) + Counter(self.small.fallbacks)

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        """Return one image per crop, of its shape, or the failure."""
        results: dict[int, RgbImage | InpaintFailure] = {}
        for tier, inpainter in ((Tier.MAIN, self.main), (Tier.SMALL, self.small)):
            indices = [index for index, crop in enumerate(crops) if crop.tier is tier]
            inpainted = inpainter.inpaint([crops[index] for index in indices])
            results |= zip(indices, inpainted, strict=True)
        return [results[index] for index in range(len(crops))]

    def run_idle_work(self) -> None:
        """Record graphs of the sizes that came up."""
        for inpainter in (self.main, self.small):
            inpainter.run_idle_work()

    def release(self) -> None:
        """Drop graphs and compiled code of both models."""
        for inpainter in (self.main, self.small):
            inpainter.release()

    def reconfigure(
        self, before: InpaintConfig, after: InpaintConfig, styles: Sequence[Style] = ()
    ) -> bool:
        """Adopt noise schedules and prompts; return False if that needs a reload.

        Args:
            before: adopted so far.
            after: to adopt.
            styles: of the main model, beside that of persons.

        Raises:
            ModelError: if a schedule cannot start at a ``beta_d``, or the text encoders are
                missing.
        """
        return self.main.reconfigure(before, after, styles) and self.small.reconfigure(
            before.for_small_model(), after.for_small_model()
        )
