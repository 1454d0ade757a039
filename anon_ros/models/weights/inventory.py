"""The models of a configuration, as ``anon_ros models`` lists them. Imports no model library."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anon_ros.config import GENERATOR, Config, InpaintConfig
from anon_ros.errors import ModelError
from anon_ros.models.weights.digest import hash_model
from anon_ros.models.weights.generator import GENERATOR_LICENSE, find_generator
from anon_ros.models.weights.locate import (
    INCEPTION_WEIGHTS,
    LPIPS_WEIGHTS,
    fetch_pipeline_command,
    fetch_weights_command,
    find_lora,
    find_pipeline,
    find_vae,
    find_weights,
    is_ultralytics_name,
)


@dataclass(frozen=True)
class RequiredModel:
    """A model that a configuration needs.

    Attributes:
        parameter: the parameter or flag that names it, for example "detect.weights".
        name: the parameter's value.
        license: of the model, not of anon_ros.
        path: its file or directory; None if it is missing.
        size_bytes: of all its files; 0 if it is missing.
        problem: the reason and the remedy if it is missing, in one line; else empty.
        fetch_command: the command that fetches it on a connected machine, or empty.
    """

    parameter: str
    name: str
    license: str
    path: Path | None
    size_bytes: int
    problem: str
    fetch_command: str


def required_models(config: Config) -> list[RequiredModel]:
    """Return every model that ``config`` needs, present or missing."""
    return [*map(_look_up_detector, config.detect.weights), *_look_up_diffusion(config.inpaint)]


def _look_up_detector(weights: str) -> RequiredModel:
    return _look_up(
        "detect.weights",
        weights,
        "AGPL-3.0 (Ultralytics)" if is_ultralytics_name(weights) else "Apache-2.0 (RF-DETR)",
        lambda: find_weights(weights),
        fetch_weights_command(weights),
    )


def _look_up_diffusion(inpaint: InpaintConfig) -> Iterator[RequiredModel]:
    if not inpaint.is_diffusion:
        return
    yield _look_up(
        "inpaint.model",
        inpaint.model,
        _get_license(inpaint.model),
        lambda: find_pipeline(inpaint.model, inpaint.revision),
        fetch_pipeline_command(inpaint.model, inpaint.revision),
    )
    if inpaint.has_small_model:
        yield _look_up(
            "inpaint.small_model",
            inpaint.small_model,
            _get_license(inpaint.small_model),
            lambda: find_pipeline(inpaint.small_model, "", "inpaint.small_model"),
            fetch_pipeline_command(inpaint.small_model, ""),
        )
    parts = ("vae", inpaint.vae, find_vae), ("lora", inpaint.lora, find_lora)
    for part, name, find in parts:
        if name:
            yield _look_up(
                f"inpaint.{part}",
                name,
                "see its model card",
                partial(find, name),
                fetch_pipeline_command(name, ""),
            )


def _get_license(model: str) -> str:
    return GENERATOR_LICENSE if model == GENERATOR else "OpenRAIL++-M (Stable Diffusion)"


def shipped_model() -> RequiredModel:
    """Return the generator, which no configuration takes unless it names it."""
    return _look_up("inpaint.model", GENERATOR, GENERATOR_LICENSE, find_generator, "")


def evaluation_models() -> list[RequiredModel]:
    """Return the models that ``anon_ros evaluate quality`` can use."""
    files = ("--inception-weights", INCEPTION_WEIGHTS), ("--lpips-weights", LPIPS_WEIGHTS)
    return [
        _look_up(flag, file.name, file.license, partial(file.find, ""), file.fetch_command)
        for flag, file in files
    ]


def model_hashes(config: Config) -> list[dict[str, str]]:
    """Return parameter, name, path, license and SHA-256 of each model that ``config`` needs.

    Raises:
        ModelError: if a model is missing.
    """
    entries = []
    for model in required_models(config):
        if model.path is None:
            raise ModelError(model.problem)
        entries.append(
            {
                "parameter": model.parameter,
                "name": model.name,
                "path": str(model.path.absolute()),
                "licence": model.license,
                "sha256": hash_model(model.path),
            }
        )
    return entries


def _look_up(
    parameter: str, name: str, license_: str, find: Callable[[], Path], command: str
) -> RequiredModel:
    try:
        path = find()
    except ModelError as error:
        return RequiredModel(parameter, name, license_, None, 0, str(error), command)
    return RequiredModel(parameter, name, license_, path, _measure_bytes(path), "", command)


def _measure_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)
