"""``anon_ros verify``: check an anonymized recording."""

import sqlite3
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anon_ros.bags import (
    Bag,
    Findings,
    ReviewPage,
    RunReport,
    VerifyJob,
    open_bag,
    read_report,
    sidecar_path,
    verify_bag,
)
from anon_ros.cli.config_flags import add_config_flags, collect_parameters, parse_config
from anon_ros.cli.deprecated_flags import add_deprecated_flag
from anon_ros.config import Config, all_parameters, load_config
from anon_ros.core import Detections, RgbImage, Segmenter
from anon_ros.errors import BagError, format_error
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import ProgressBar

REVIEW_HTML = "review.html"
_PRINTED = 50
_LARGER = 1.5
_STRIDE_PX = 32
# The first look takes what it may only imagine: it costs a patch of background. Here it would cost
# somebody's time, so what is hardly likely is left out.
_LEAST_SCORE = 0.25

_DESCRIPTION = """\
Compare OUT with the recording IN that it was made from, message by message, and detect persons in
OUT again, mirrored. Unless flags override them, the --detect parameters are those of the run that
wrote OUT (not the defaults named below), except for 1.5 times the inference_px and scores from
0.25. Exit code: 0 clean, 1 suspicions, 2 broken.
"""
_EXAMPLES = """\
examples:
  anon_ros verify drive/ drive_anonymized/
  anon_ros verify drive/ drive_anonymized/ --every-nth 10 --html review.html
  anon_ros verify drive/ drive_anonymized/ --no-redetection
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Add input, output, checks and parameters."""
    parser.usage = "anon_ros verify IN OUT [options]"
    parser.description, parser.epilog = _DESCRIPTION, _EXAMPLES
    parser.add_argument("input", type=Path, metavar="IN", help="original recording")
    parser.add_argument("output", type=Path, metavar="OUT", help="recording from anon_ros bag")
    no_redetection = parser.add_argument(
        "--no-redetection",
        action="store_true",
        help="compare only; needs no weights",
    )
    add_deprecated_flag(parser, "--no-second-look", no_redetection)
    parser.add_argument(
        "--every-nth",
        type=_parse_positive,
        default=1,
        metavar="N",
        help="detect persons in the first of every N images of a topic (default: 1)",
    )
    html = parser.add_argument(
        "--html",
        type=Path,
        metavar="PATH",
        help="page with the most doubtful images of OUT (default: review.html in or beside OUT)",
    )
    add_deprecated_flag(parser, "--review", html)
    add_config_flags(parser, ("detect", "compute.device"))
    parser.set_defaults(run=run_verify)


def _parse_positive(text: str) -> int:
    value = int(text)
    if value < 1:
        message = f"expected a positive integer, got {text}"
        raise ArgumentTypeError(message)
    return value


@dataclass(frozen=True)
class MirroredSegmenter:
    """A Segmenter that sees the image the other way round, and so makes other mistakes."""

    segmenter: Segmenter

    def segment(self, image: RgbImage) -> Detections:
        """Find the persons of ``image``, in its own coordinates."""
        found = self.segmenter.segment(np.ascontiguousarray(image[:, ::-1]))
        boxes = found.boxes_xyxy.copy()
        boxes[:, [0, 2]] = image.shape[1] - found.boxes_xyxy[:, [2, 0]]
        return replace(found, boxes_xyxy=boxes, masks=np.ascontiguousarray(found.masks[..., ::-1]))


def run_verify(arguments: Namespace) -> int:
    """Compare, tell what was found, and write the page for the eyes.

    Returns:
        0 if nothing was found, 1 for suspicions, 2 if the output is broken.

    Raises:
        AnonRosError: if it cannot be done.
    """
    source, output = (open_bag(path, salvage=True) for path in (arguments.input, arguments.output))
    review: Path = arguments.html or sidecar_path(output, REVIEW_HTML)
    if not review.parent.is_dir():
        message = f"--html: the folder {review.parent} does not exist"
        raise BagError(message)
    account = read_report(output)
    config = parse_config(arguments) if arguments.config else redetection_config(account, arguments)
    comparison = VerifyJob(
        source=source,
        output=output,
        report=account,
        # Not in OUT: what is decompressed there for the moment is IN.
        scratch=arguments.html.parent if arguments.html else output.path.absolute().parent,
        load_segmenter=None
        if arguments.no_redetection
        else lambda: MirroredSegmenter(build_segmenter(config)),
        every_nth=arguments.every_nth,
    )
    try:
        findings, sheet = verify_with_progress(comparison)
        summary = _summary(output, findings)
        sheet.write(review, output.path, findings, summary)
    except (OSError, sqlite3.Error) as error:
        raise BagError(format_error(error)) from error
    _tell(findings)
    print(f"{summary}; {review}")
    return findings.exit_code


def verify_with_progress(comparison: VerifyJob, phase: str = "") -> tuple[Findings, ReviewPage]:
    """As ``anon_ros.bags.verify``, while it is shown how far it is.

    Args:
        comparison: what is to be compared.
        phase: what that is called; empty if there is but one thing.
    """
    shown = ProgressBar(sum(kept.anonymized for kept in comparison.report.topics.values()), phase)
    try:
        return verify_bag(comparison, shown)
    finally:
        shown.close()


def redetection_config(report: RunReport, arguments: Namespace) -> Config:
    """The parameters of the second look: those of the first, seen larger, but for what is given."""
    first = report.config.detect
    larger_px = round(first.inference_px * _LARGER / _STRIDE_PX) * _STRIDE_PX
    most_px = all_parameters()["detect.inference_px"].spec.maximum
    values = {
        **{f"detect.{name}": value for name, value in vars(first).items()},
        "detect.weights": report.weights,
        "detect.inference_px": larger_px if most_px is None else min(larger_px, int(most_px)),
        "detect.confidence": max(first.confidence, _LEAST_SCORE),
    }
    return load_config(None, {**values, **collect_parameters(arguments)})


def _tell(findings: Findings) -> None:
    for kind, lines, count in (
        ("broken", findings.errors, findings.broken_count),
        ("suspicion", findings.warnings, findings.suspicion_count),
        ("not checked", findings.not_checked, len(findings.not_checked)),
    ):
        for line in lines[:_PRINTED]:
            print(f"{kind}: {line}")
        if count > _PRINTED:
            print(f"{kind}: ... and {count - _PRINTED} more")


def _summary(output: Bag, findings: Findings) -> str:
    number = findings.counters
    checked = (
        f"{number.get('messages', 0)} messages compared: {number.get('copies', 0)} copies, "
        f"{number.get('images', 0)} images with {number.get('persons', 0)} persons; "
        f"{number.get('left out', 0)} left out as they should be; "
        f"second look at {number.get('second looks', 0)} images"
    )
    found = f"{findings.broken_count} broken, {findings.suspicion_count} suspicions"
    return f"{output.path}: {checked}; {found}"
