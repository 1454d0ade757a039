"""Loader of networks from files of the user: TorchScript, ONNX, torchreid."""

import math
import re
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from anon_ros.errors import ModelError, format_error
from anon_ros.models.features.image_network import ImageNetwork, Network, Vectors
from anon_ros.models.weights.offline import disable_network_access
from anon_ros.utils.files import sha256_of_file

T = TypeVar("T", bound=ImageNetwork)
LoadedNetwork = tuple[Network, tuple[int, int] | None]
"""A network, and the height and width of its input in px where its file has them."""
# Height and width of the inputs of re-identification (OSNet, ResNet-50 in torchreid).
_DEFAULT_INPUT_HW = 256, 128
_TORCHREID_SUFFIXES = {".pth", ".tar"}
_SPEC = re.compile(r"(?:(?P<name>[^=/]+)=)?(?P<path>.+?)(?:@(?P<height>\d+)x(?P<width>\d+))?")


def load_network(spec: str, device: str, network_class: type[T]) -> T:
    """Load a network as an object of ``network_class``; see ``load_embedder`` for ``spec``.

    Raises:
        ModelError: if there is no such file or it is damaged.
    """
    parts = _SPEC.fullmatch(spec)
    path = Path(parts["path"] if parts else spec).expanduser()
    if parts is None or not path.is_file():
        message = f"no file {path.absolute()}; name a network: TorchScript (.pt) or ONNX (.onnx)"
        raise ModelError(message)
    wanted_hw = (int(parts["height"]), int(parts["width"])) if parts["height"] else None
    if wanted_hw and not math.prod(wanted_hw):
        message = f"{spec}: an input of no pixels"
        raise ModelError(message)
    network, stored_hw = _load_file(path, device, parts["name"] or "")
    input_hw = wanted_hw or stored_hw or _DEFAULT_INPUT_HW
    key = f"SHA-256 {sha256_of_file(path)}, input {input_hw[0]}x{input_hw[1]} px"
    return network_class(parts["name"] or path.stem, key, network, input_hw)


def _load_file(path: Path, device: str, architecture: str) -> LoadedNetwork:
    disable_network_access()
    load = _load_onnx if path.suffix == ".onnx" else _load_torchscript
    if path.suffix in _TORCHREID_SUFFIXES:
        load = partial(_load_torchreid, architecture=architecture)
    try:
        return load(path, device)
    except ModelError:
        raise
    except Exception as error:
        message = (
            f"{path} cannot be loaded: {format_error(error)}; is it TorchScript, "
            "ONNX or of torchreid?"
        )
        raise ModelError(message) from error


def _load_torchscript(path: Path, device: str) -> LoadedNetwork:
    import torch  # noqa: PLC0415 - seconds

    module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    return _wrap_module(module, device), None


def _load_torchreid(path: Path, device: str, architecture: str) -> LoadedNetwork:
    import torch  # noqa: PLC0415 - seconds

    models = _import_torchreid_models(path)
    if not architecture:
        message = f"{path}: name its architecture, as osnet_x1_0={path}"
        raise ModelError(message)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    weights = checkpoint.get("state_dict", checkpoint)
    named = {name.removeprefix("module."): values for name, values in weights.items()}
    module = models.build_model(architecture, num_classes=1, pretrained=False).eval()
    own = module.state_dict()
    # The classifier belongs to the persons of the training set: its shape differs.
    fitting = {n: v for n, v in named.items() if n in own and own[n].shape == v.shape}
    if missing := [n for n in own if n not in fitting and not n.startswith("classifier")]:
        message = f"{path} is no {architecture}: {len(missing)} weights are missing or do not fit"
        raise ModelError(message)
    module.load_state_dict(fitting, strict=False)
    return _wrap_module(module, device), None


def _import_torchreid_models(path: Path) -> Any:
    for name in ("torchreid.reid.models", "torchreid.models"):
        try:
            return import_module(name)
        except ImportError as error:
            problem = format_error(error)
    message = (
        f"{path}: a checkpoint of torchreid needs the package torchreid ({problem}); install it, "
        "or export the network with torch.jit.trace where it is"
    )
    raise ModelError(message)


def _wrap_module(module: Any, device: str) -> Network:
    import torch  # noqa: PLC0415 - seconds

    from anon_ros.models.device import resolve_device  # noqa: PLC0415 - imports torch

    torch_device = resolve_device(device)
    module.to(torch_device)

    def run_module(batch: Vectors) -> Vectors:
        with torch.inference_mode():
            output = module(torch.from_numpy(batch).to(torch_device))
        tensor = output[0] if isinstance(output, (tuple, list)) else output
        return np.asarray(tensor.float().cpu().numpy())

    return run_module


def _load_onnx(path: Path, device: str) -> LoadedNetwork:
    try:
        import onnxruntime  # noqa: PLC0415 - heavy, and only for ONNX files
    except ImportError as error:
        message = f"{path}: ONNX files need a package: pip install onnxruntime"
        raise ModelError(message) from error
    available = onnxruntime.get_available_providers()
    wanted = ["CUDAExecutionProvider"] if device != "cpu" else []
    providers = [provider for provider in wanted if provider in available]
    session: Any = onnxruntime.InferenceSession(
        str(path), providers=[*providers, "CPUExecutionProvider"]
    )
    inputs = session.get_inputs()
    source = inputs[0]
    if len(inputs) > 1 or source.type != "tensor(float)" or len(source.shape) != 4:  # noqa: PLR2004
        types = ", ".join(f"{tensor.type} {tensor.shape}" for tensor in inputs)
        message = f"{path} takes {types}; expected one tensor(float) of images, (N, 3, H, W)"
        raise ModelError(message)
    batch_size, _, height, width = source.shape
    if isinstance(batch_size, int) and batch_size > 1:
        message = f"{path} takes {batch_size} images at a time; export it for 1, or for any number"
        raise ModelError(message)
    fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    is_single = batch_size == 1

    def run_session(batch: Vectors) -> Vectors:
        parts = np.split(batch, len(batch)) if is_single else [batch]
        return np.concatenate([session.run(None, {source.name: part})[0] for part in parts])

    return run_session, fixed
