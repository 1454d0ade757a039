"""The models in memory from one configuration to the next, with real ones."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anon_ros.config import Config, load_config
from anon_ros.core import TARGET_STRIDE, Crop, RgbImage, Roi
from anon_ros.errors import ModelError
from anon_ros.models import ModelCache, build_tracking_anonymizer
from anon_ros.models.inpainting.diffusion_inpainter import DiffusionInpainter
from helpers.arrays import make_detections
from helpers.fake_models import FixedSegmenter
from helpers.graphs import FakeRecorder


@pytest.fixture
def base_overrides(demo_weights: Path, tiny_sdxl: Path) -> dict[str, Any]:
    return {
        "detect.weights": str(demo_weights),
        "detect.inference_px": 320,
        "inpaint.model": str(tiny_sdxl),
        "inpaint.method": "sdxl",
        "inpaint.steps": 5,
        "inpaint.generate_px": 64,
        "memory.mode": "off",  # else whoever reaches track.low_confidence is told
    }


def make_config(base: dict[str, Any], **changes: Any) -> Config:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return load_config(overrides=base | named)


@pytest.mark.parametrize(
    "change",
    [
        {"inpaint__beta_d": 1.0},
        {"inpaint__steps": 10},
        {"inpaint__prompt": "a robot"},
        {"inpaint__negative_prompt": "a cat"},
        {"detect__confidence": 0.6},
        {"detect__inference_px": 640},
        {"mask__dilate_ratio": 0.2},
        {"inpaint__beta_d": 0.2, "inpaint__prompt": "x", "detect__nms_iou": 0.5},
    ],
)
def test_change_equals_reload(
    base_overrides: dict[str, Any], change: dict[str, Any], bus_rgb: RgbImage
) -> None:
    image = np.ascontiguousarray(bus_rgb[::2, ::2])
    models = ModelCache()
    first = models.anonymizer(make_config(base_overrides))
    before = first.anonymize(image).image
    after = make_config(base_overrides, **change)
    changed = models.anonymizer(after)
    assert changed.inpainter is first.inpainter
    assert changed.segmenter.backend.network is first.segmenter.backend.network
    result = changed.anonymize(image).image
    assert np.array_equal(result, build_tracking_anonymizer(after).anonymize(image).image)
    assert not np.array_equal(result, before)
    back = models.anonymizer(make_config(base_overrides)).anonymize(image).image
    assert np.array_equal(back, before)


DRAWN = {
    "targets.car.classes": ["fallen person"],
    "targets.car.action": "inpaint",
    "targets.car.prompt": "a bus",
}


@pytest.mark.parametrize(
    ("targets", "change"),
    [
        ({}, {"inpaint__beta_d": 1.0}),
        ({}, {"inpaint__prompt": "a robot"}),
        ({}, {"inpaint__steps": 10}),
        ({}, {"inpaint__beta_d": 1.0, "inpaint__prompt": "a bus"}),
        ({"targets.car.beta_d": 0.4}, {"inpaint__prompt": "a robot"}),
        ({"targets.car.beta_d": 0.4}, {"inpaint__beta_d": 0.4}),
    ],
)
def test_targets_follow_a_change(
    base_overrides: dict[str, Any],
    targets: dict[str, Any],
    change: dict[str, Any],
    bus_rgb: RgbImage,
) -> None:
    """What a target does not set is that of persons, now as after a reload."""
    image = np.ascontiguousarray(bus_rgb[::2, ::2])
    mask = np.zeros((2, *image.shape[:2]), np.bool_)
    mask[0, 100:200, 50:150] = mask[1, 300:400, 200:300] = True
    scene = FixedSegmenter(
        replace(make_detections(mask), class_ids=np.array([0, TARGET_STRIDE], np.int64))
    )
    base, models = base_overrides | DRAWN | targets, ModelCache()
    first = models.anonymizer(make_config(base))
    before = replace(first, segmenter=scene).anonymize(image).image
    after = make_config(base, **change)
    changed = models.anonymizer(after)
    assert changed.inpainter is first.inpainter
    assert changed.segmenter.backend.network is first.segmenter.backend.network
    result = replace(changed, segmenter=scene).anonymize(image).image
    reloaded = replace(ModelCache().anonymizer(after), segmenter=scene)
    assert np.array_equal(result, reloaded.anonymize(image).image)
    assert not np.array_equal(result, before)
    back = replace(models.anonymizer(make_config(base)), segmenter=scene)
    assert np.array_equal(back.anonymize(image).image, before)


def test_other_method_frees_diffusion(base_overrides: dict[str, Any]) -> None:
    models = ModelCache()
    gone = weakref.ref(models.anonymizer(make_config(base_overrides)).inpainter.diffusion.unet)
    assert gone() is not None
    models.anonymizer(make_config(base_overrides, inpaint__method="fill"))
    gc.collect()
    assert gone() is None


def test_release_drops_all_models(base_overrides: dict[str, Any]) -> None:
    models = ModelCache()
    anonymizer = models.anonymizer(make_config(base_overrides))
    gone = [
        weakref.ref(anonymizer.inpainter.diffusion.unet),
        weakref.ref(anonymizer.segmenter.backend.network),
    ]
    del anonymizer
    models.release()
    gc.collect()
    assert [each() for each in gone] == [None, None]


@pytest.mark.parametrize("change", [{"inpaint__method": "fill"}, {"inpaint__generate_px": 128}, {}])
def test_graphs_end_with_their_networks(
    base_overrides: dict[str, Any],
    change: dict[str, Any],
    bus_rgb: RgbImage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = FakeRecorder()
    module = "anon_ros.models.inpainting.diffusion_inpainter"
    monkeypatch.setattr(f"{module}.make_recorder", lambda _: recorder)
    base = base_overrides | {"compute.compile_mode": "graphs"}
    models = ModelCache()
    models.run_idle_work()
    inpainter = models.anonymizer(make_config(base)).inpainter
    mask = np.ones(bus_rgb.shape[:2], np.bool_)
    crop = Crop(bus_rgb, mask, mask, Roi(0, 0, bus_rgb.shape[1], bus_rgb.shape[0]), 0)
    inpainter.inpaint([crop])
    models.run_idle_work()
    assert len(recorder.graphs) == 1
    models.anonymizer(make_config(base, inpaint__prompt="a robot"))  # the same networks
    inpainter.inpaint([crop])
    assert recorder.graphs[0].num_replays > 0
    if change:
        models.anonymizer(make_config(base, **change))
    else:
        models.release()
    with pytest.raises(RuntimeError, match="released"):
        inpainter.inpaint([crop])


def test_lora_prompt_reloads_model(base_overrides: dict[str, Any], tiny_lora: Path) -> None:
    with_lora = base_overrides | {"inpaint.lora": str(tiny_lora)}
    models = ModelCache()
    first = models.anonymizer(make_config(with_lora)).inpainter
    assert models.anonymizer(make_config(with_lora, inpaint__seed=1)).inpainter is first
    assert models.anonymizer(make_config(with_lora, inpaint__prompt="x")).inpainter is not first


def test_cache_survives_failed_change(
    base_overrides: dict[str, Any], bus_rgb: RgbImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.ascontiguousarray(bus_rgb[::2, ::2])
    models = ModelCache()
    inpainter = models.anonymizer(make_config(base_overrides)).inpainter
    released = []
    monkeypatch.setattr(inpainter, "release", lambda: released.append(inpainter))
    wanted = make_config(base_overrides, inpaint__prompt="a robot", detect__confidence=0.6)

    def gone(*_: object) -> None:
        message = "the text encoders are gone"
        raise ModelError(message)

    with monkeypatch.context() as patch:
        patch.setattr("anon_ros.models.inpainting.diffusion_inpainter.encode_prompts", gone)
        with pytest.raises(ModelError, match="gone"):
            models.anonymizer(wanted)
    assert released == [inpainter]
    result = models.anonymizer(
        make_config(base_overrides, inpaint__prompt="a robot", detect__confidence=0.6)
    )
    expected = build_tracking_anonymizer(wanted).anonymize(image).image
    assert np.array_equal(result.anonymize(image).image, expected)


def test_prompt_encoded_anew_if_memory_does_not_suffice_beside_the_unet(
    base_overrides: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ModelCache()
    first = models.anonymizer(make_config(base_overrides)).inpainter

    def fail(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr("anon_ros.models.inpainting.diffusion_inpainter.encode_prompts", fail)
    second = models.anonymizer(make_config(base_overrides, inpaint__prompt="a robot")).inpainter
    assert isinstance(second, DiffusionInpainter)
    assert second is not first


def test_fallbacks_counted(base_overrides: dict[str, Any]) -> None:
    models = ModelCache()
    assert models.fallbacks == {}
    models.anonymizer(make_config(base_overrides)).inpainter.fallbacks["out of GPU memory"] += 2
    assert models.fallbacks == {"out of GPU memory": 2}
    models.release()
    assert models.fallbacks == {}
