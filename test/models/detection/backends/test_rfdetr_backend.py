"""The RF-DETR back-end against transformers' own processing, and untrusted or damaged folders."""

import json
import math
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from anon_ros.config import DetectionConfig
from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, SegmentationError
from anon_ros.models.detection.backends.backend import find_roi
from anon_ros.models.detection.backends.rfdetr_backend import RfDetrBackend
from anon_ros.models.detection.detector import PersonDetector
from anon_ros.models.detection.segmenter import PersonSegmenter
from helpers.detectors import (
    CPU,
    FixedQueries,
    load_segmenter,
    make_candidate,
    make_segmenter,
    save_rfdetr,
)

pytestmark = pytest.mark.usefixtures("no_network")

GRAY = np.zeros((640, 640, 3), np.uint8)
BOX = [320.0, 320.0, 100.0, 200.0]


@pytest.fixture
def street_rgb(vtest_rgb: dict[str, RgbImage]) -> RgbImage:
    return vtest_rgb["vtest0120"]


@pytest.fixture
def folder(tiny_rfdetr: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to damage."""
    return Path(shutil.copytree(tiny_rfdetr, tmp_path / "rfdetr"))


def edit_config(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "size_wh",
    [(1920, 1080), (1280, 720), (640, 480), (768, 576), (1080, 1920), (801, 1203), (1217, 333)],
)
def test_results_equal_transformers(
    tiny_rfdetr: Path, street_rgb: RgbImage, size_wh: tuple[int, int]
) -> None:
    image = np.asarray(cv2.resize(street_rgb, size_wh), np.uint8)
    # Random scores lie around 0.5: all queries are candidates, and none is spare for persons.
    segmenter = load_segmenter(
        tiny_rfdetr, inference_px=96, confidence=0.9, nms_iou=1.0, tiles="off"
    )
    found = segmenter.with_thresholds(segmenter.config, 0.001).segment(image)
    processor = transformers.RfDetrImageProcessor.from_pretrained(tiny_rfdetr)
    network = transformers.RfDetrForInstanceSegmentation.from_pretrained(tiny_rfdetr)
    with torch.inference_mode():
        output = network(processor(image, return_tensors="pt")["pixel_values"])
    output.logits = output.logits[..., 1:2]  # of persons
    (boxes,) = processor.post_process_object_detection(output, 0.0, [image.shape[:2]])
    (masks,) = processor.post_process_instance_segmentation(
        output, 0.0, target_sizes=[image.shape[:2]], return_binary_maps=True
    )
    assert found.scores == pytest.approx(boxes["scores"].numpy(), abs=1e-5)
    limits = np.tile(image.shape[1::-1], 2)
    assert found.boxes_xyxy == pytest.approx(boxes["boxes"].numpy().clip(0, limits), abs=0.01)
    theirs = masks["segmentation"].numpy()
    assert 0.02 < theirs.mean() < 0.98
    for mask, known, box in zip(found.masks, theirs, found.boxes_xyxy, strict=True):
        inside = find_roi(box, image.shape[1], image.shape[0]).slices
        known[inside] |= not known[inside].any()
        # Ours go on to a border two of 24 cells away. A few numbers lie around zero.
        y, x = (side // 12 + 1 for side in mask.shape)
        assert np.count_nonzero((mask != known)[y:-y, x:-x]) < 20


def test_mask_is_not_cut_at_its_box() -> None:
    image = GRAY.copy()
    image[100:540, 200:440] = 255
    (mask,) = (
        make_segmenter(make_candidate(BOX, [0, 0.5, 0]), backend="rfdetr").segment(image).masks
    )
    assert mask[110:530, 210:430].all()
    assert not mask[:95].any()


def test_mask_away_from_its_box_adds_the_box() -> None:
    image = GRAY.copy()
    image[:60, :60] = 255
    (mask,) = (
        make_segmenter(make_candidate(BOX, [0, 0.5, 0]), backend="rfdetr").segment(image).masks
    )
    assert mask[220:420, 270:370].all()
    assert mask[:50, :50].all()
    assert not mask[100:200].any()


@pytest.mark.parametrize("scores", [[0, 0.5, 0], [0.5, 0, 0]])
def test_no_spare_query_fails_frame(scores: list[float]) -> None:
    """Things of any class take up queries that a person would need."""
    columns = torch.stack([make_candidate(BOX, scores)] * 5, dim=1)
    backend = RfDetrBackend(FixedQueries(columns, spare_queries=0), [1], CPU)
    segmenter = PersonSegmenter(backend, DetectionConfig())
    with pytest.raises(SegmentationError, match=r"all 5 queries .* more queries"):
        segmenter.segment(GRAY)
    segmenter.with_thresholds(DetectionConfig(confidence=0.6), None).segment(GRAY)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("part", ["logits", "boxes", "masks"])
def test_non_finite_part_fails_frame(part: str, value: float) -> None:
    class Broken(FixedQueries):
        def __call__(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            parts = dict(zip(("logits", "boxes", "masks"), super().__call__(batch), strict=True))
            parts[part] = parts[part].clone()
            parts[part][0, -2].view(-1)[0] = value  # the duplicate's, who is dropped
            return parts["logits"], parts["boxes"], parts["masks"]

    network = Broken(torch.stack([make_candidate(BOX, [0, s, 0]) for s in (0.5, 0.4)], dim=1))
    segmenter = PersonSegmenter(RfDetrBackend(network, [1], CPU), DetectionConfig())
    with pytest.raises(SegmentationError, match="NaN"):
        segmenter.segment(GRAY)


def test_input_is_whole_windows(tiny_rfdetr: Path) -> None:
    network = RfDetrBackend.load(tiny_rfdetr, 640, "cpu").network
    assert [network.plan_side_px(px) for px in (32, 33, 96, 97, 640)] == [32, 48, 96, 112, 640]
    with pytest.raises(ModelError, match=r"inference_px: 16 px .* 12 queries .* take 32 or more"):
        network.plan_side_px(16)


def test_too_small_an_input_refused(tmp_path: Path) -> None:
    path = save_rfdetr(tmp_path, num_queries=100)
    with pytest.raises(ModelError, match="take 80 or more"):
        load_segmenter(path, inference_px=64)
    segmenter = load_segmenter(path, inference_px=80)
    segmenter.segment(GRAY)
    smaller = replace(segmenter.config, inference_px=64)
    with pytest.raises(SegmentationError, match="take 80 or more"):
        segmenter.with_thresholds(smaller, None).segment(GRAY)


def test_boxes_for_evaluation(tiny_rfdetr: Path, street_rgb: RgbImage) -> None:
    config = DetectionConfig((str(tiny_rfdetr),), inference_px=96)
    boxes, scores = PersonDetector.load(config, "cpu").detect(street_rgb)
    assert boxes.shape == (len(scores), 4)
    assert len(scores) > 0


@pytest.mark.parametrize(
    ("backend", "is_allowed"), [("auto", True), ("rfdetr", True), ("ultralytics", False)]
)
def test_backend_fits_weights(tiny_rfdetr: Path, backend: str, *, is_allowed: bool) -> None:
    config = DetectionConfig((str(tiny_rfdetr),), backend)
    if is_allowed:
        assert isinstance(PersonSegmenter.load(config, "cpu").backend, RfDetrBackend)
    else:
        with pytest.raises(ModelError, match=r"not for detect\.backend = ultralytics"):
            PersonSegmenter.load(config, "cpu")


def test_file_refused_by_rfdetr(tmp_path: Path) -> None:
    path = tmp_path / "rf-detr-seg-large.pt"
    path.touch()
    with pytest.raises(ModelError, match=r"not for detect\.backend = rfdetr; .* directory of"):
        PersonSegmenter.load(DetectionConfig((str(path),), "rfdetr"), "cpu")


def test_unknown_class_lists_classes(tiny_rfdetr: Path) -> None:
    with pytest.raises(ModelError, match=r"has no dog; it has LABEL_0, person, bicycle"):
        load_segmenter(tiny_rfdetr, classes=("person", "dog"))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda v: v.update(model_type="detr"), "not for detect.backend"),
        (lambda v: v["backbone_config"].update(model_type="swin"), "on swin, not rf_detr"),
        (lambda v: v.update(d_model="wide"), "cannot be loaded"),
        (lambda v: v.update(backbone_config=3), "cannot be loaded"),
        (lambda v: v.update(decoder_layers=3), "lacks .* of the network's weights"),
        (lambda v: v.update(d_model=64), "cannot be loaded"),
    ],
)
def test_other_architecture_named(
    folder: Path, edit: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edit_config(folder, edit)
    with pytest.raises(ModelError, match=reason) as caught:
        load_segmenter(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[", "[1]", "null", "\udcff", "[" * 100_000])
def test_damaged_config_named(folder: Path, content: str) -> None:
    (folder / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ModelError, match=r"config\.json cannot be read") as caught:
        load_segmenter(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [{"image_mean": [0, 0]}, {"image_std": [1, 0, 1]}, {"image_mean": [0, 0, math.nan]}, [], 5],
)
def test_bad_normalization_named(folder: Path, values: object) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"image_mean|cannot be loaded"):
        load_segmenter(folder)


def test_normalization_is_optional(folder: Path) -> None:
    network = RfDetrBackend.load(folder, 640, "cpu").network
    (folder / "preprocessor_config.json").unlink()
    assert RfDetrBackend.load(folder, 640, "cpu").network.mean == network.mean


def test_missing_weights_are_not_random(folder: Path) -> None:
    """Transformers would fill them in by chance, and warn."""
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if "spatial_features_proj" in name)
    save_file(
        {name: values for name, values in weights.items() if name != lost},
        folder / "model.safetensors",
    )
    name = lost.removeprefix("segmentation_head.")
    with pytest.raises(ModelError, match=rf"lacks 1 of the network's weights, for example {name}"):
        load_segmenter(folder)


def test_detection_only_weights_refused(tmp_path: Path) -> None:
    path = save_rfdetr(tmp_path, kind=transformers.RfDetrForObjectDetection)
    with pytest.raises(ModelError, match=r"take instance segmentation weights \(-seg\)"):
        load_segmenter(path)


def test_damaged_weights_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not safe")
    with pytest.raises(ModelError, match=r"rfdetr cannot be loaded") as caught:
        load_segmenter(folder)
    assert "\n" not in str(caught.value)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"holds no \.safetensors file"):
        load_segmenter(folder)


def test_sharded_weights_load(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    for index in range(2):
        part = {name: weights[name] for name in sorted(weights)[index::2]}
        save_file(part, folder / f"model-{index + 1:05}-of-00002.safetensors")
    load_segmenter(folder).segment(GRAY)


class Trap:
    """A pickle that reports its own execution."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a pickle of an untrusted folder was executed",)


def test_untrusted_folder_runs_nothing(folder: Path, tmp_path: Path) -> None:
    """What transformers would follow elsewhere: code, kernels, pickles, adapters, other files."""
    edit_config(
        folder,
        lambda values: values.update(
            auto_map={"AutoConfig": "stranger.Config", "AutoModel": "stranger.Model"},
            _attn_implementation="stranger/kernel",
            attn_implementation="stranger/kernel",
            quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True},
            transformers_weights="../elsewhere.bin",
            fusion_config={"patch_embeddings": True},
        ),
    )
    (folder / "stranger.py").write_text("raise SystemExit('code of an untrusted folder')")
    adapter = {"base_model_name_or_path": str(tmp_path / "elsewhere"), "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    for name in ("pytorch_model.bin", "adapter_model.bin", ".metadata", "model.pth"):
        (folder / name).write_bytes(pickle.dumps(Trap()))
    load_segmenter(folder).segment(GRAY)
