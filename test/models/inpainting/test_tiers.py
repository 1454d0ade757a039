"""Two models in one frame: SDXL for large persons, the generator for small ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anon_ros.config import Config, MaskConfig, find_profile, get_value, load_config
from anon_ros.core import (
    AnonymizedFrame,
    Anonymizer,
    Crop,
    FramePersons,
    InpaintFailure,
    OutcomeKind,
    RgbImage,
    Roi,
    Tier,
)
from anon_ros.errors import ModelError
from anon_ros.models import build_inpainter, required_models
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from anon_ros.models.inpainting.tiers import TieredInpainter
from helpers.arrays import inpaint_noise, make_detections, make_rectangle
from helpers.fake_models import FixedSegmenter

# Height and width of the persons, and who draws them below 60 px with min_person_px = 20.
PERSONS = [
    ((80, 30), Tier.MAIN),
    ((40, 30), Tier.SMALL),
    ((80, 12), Tier.SMALL),
    ((80, 7), None),
]


def make_config(**inpaint: object) -> Config:
    settings = {"small_model": "generator", "small_below_px": 60, "min_person_px": 20} | inpaint
    return load_config(overrides={"inpaint": settings, "compute": {"device": "cpu"}})


def make_persons() -> tuple[RgbImage, list[np.ndarray]]:
    image = np.random.default_rng(0).integers(0, 256, (100, 240, 3), np.uint8)
    masks = [
        make_rectangle(100, 240, slice(10, 10 + height), slice(x, x + width))
        for ((height, width), _), x in zip(PERSONS, (10, 80, 140, 200), strict=True)
    ]
    return image, masks


@dataclass
class Recorder:
    """An inpainter that draws noise, or fails, and remembers whom."""

    error: Exception | None = None
    drawn: list[Crop] = field(default_factory=list)
    max_batch: int = 8
    fallbacks: dict[str, int] = field(default_factory=dict)

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        self.drawn += crops
        if self.error and crops:
            raise self.error
        return [inpaint_noise(crop) for crop in crops]


def anonymize(
    main: Recorder, small: Recorder, config: Config, windows: list[Roi | None] | None = None
) -> AnonymizedFrame:
    image, masks = make_persons()
    tiered: Any = TieredInpainter
    inpainter = tiered(main, small)
    detections = make_detections(masks)
    subject = Anonymizer(FixedSegmenter(detections), inpainter, MaskConfig(), config.inpaint)
    nobody: list[None] = [None] * len(masks)
    persons = FramePersons(detections, range(len(masks)), nobody, windows or nobody)
    (result,) = subject.inpaint_frames([subject.cover_persons(image, persons)])
    assert isinstance(result, AnonymizedFrame)
    assert not (np.equal(result.image, image).all(axis=2) & np.any(masks, axis=0)).any()
    return result


def test_height_chooses_model() -> None:
    main, small = Recorder(), Recorder()
    result = anonymize(main, small, make_config())
    assert [outcome.tier for outcome in result.outcomes] == [tier for _, tier in PERSONS]
    assert [crop.seed for crop in main.drawn] == [0]
    assert [crop.seed for crop in small.drawn] == [1, 2]
    assert result.outcomes[3].reason_text == "7x80 px is below 8"


@pytest.mark.parametrize("change", [{"small_model": ""}, {"method": "fill"}])
def test_no_small_model_by_default(change: dict[str, object]) -> None:
    main, small = Recorder(), Recorder()
    result = anonymize(main, small, make_config(**change))
    assert [o.tier for o in result.outcomes] == [Tier.MAIN, Tier.MAIN, None, None]
    assert not small.drawn
    assert not load_config().inpaint.has_small_model


def test_steady_window_chooses_model() -> None:
    """Frame by frame the outline trembles around the threshold; the window does not."""
    windows = [Roi(10, 5, 42, 53), Roi(80, 5, 112, 69), None, None]
    result = anonymize(Recorder(), Recorder(), make_config(), windows)
    assert [o.tier for o in result.outcomes][:2] == [Tier.SMALL, Tier.MAIN]


@pytest.mark.parametrize("failing", list(Tier))
def test_failure_of_one_model_covers_its_persons(failing: Tier) -> None:
    recorders = {tier: Recorder(ModelError("boom") if tier is failing else None) for tier in Tier}
    result = anonymize(recorders[Tier.MAIN], recorders[Tier.SMALL], make_config())
    for outcome, (_, tier) in zip(result.outcomes, PERSONS, strict=True):
        is_covered = tier in {failing, None}
        assert outcome.kind is (OutcomeKind.COVERED if is_covered else OutcomeKind.INPAINTED)
        assert outcome.tier is (None if is_covered else tier)
        assert ("boom" in outcome.reason_text) == (tier is failing)


def test_fallbacks_of_both_models_counted() -> None:
    tiered: Any = TieredInpainter
    main, small = Recorder(fallbacks={"a": 1, "b": 2}), Recorder(fallbacks={"b": 3})
    assert dict(tiered(main, small).fallbacks) == {"a": 1, "b": 5}


def test_each_model_draws_as_alone(tiny_sdxl: Path, bus_rgb: RgbImage) -> None:
    config = make_config(model=str(tiny_sdxl), generate_px=64, steps=5, prompt="a person")
    inpainter = build_inpainter(config)
    assert isinstance(inpainter, TieredInpainter)
    image = np.ascontiguousarray(bus_rgb[400:460, 60:90])
    mask = make_rectangle(60, 30, slice(10, 50), slice(8, 22))
    tiers = [Tier.SMALL, Tier.MAIN, Tier.SMALL]
    crops = [
        Crop(image, mask, mask, Roi(60, 400, 90, 460), seed, tier=tier)
        for seed, tier in enumerate(tiers)
    ]
    alone = [
        (inpainter.main if crop.tier is Tier.MAIN else inpainter.small).inpaint([crop])[0]
        for crop in crops
    ]
    for expected, drawn in zip(alone, inpainter.inpaint(crops), strict=True):
        assert np.abs(np.asarray(expected, int) - np.asarray(drawn, int)).max() <= 1
    assert not np.array_equal(alone[0], alone[1])
    sizes = [network.diffusion.vae_scale_factor for network in (inpainter.main, inpainter.small)]
    assert sizes == [8, 4]


def test_change_reaches_both_models(tiny_sdxl: Path) -> None:
    config = make_config(model=str(tiny_sdxl), generate_px=64, steps=5, prompt="a person")
    inpainter = build_inpainter(config)
    assert isinstance(inpainter, TieredInpainter)
    after = make_config(model=str(tiny_sdxl), generate_px=64, steps=5, prompt="x", beta_d=0.8)
    assert inpainter.reconfigure(config.inpaint, after.inpaint)
    starts = [part.noise_schedule.timesteps[0] for part in (inpainter.main, inpainter.small)]
    assert starts == [799, 799]


def test_small_model_runs_at_any_noise_level() -> None:
    small = make_config(beta_d=0.05).inpaint.for_small_model()
    assert int(small.steps * small.beta_d + 1e-6) == 1


def test_small_model_has_settings_of_street_profile() -> None:
    street = load_config(find_profile("street"))
    small = make_config().inpaint.for_small_model()
    for name in vars(small):
        if name not in {"revision", "small_below_px"}:
            assert getattr(small, name) == get_value(street, f"inpaint.{name}"), name


def test_missing_small_model_named(tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = []
    monkeypatch.setattr(DiffusionInpainter, "release", lambda main: released.append(id(main)))
    config = make_config(model=str(tiny_sdxl), small_model="/no/model", generate_px=64)
    with pytest.raises(ModelError, match=r"^inpaint\.small_model: no directory /no/model"):
        build_inpainter(config)
    assert len(released) == 1
    *_, model = required_models(config)
    assert (model.parameter, model.path) == ("inpaint.small_model", None)
    assert model.problem.startswith("inpaint.small_model: no directory /no/model")


def test_damaged_small_model_named(tiny_sdxl: Path, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{")
    config = make_config(model=str(tiny_sdxl), small_model=str(tmp_path), generate_px=64)
    *_, model = required_models(config)
    assert model.problem.startswith(f"inpaint.small_model: {tmp_path}/model_index.json")
    assert "inpaint.model" not in model.problem
