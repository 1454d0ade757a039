"""Anonymize the JPEGs of a folder: python examples/anonymize_folder.py IN/ OUT/ [CONFIG.yaml]."""

import sys
from pathlib import Path

import cv2

from anon_ros import build_anonymizer, load_config
from anon_ros.images import read_image

_BATCH_FRAMES = 4  # their persons share calls of the diffusion model


def main(source: str, destination: str, config_file: str | None = None) -> int:
    """Write each image below ``destination``; return 1 if one had to be left out."""
    anonymizer = build_anonymizer(load_config(config_file))
    paths = sorted(Path(source).glob("*.jpg"))
    Path(destination).mkdir(parents=True, exist_ok=True)
    failures = 0
    for start in range(0, len(paths), _BATCH_FRAMES):
        batch = paths[start : start + _BATCH_FRAMES]
        results = anonymizer.anonymize_batch([(read_image(path), 0) for path in batch])
        for path, result in zip(batch, results, strict=True):
            if isinstance(result, Exception):  # fail closed: the original is never written
                print(f"{path}: left out, {result}", file=sys.stderr)
                failures += 1
                continue
            image_bgr = cv2.cvtColor(result.image, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(Path(destination) / path.name), image_bgr)
            print(f"{path.name}: {len(result.outcomes)} persons replaced")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
