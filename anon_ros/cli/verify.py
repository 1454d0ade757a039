"""``anon_ros verify``."""

import sqlite3
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anon_ros.bags import (
    Account,
    Bag,
    Comparison,
    Findings,
    Sheet,
    beside,
    find_bag,
    read_account,
    verify,
)
from anon_ros.cli.flags import config_from
from anon_ros.cli.progress import FrameProgress
from anon_ros.config import Config, load_config, parameters
from anon_ros.core import Detections, RgbImage, Segmenter
from anon_ros.errors import BagError, describe
from anon_ros.models import build_segmenter

REVIEW = "review.html"
_PRINTED = 50
_LARGER = 1.5
_STRIDE_PX = 32
# The first look takes what it may only imagine: it costs a patch of background. Here it would cost
# somebody's time, so what is hardly likely is left out.
_LEAST_SCORE = 0.25


@dataclass(frozen=True)
class Mirrored:
    """A Segmenter that sees the image the other way round, and so makes other mistakes."""

    segmenter: Segmenter

    def segment(self, image: RgbImage) -> Detections:
        """Find the persons of ``image``, in its own coordinates."""
        found = self.segmenter.segment(np.ascontiguousarray(image[:, ::-1]))
        boxes = found.boxes_xyxy.copy()
        boxes[:, [0, 2]] = image.shape[1] - found.boxes_xyxy[:, [2, 0]]
        return replace(found, boxes_xyxy=boxes, masks=np.ascontiguousarray(found.masks[..., ::-1]))


def verify_bag(arguments: Namespace) -> int:
    """Compare, tell what was found, and write the page for the eyes.

    Returns:
        0 if nothing was found, 1 for suspicions, 2 if the output is broken.

    Raises:
        AnonRosError: if it cannot be done.
    """
    source, output = (find_bag(path, salvage=True) for path in (arguments.input, arguments.output))
    review: Path = arguments.review or beside(output, REVIEW)
    if not review.parent.is_dir():
        message = f"--review: the folder {review.parent} does not exist"
        raise BagError(message)
    account = read_account(output)
    config = config_from(arguments) if arguments.config else second_config(account, arguments)
    comparison = Comparison(
        source=source,
        output=output,
        account=account,
        # Not in OUT: what is decompressed there for the moment is IN.
        scratch=arguments.review.parent if arguments.review else output.path.absolute().parent,
        load=None if arguments.no_second_look else lambda: Mirrored(build_segmenter(config)),
        every_nth=arguments.every_nth,
    )
    try:
        findings, sheet = watched(comparison)
        summary = _summary(output, findings)
        sheet.write(review, output.path, findings, summary)
    except (OSError, sqlite3.Error) as error:
        raise BagError(describe(error)) from error
    _tell(findings)
    print(f"{summary}; {review}")
    return findings.exit_code


def watched(comparison: Comparison, phase: str = "") -> tuple[Findings, Sheet]:
    """As ``anon_ros.bags.verify``, while it is shown how far it is.

    Args:
        comparison: what is to be compared.
        phase: what that is called; empty if there is but one thing.
    """
    shown = FrameProgress(sum(kept.anonymized for kept in comparison.account.kept.values()), phase)
    try:
        return verify(comparison, shown)
    finally:
        shown.close()


def second_config(account: Account, arguments: Namespace) -> Config:
    """The parameters of the second look: those of the first, seen larger, but for what is given."""
    first = account.config.detect
    larger_px = round(first.inference_px * _LARGER / _STRIDE_PX) * _STRIDE_PX
    most_px = parameters()["detect.inference_px"].spec.maximum
    values = {
        **{f"detect.{name}": value for name, value in vars(first).items()},
        "detect.weights": account.weights,
        "detect.inference_px": larger_px if most_px is None else min(larger_px, int(most_px)),
        "detect.confidence": max(first.confidence, _LEAST_SCORE),
    }
    given = {name: value for name, value in vars(arguments).items() if name in parameters()}
    return load_config(None, {**values, **given})


def _tell(findings: Findings) -> None:
    for kind, lines, count in (
        ("broken", findings.broken, findings.broken_count),
        ("suspicion", findings.suspicions, findings.suspicion_count),
        ("not checked", findings.unchecked, len(findings.unchecked)),
    ):
        for line in lines[:_PRINTED]:
            print(f"{kind}: {line}")
        if count > _PRINTED:
            print(f"{kind}: ... and {count - _PRINTED} more")


def _summary(output: Bag, findings: Findings) -> str:
    number = findings.numbers
    checked = (
        f"{number.get('messages', 0)} messages compared: {number.get('copies', 0)} copies, "
        f"{number.get('images', 0)} images with {number.get('persons', 0)} persons; "
        f"{number.get('left out', 0)} left out as they should be; "
        f"second look at {number.get('second looks', 0)} images"
    )
    found = f"{findings.broken_count} broken, {findings.suspicion_count} suspicions"
    return f"{output.path}: {checked}; {found}"
