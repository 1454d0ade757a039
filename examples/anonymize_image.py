"""Anonymize one image: python examples/anonymize_image.py IN.jpg OUT.png [CONFIG.yaml]."""

import sys
from pathlib import Path

import cv2

from anon_ros import build_anonymizer, load_config
from anon_ros.errors import ImageFormatError
from anon_ros.images import read_image


def main(source: str, destination: str, config_file: str | None = None) -> int:
    """Write ``source`` without its persons and print the outcome of each; 1 if unreadable."""
    try:
        image_rgb = read_image(Path(source))
    except ImageFormatError as error:
        print(error, file=sys.stderr)
        return 1
    anonymizer = build_anonymizer(load_config(config_file))
    # Raises SegmentationError instead of returning an image whose persons are not known.
    result = anonymizer.anonymize(image_rgb, seed=0)
    Path(destination).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(destination, cv2.cvtColor(result.image, cv2.COLOR_RGB2BGR))
    for score, outcome in zip(result.detections.scores, result.outcomes, strict=True):
        print(f"person with score {score:.2f}: {outcome.kind.value} {outcome.reason_text}".rstrip())
    print(f"{result.replaced_mask.mean():.1%} of the pixels were replaced")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
