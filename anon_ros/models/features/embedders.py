"""Networks that make a vector of an image, from files of the user."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anon_ros.core import RgbImage
from anon_ros.errors import ModelError, format_error
from anon_ros.utils.files import sha256_of_file

Vectors = npt.NDArray[np.float32]
Network = Callable[[npt.NDArray[np.float32]], Vectors]
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
# Height and width of the inputs of re-identification (OSNet, ResNet-50 in torchreid).
_INPUT_HW = 256, 128
_BATCH = 32
_TORCHREID = {".pth", ".tar"}
_SPEC = re.compile(r"(?:(?P<name>[^=/]+)=)?(?P<path>.+?)(?:@(?P<height>\d+)x(?P<width>\d+))?")


@dataclass(frozen=True)
class NetworkEmbedder:
    """An Embedder over a network (see ``anon_ros.evaluate.Embedder``).

    Attributes:
        name: as shown in tables.
        cache_key: name, file hash and input of the network.
        network: takes (N, 3, h, w) float32, RGB normalised as for ImageNet; gives (N, D).
        input_hw: px; images are resized to it.
    """

    name: str
    cache_key: str
    network: Network
    input_hw: tuple[int, int]

    def embed(self, images: Sequence[RgbImage]) -> Vectors:
        """(N, D) float32: one vector per image.

        Raises:
            ModelError: if the network gives no vectors, or such as are not finite.
        """
        made = []
        for start in range(0, len(images), _BATCH):
            batch = np.stack([self._input(image) for image in images[start : start + _BATCH]])
            vectors = self._run(batch)
            if not np.isfinite(vectors).all():
                message = f"{self.name}: vectors that are not finite; is the file damaged?"
                raise ModelError(message)
            made.append(vectors)
        return np.concatenate(made) if made else np.zeros((0, 0), np.float32)

    def predict(self, images: Sequence[RgbImage]) -> list[Vectors]:
        """One (h, w) float32 map per image, of the network's own size: for depth networks.

        Raises:
            ModelError: if the network gives something else.
        """
        made = []
        for image in images:
            found = np.squeeze(self._answer(self._input(image)[None]))
            if found.ndim != 2 or not np.isfinite(found).all():  # noqa: PLR2004 - a map
                message = f"{self.name}: {found.shape} for one image, or not finite; expected a map"
                raise ModelError(message)
            made.append(found)
        return made

    def _input(self, image: RgbImage) -> Vectors:
        height_px, width_px = self.input_hw
        shrinks = image.shape[0] > height_px
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        resized = cv2.resize(image, (width_px, height_px), interpolation=how)
        normal = (resized.astype(np.float32) / 255 - _MEAN) / _DEVIATION
        return np.ascontiguousarray(normal.transpose(2, 0, 1))

    def _run(self, batch: Vectors) -> Vectors:
        output = self._answer(batch)
        if output.ndim < 2 or len(output) != len(batch) or not output.size:  # noqa: PLR2004
            message = f"{self.name}: {output.shape} for {len(batch)} images, expected a vector each"
            raise ModelError(message)
        return output.reshape(len(output), -1)

    def _answer(self, batch: Vectors) -> Vectors:
        try:
            return np.asarray(self.network(batch), np.float32)
        except Exception as error:
            message = (
                f"{self.name}: the network does not run on {batch.shape[1:]}: "
                f"{format_error(error)}; "
                "if that is not the size of its input, append it to the path: @HEIGHTxWIDTH"
            )
            raise ModelError(message) from error


def load_embedder(spec: str, device: str) -> NetworkEmbedder:
    """Load a network that makes vectors.

    Args:
        spec: path of a TorchScript (.pt, .ts, .torchscript) or ONNX (.onnx) file, with
            ``NAME=`` before it to call it so and ``@HEIGHTxWIDTH`` behind it for the size of its
            input in px; by default what an ONNX file says, or 256x128. Or of a checkpoint of
            torchreid (.pth, .pth.tar), whose name must be its architecture, as ``osnet_x1_0=``.
        device: as ``compute.device``.

    Raises:
        ModelError: if there is no such file or it is damaged.
    """
    parts = _SPEC.fullmatch(spec)
    path = Path(parts["path"] if parts else spec).expanduser()
    if parts is None or not path.is_file():
        message = f"no file {path.absolute()}; name a network: TorchScript (.pt) or ONNX (.onnx)"
        raise ModelError(message)
    given = (int(parts["height"]), int(parts["width"])) if parts["height"] else None
    if given and not math.prod(given):
        message = f"{spec}: an input of no pixels"
        raise ModelError(message)
    load = _load_onnx if path.suffix == ".onnx" else _load_torchscript
    if path.suffix in _TORCHREID:
        load = partial(_load_torchreid, architecture=parts["name"] or "")
    try:
        network, found = load(path, device)
    except ModelError:
        raise
    except Exception as error:
        message = (
            f"{path} cannot be loaded: {format_error(error)}; is it TorchScript, "
            "ONNX or of torchreid?"
        )
        raise ModelError(message) from error
    input_hw = given or found or _INPUT_HW
    digest = sha256_of_file(path)
    key = f"SHA-256 {digest}, input {input_hw[0]}x{input_hw[1]} px"
    return NetworkEmbedder(parts["name"] or path.stem, key, network, input_hw)


LoadedNetwork = tuple[Network, tuple[int, int] | None]


def _load_torchscript(path: Path, device: str) -> LoadedNetwork:
    import torch  # noqa: PLC0415 - seconds

    module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    return _network(module, device), None


def _load_torchreid(path: Path, device: str, architecture: str) -> LoadedNetwork:
    import torch  # noqa: PLC0415 - seconds

    models = _torchreid_models(path)
    if not architecture:
        message = f"{path}: name its architecture, as osnet_x1_0={path}"
        raise ModelError(message)
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    weights = checkpoint.get("state_dict", checkpoint)
    named = {name.removeprefix("module."): values for name, values in weights.items()}
    module = models.build_model(architecture, num_classes=1, pretrained=False).eval()
    own = module.state_dict()
    # The classifier is of the persons that it was trained on.
    fitting = {n: v for n, v in named.items() if n in own and own[n].shape == v.shape}
    if missing := [n for n in own if n not in fitting and not n.startswith("classifier")]:
        message = f"{path} is no {architecture}: {len(missing)} weights are missing or do not fit"
        raise ModelError(message)
    module.load_state_dict(fitting, strict=False)
    return _network(module, device), None


def _torchreid_models(path: Path) -> Any:
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


def _network(module: Any, device: str) -> Network:
    import torch  # noqa: PLC0415 - seconds

    from anon_ros.models.device import resolve_device  # noqa: PLC0415 - imports torch

    where = resolve_device(device)
    module.to(where)

    def network(batch: Vectors) -> Vectors:
        with torch.inference_mode():
            output = module(torch.from_numpy(batch).to(where))
        first = output[0] if isinstance(output, (tuple, list)) else output
        return np.asarray(first.float().cpu().numpy())

    return network


def _load_onnx(path: Path, device: str) -> LoadedNetwork:
    try:
        import onnxruntime  # noqa: PLC0415 - heavy, and only for ONNX files
    except ImportError as error:
        message = f"{path}: ONNX files need a package: pip install onnxruntime"
        raise ModelError(message) from error
    available = onnxruntime.get_available_providers()
    wanted = ["CUDAExecutionProvider"] if device != "cpu" else []
    providers = [each for each in wanted if each in available]
    session: Any = onnxruntime.InferenceSession(
        str(path), providers=[*providers, "CPUExecutionProvider"]
    )
    inputs = session.get_inputs()
    source = inputs[0]
    if len(inputs) > 1 or source.type != "tensor(float)" or len(source.shape) != 4:  # noqa: PLR2004
        given = ", ".join(f"{each.type} {each.shape}" for each in inputs)
        message = f"{path} takes {given}; expected one tensor(float) of images, (N, 3, H, W)"
        raise ModelError(message)
    many, _, height, width = source.shape
    if isinstance(many, int) and many > 1:
        message = f"{path} takes {many} images at a time; export it for 1, or for any number"
        raise ModelError(message)
    fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    one_by_one = many == 1

    def network(batch: Vectors) -> Vectors:
        parts = np.split(batch, len(batch)) if one_by_one else [batch]
        return np.concatenate([session.run(None, {source.name: part})[0] for part in parts])

    return network, fixed
