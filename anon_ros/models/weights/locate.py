"""Finding weights on this machine, and saying how to get those that are missing."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from anon_ros.errors import ModelError
from anon_ros.models.weights.offline import disable_network_access

_ULTRALYTICS_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
_ULTRALYTICS_NAME = re.compile(r"yolo(v8|v9|11|12|26)[ntsmlxce](-seg)?\.pt")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WITHOUT_WEIGHTS = {"scheduler", "tokenizer", "tokenizer_2"}
_UNUSED = {"safety_checker", "feature_extractor", "image_encoder"}


def models_directory() -> Path:
    """Where names without a slash are looked up: $ANON_ROS_MODELS."""
    folder = os.environ.get("ANON_ROS_MODELS") or "~/.local/share/anon_ros/models"
    return Path(folder).expanduser()


def find_weights(name: str, parameter: str = "detect.weights") -> Path:
    """The file of detection weights.

    Args:
        name: path, or a name to look for.
        parameter: the parameter or flag that names it.

    Raises:
        ModelError: if there is none; tells where it was looked for and how to fetch it.
    """
    places = _places(name)
    for place in places:
        if place.is_file():
            return place
    message = f"{parameter}: no file {_either(places)}; {_weights_remedy(name)}"
    raise ModelError(message)


def find_training_start(name: str, parameter: str) -> str:
    """The file of the weights that a training starts from; an architecture's name as it is.

    Raises:
        ModelError: as ``find_weights``.
    """
    is_architecture = Path(name).suffix in {".yaml", ".yml"}
    return name if is_architecture else str(find_weights(name, parameter))


def fetch_weights_command(name: str) -> str:
    """What fetches ``name`` on a machine with a network; empty for weights of unknown origin."""
    target = _places(name)[-1]
    if not _ULTRALYTICS_NAME.fullmatch(target.name):
        return ""
    return f"curl -fL --create-dirs -o {target} {_ULTRALYTICS_RELEASE}/{target.name}"


def find_pipeline(model: str, revision: str) -> Path:
    """The directory of ``inpaint.model``: a directory as it is, or a hub id's in the local cache.

    Raises:
        ModelError: if there is none or it is incomplete; tells how to fetch it.
    """
    places = _folders(model)
    directory = _first_folder(model, "model_index.json", revision)
    if directory is None:
        cache = " nor in the local hub cache" if _HUB_ID.fullmatch(model) else ""
        problem = f"no directory {_either(places)}{cache}"
    else:
        problem = next(_defects(directory), "")
    if directory is None or problem:
        message = f"inpaint.model: {problem}; {_pipeline_remedy(model, revision)}"
        raise ModelError(message)
    return directory


def fetch_pipeline_command(model: str, revision: str) -> str:
    """What fetches ``model`` on a machine with a network; empty for a directory."""
    if not _HUB_ID.fullmatch(model) or Path(model).is_dir():
        return ""
    pinned = f" --revision {revision}" if revision else ""
    return f"hf download {model}{pinned} --local-dir {_download_folder(model)}"


def find_vae(name: str) -> Path:
    """The directory of ``inpaint.vae``, with config.json and .safetensors.

    Raises:
        ModelError: if there is none or it is incomplete; tells how to fetch it.
    """
    directory = _find_folder("inpaint.vae", name, "config.json")
    for pattern in ("config.json", "*.safetensors"):
        if not any(directory.glob(pattern)):
            message = f"inpaint.vae: {directory} holds no {pattern}"
            raise ModelError(message)
    return directory


def find_lora(name: str) -> Path:
    """The file of ``inpaint.lora``: itself, or the only .safetensors of a directory.

    Raises:
        ModelError: if there is none, or several; tells how to fetch it.
    """
    for place in _places(name):
        if place.is_file():
            return place
    directory = _find_folder("inpaint.lora", name, "pytorch_lora_weights.safetensors")
    files = sorted(directory.glob("*.safetensors"))
    if len(files) != 1:
        message = f"inpaint.lora: {directory} holds {len(files)} .safetensors files; name the file"
        raise ModelError(message)
    return files[0]


def read_pipeline_index(directory: Path) -> dict[str, object]:
    """The parts of a diffusers pipeline: its model_index.json.

    Raises:
        ModelError: if it is missing or damaged.
    """
    path = directory / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"inpaint.model: {path} cannot be read ({error}); it is no diffusers pipeline"
        raise ModelError(message) from error
    return dict(index)


def _places(name: str) -> list[Path]:
    path = Path(name).expanduser()
    return [path] if "/" in name else [path, models_directory() / name]


def _folders(name: str) -> list[Path]:
    """As _places; what the remedy's command fetched for a hub id is found too."""
    places = _places(name)
    return [*places, _download_folder(name)] if _HUB_ID.fullmatch(name) else places


def _first_folder(name: str, some_file: str, revision: str) -> Path | None:
    found = next((place for place in _folders(name) if place.is_dir()), None)
    if found is None and _HUB_ID.fullmatch(name):
        found = _in_hub_cache(name, some_file, revision)
    return found


def _find_folder(parameter: str, name: str, some_file: str) -> Path:
    found = _first_folder(name, some_file, "")
    if found is None:
        command = fetch_pipeline_command(name, "")
        remedy = f"on a connected machine: {command}" if command else f"set {parameter} to its path"
        message = f"{parameter}: nothing at {_either(_folders(name))}; {remedy}"
        raise ModelError(message)
    return found


def _either(places: list[Path]) -> str:
    return " or ".join(str(place.absolute()) for place in places)


def _weights_remedy(name: str) -> str:
    command = fetch_weights_command(name)
    if not command:
        return "give the path of Ultralytics weights"
    return f"put it there or give another path; on a connected machine: {command}"


def _download_folder(model: str) -> Path:
    return models_directory() / model.rsplit("/", maxsplit=1)[-1]


def _pipeline_remedy(model: str, revision: str) -> str:
    command = fetch_pipeline_command(model, revision)
    if not command:
        return "set inpaint.model to the directory of a diffusers pipeline"
    return f"on a connected machine: {command} ; put the folder at the same place here"


def _in_hub_cache(model: str, file: str, revision: str) -> Path | None:
    disable_network_access()
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - only for hub ids

    index = try_to_load_from_cache(model, file, revision=revision or None)
    return Path(index).parent if isinstance(index, str) else None


def _defects(directory: Path) -> Iterator[str]:
    """What a half-downloaded pipeline lacks."""
    for part, entry in read_pipeline_index(directory).items():
        if part in _UNUSED or not isinstance(entry, list) or entry[0] is None:
            continue
        if not (directory / part).is_dir():
            yield f"{directory / part} is missing"
        elif part not in _WITHOUT_WEIGHTS and not any((directory / part).glob("*.safetensors")):
            yield f"{directory / part} holds no .safetensors file"
