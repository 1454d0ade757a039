"""What ``anon_ros models`` tells. Imports no model library."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from anon_ros.config import Config
from anon_ros.errors import ModelError
from anon_ros.models.features.inception import (
    INCEPTION_FILE,
    fetch_inception_command,
    find_inception_weights,
)
from anon_ros.models.features.lpips import LPIPS_FILE, fetch_lpips_command, find_lpips_weights
from anon_ros.models.inpainting.classical import CLASSICAL
from anon_ros.models.weights.locate import (
    fetch_pipeline_command,
    fetch_weights_command,
    find_lora,
    find_pipeline,
    find_vae,
    find_weights,
)
from anon_ros.utils.files import sha256_of_file


@dataclass(frozen=True)
class RequiredModel:
    """One model that a configuration needs.

    Attributes:
        parameter: that names it, for example "detect.weights".
        name: the parameter's value.
        license: of the model, not of anon_ros.
        path: where it was found; None if it is missing.
        size_bytes: of all its files; 0 if it is missing.
        problem: why it cannot be used and what to do, in one line; empty if it was found.
        fetch_command: the command that fetches it on a connected machine; empty if none is known.
    """

    parameter: str
    name: str
    license: str
    path: Path | None
    size_bytes: int
    problem: str
    fetch_command: str


def required_models(config: Config) -> list[RequiredModel]:
    """Every model that ``config`` needs, found or not."""
    weights, inpaint = config.detect.weights, config.inpaint
    needed = [
        _look_up(
            "detect.weights",
            weights,
            "AGPL-3.0 (Ultralytics)",
            lambda: find_weights(weights),
            fetch_weights_command(weights),
        )
    ]
    if inpaint.method not in CLASSICAL:
        needed.append(
            _look_up(
                "inpaint.model",
                inpaint.model,
                "OpenRAIL++-M (Stable Diffusion)",
                lambda: find_pipeline(inpaint.model, inpaint.revision),
                fetch_pipeline_command(inpaint.model, inpaint.revision),
            )
        )
        needed += [
            _look_up(
                f"inpaint.{part}",
                name,
                "see its model card",
                partial(find, name),
                fetch_pipeline_command(name, ""),
            )
            for part, name, find in (
                ("vae", inpaint.vae, find_vae),
                ("lora", inpaint.lora, find_lora),
            )
            if name
        ]
    return needed


def evaluation_models() -> list[RequiredModel]:
    """What ``anon_ros evaluate quality`` takes if it is there."""
    rows = (
        (
            "--inception-weights",
            INCEPTION_FILE,
            "Apache-2.0",
            find_inception_weights,
            fetch_inception_command(),
        ),
        (
            "--lpips-weights",
            LPIPS_FILE,
            "BSD-3-Clause (torchvision)",
            find_lpips_weights,
            fetch_lpips_command(),
        ),
    )
    return [
        _look_up(flag, name, licence, partial(find, ""), fetch)
        for flag, name, licence, find, fetch in rows
    ]


def model_hashes(config: Config) -> list[dict[str, str]]:
    """Parameter, name, path, licence and SHA-256 of each model that ``config`` needs.

    A folder's hash is that of its files' names and hashes, in the order of their names.

    Raises:
        ModelError: if one is missing.
    """
    found = []
    for model in required_models(config):
        if model.path is None:
            raise ModelError(model.problem)
        found.append(
            {
                "parameter": model.parameter,
                "name": model.name,
                "path": str(model.path.absolute()),
                "licence": model.license,
                "sha256": _sha256(model.path),
            }
        )
    return found


def _look_up(
    parameter: str, name: str, licence: str, find: Callable[[], Path], fetch: str
) -> RequiredModel:
    try:
        path = find()
    except ModelError as error:
        return RequiredModel(parameter, name, licence, None, 0, str(error), fetch)
    return RequiredModel(parameter, name, licence, path, _size_bytes(path), "", fetch)


def _size_bytes(path: Path) -> int:
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def _sha256(path: Path) -> str:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        lines = "".join(f"{file.relative_to(path).as_posix()} {_sha256(file)}\n" for file in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    known = path.stat()
    return _sha256_of(path, known.st_size, known.st_mtime_ns)


@lru_cache  # gigabytes, and a report asks for them several times
def _sha256_of(path: Path, _size_bytes: int, _changed_ns: int) -> str:
    return sha256_of_file(path)
