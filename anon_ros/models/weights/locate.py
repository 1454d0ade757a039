"""Search for weights on this machine, with the command that fetches missing ones."""

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anon_ros.config import GENERATOR
from anon_ros.errors import ModelError
from anon_ros.models.weights.digest import hash_model
from anon_ros.models.weights.generator import GENERATOR_HINT, find_generator
from anon_ros.models.weights.offline import disable_network_access

_ULTRALYTICS_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
_ULTRALYTICS_NAME = re.compile(r"yolo(v8|v9|11|12|26)[ntsmlxce](-seg)?\.pt")
_RFDETR_NAME = re.compile(r"rf-detr-seg-(nano|small|medium|large|xlarge|2xlarge)")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_PARTS_WITHOUT_WEIGHTS = {"scheduler", "tokenizer", "tokenizer_2"}
_UNUSED_PARTS = {"safety_checker", "feature_extractor", "image_encoder"}


def models_directory() -> Path:
    """Return the directory of names without a slash: $ANON_ROS_MODELS."""
    directory = os.environ.get("ANON_ROS_MODELS") or "~/.local/share/anon_ros/models"
    return Path(directory).expanduser()


def find_weights(name: str, parameter: str = "detect.weights") -> Path:
    """Return the file of detection weights, or the directory of a model of transformers.

    Args:
        name: path, a name to look for, or a hub id in the cache.
        parameter: the parameter or flag that names it.

    Raises:
        ModelError: if there is none; names the searched paths and the command to fetch it.
    """
    candidates = _list_candidates(name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    directory = None if name.endswith(".pt") else _find_directory(name, "config.json", "")
    if directory is not None:
        return directory
    message = f"{parameter}: no file {_join_paths(candidates)}; {_suggest_weights(name)}"
    raise ModelError(message)


def find_weights_by_hash(sha256: Sequence[str]) -> list[str]:
    """Return the paths of the detection weights in the models directory with each SHA-256.

    A report may come from anybody, and weights can run code: a path in it is never loaded.

    Raises:
        ModelError: if there is none for one of them; names the flag that names weights.
    """
    return [str(_find_by_hash(digest)) for digest in sha256]


def _find_by_hash(sha256: str) -> Path:
    directories = (file.parent for file in models_directory().glob("*/config.json"))
    for path in sorted((*models_directory().glob("*.pt"), *directories)):
        if hash_model(path) == sha256:
            return path
    message = (
        f"detect.weights: nothing in {models_directory()} has the SHA-256 {sha256!r} that "
        "report.json names, and no path in it is loaded; name the weights: --detect.weights PATH"
    )
    raise ModelError(message)


def find_training_start(name: str, parameter: str) -> str:
    """Return the file of the weights that a training starts from; an architecture's name as is.

    Raises:
        ModelError: see ``find_weights``.
    """
    if Path(name).suffix in {".yaml", ".yml"}:
        return name
    path = find_weights(name, parameter)
    if path.is_dir():
        message = f"{parameter}: {path} is a directory; Ultralytics trains from a .pt file"
        raise ModelError(message)
    return str(path)


def is_ultralytics_name(name: str) -> bool:
    """Return True if detection weights of that name are a file, and no directory."""
    return name.endswith(".pt") or any(place.is_file() for place in _list_candidates(name))


def fetch_weights_command(name: str) -> str:
    """Return the command that fetches ``name``; empty for weights of unknown origin."""
    if _RFDETR_NAME.fullmatch(name):
        return fetch_pipeline_command(f"Roboflow/{name}", "")
    if not is_ultralytics_name(name) and _HUB_ID.fullmatch(name):
        return fetch_pipeline_command(name, "")
    target = _list_candidates(name)[-1]
    if not _ULTRALYTICS_NAME.fullmatch(target.name):
        return ""
    return (
        f"curl -fL --create-dirs -o {shlex.quote(str(target))} {_ULTRALYTICS_RELEASE}/{target.name}"
    )


def find_pipeline(model: str, revision: str, parameter: str = "inpaint.model") -> Path:
    """Return the directory of a diffusion model: "generator", a path, or a hub id in the cache.

    Args:
        model: value of ``parameter``.
        revision: commit of a hub id; empty for any.
        parameter: the parameter that names it.

    Raises:
        ModelError: if there is none or it is incomplete; names the command to fetch it.
    """
    if model == GENERATOR:
        return find_generator(parameter)
    candidates = _list_directories(model)
    directory = _find_directory(model, "model_index.json", revision)
    if directory is None:
        cache = " nor in the local hub cache" if _HUB_ID.fullmatch(model) else ""
        problem = f"no directory {_join_paths(candidates)}{cache}"
    else:
        problem = next(_find_defects(directory), "")
    if directory is None or problem:
        message = f"{parameter}: {problem}; {_suggest_pipeline(model, revision)}"
        raise ModelError(message)
    return directory


def fetch_pipeline_command(model: str, revision: str) -> str:
    """Return the command that fetches ``model``; empty for a directory."""
    if not _HUB_ID.fullmatch(model) or Path(model).is_dir():
        return ""
    pinned = f" --revision {shlex.quote(revision)}" if revision else ""
    directory = shlex.quote(str(_download_directory(model)))
    return f"hf download {model}{pinned} --local-dir {directory}"


def find_vae(name: str) -> Path:
    """Return the directory of ``inpaint.vae``, with config.json and .safetensors.

    Raises:
        ModelError: if there is none or it is incomplete; names the command to fetch it.
    """
    directory = _require_directory("inpaint.vae", name, "config.json")
    for pattern in ("config.json", "*.safetensors"):
        if not any(directory.glob(pattern)):
            message = f"inpaint.vae: {directory} holds no {pattern}"
            raise ModelError(message)
    return directory


def find_lora(name: str) -> Path:
    """Return the file of ``inpaint.lora``, or the only .safetensors of that directory.

    Raises:
        ModelError: if there is none or several; names the command to fetch it.
    """
    for candidate in _list_candidates(name):
        if candidate.is_file():
            return candidate
    directory = _require_directory("inpaint.lora", name, "pytorch_lora_weights.safetensors")
    files = sorted(directory.glob("*.safetensors"))
    if len(files) != 1:
        message = f"inpaint.lora: {directory} holds {len(files)} .safetensors files; name the file"
        raise ModelError(message)
    return files[0]


def read_pipeline_index(directory: Path) -> dict[str, object]:
    """Read the parts of a diffusers pipeline from its model_index.json.

    Raises:
        ModelError: if it is missing or damaged.
    """
    path = directory / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        message = f"{path} cannot be read ({error}); it is no diffusers pipeline"
        raise ModelError(message) from error
    return dict(index)


@dataclass(frozen=True)
class WeightFile:
    """A file of weights that an evaluation may use.

    Attributes:
        purpose: the metrics that need it, for error texts.
        name: of the file in the models directory.
        url: its source.
        license: of the weights, not of anon_ros.
    """

    purpose: str
    name: str
    url: str
    license: str

    @property
    def fetch_command(self) -> str:
        """The command that fetches it on a connected machine."""
        target = shlex.quote(str(models_directory() / self.name))
        return f"curl -fL --create-dirs -o {target} {self.url}"

    def find(self, path: str) -> Path:
        """Return the file at ``path``, by default in the models directory.

        Raises:
            ModelError: if it is missing; names the command to fetch it.
        """
        file = Path(path).expanduser() if path else models_directory() / self.name
        if not file.is_file():
            message = (
                f"{self.purpose}: no file {file.absolute()}; on a connected machine: "
                f"{self.fetch_command}"
            )
            raise ModelError(message)
        return file


INCEPTION_WEIGHTS = WeightFile(
    purpose="FID and IS",
    name="weights-inception-2015-12-05-6726825d.pth",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    license="Apache-2.0",
)
LPIPS_WEIGHTS = WeightFile(
    purpose="LPIPS",
    name="alexnet-owt-7be5be79.pth",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    license="BSD-3-Clause (torchvision)",
)


def _list_candidates(name: str) -> list[Path]:
    path = Path(name).expanduser()
    return [path] if "/" in name else [path, models_directory() / name]


def _list_directories(name: str) -> list[Path]:
    """Return the candidates, and the directory into which a hub id is fetched."""
    candidates = _list_candidates(name)
    return [*candidates, _download_directory(name)] if _HUB_ID.fullmatch(name) else candidates


def _find_directory(name: str, file_name: str, revision: str) -> Path | None:
    directory = next((place for place in _list_directories(name) if place.is_dir()), None)
    if directory is None and _HUB_ID.fullmatch(name):
        directory = _find_in_hub_cache(name, file_name, revision)
    return directory


def _require_directory(parameter: str, name: str, file_name: str) -> Path:
    directory = _find_directory(name, file_name, "")
    if directory is None:
        command = fetch_pipeline_command(name, "")
        remedy = f"on a connected machine: {command}" if command else f"set {parameter} to its path"
        message = f"{parameter}: nothing at {_join_paths(_list_directories(name))}; {remedy}"
        raise ModelError(message)
    return directory


def _join_paths(paths: list[Path]) -> str:
    return " or ".join(str(place.absolute()) for place in paths)


def _suggest_weights(name: str) -> str:
    command = fetch_weights_command(name)
    if not command:
        return "give the path of Ultralytics weights, or of the directory of an RF-DETR model"
    return f"put it there or give another path; on a connected machine: {command}"


def _download_directory(model: str) -> Path:
    return models_directory() / model.rsplit("/", maxsplit=1)[-1]


def _suggest_pipeline(model: str, revision: str) -> str:
    command = fetch_pipeline_command(model, revision)
    if not command:
        return f"set it to the directory of a diffusers pipeline, {GENERATOR_HINT}"
    return (
        f"on a connected machine: {command} ; put the folder at the same place here, "
        f"{GENERATOR_HINT}"
    )


def _find_in_hub_cache(model: str, file: str, revision: str) -> Path | None:
    disable_network_access()
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - only for hub ids

    index = try_to_load_from_cache(model, file, revision=revision or None)
    return Path(index).parent if isinstance(index, str) else None


def _find_defects(directory: Path) -> Iterator[str]:
    """Yield what is damaged, and the parts that an incomplete download lacks."""
    try:
        index = read_pipeline_index(directory)
    except ModelError as error:
        yield str(error)
        return
    for part, entry in index.items():
        if part[0] == "_" or part in _UNUSED_PARTS or not isinstance(entry, list) or not entry[0]:
            continue
        if not (directory / part).is_dir():
            yield f"{directory / part} is missing"
        elif part not in _PARTS_WITHOUT_WEIGHTS and not any(
            (directory / part).glob("*.safetensors")
        ):
            yield f"{directory / part} holds no .safetensors file"
