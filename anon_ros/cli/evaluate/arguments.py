"""The flags of ``anon_ros evaluate``; what a question needs is imported when it is asked."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from anon_ros.cli.flags import add_config_flags

_MODEL_GROUPS = ("detect", "mask", "inpaint", "compute")
_MODES = "sdxl fill telea blur pixelate paper-blur paper-pixelate mask-out"
_ABOUT = """\
Measure what anonymization did to identity and use. Each question writes report.html (complete in
itself), report.json, one CSV file per table and one SVG file per plot into the folder --out. The
same command goes on where it was stopped.
"""


def add_evaluate(parser: ArgumentParser) -> None:
    """Add one sub-command per question."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.description = _ABOUT
    questions = parser.add_subparsers(title="questions", required=True, metavar="QUESTION")
    add_detection(questions.add_parser("detection", help="what a person detector loses"))


def add_out(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the report"
    )


def add_frames(parser: ArgumentParser) -> None:
    """The frames to work on, and which of them."""
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="original: folder of images, video, or recording (rosbag2 folder, .mcap, .db3, .bag)",
    )
    parser.add_argument(
        "--topics",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="of a recording these alone (default: all image topics)",
    )
    parser.add_argument(
        "--every-nth",
        type=positive,
        default=1,
        metavar="N",
        help="the first of every N frames (default: 1)",
    )
    parser.add_argument(
        "--limit", type=positive, default=0, metavar="N", help="at most N frames (default: all)"
    )


def add_anonymized(parser: ArgumentParser, default: str = "fill") -> None:
    """What to compare the frames with: made already, or to be made now."""
    parser.add_argument(
        "--anonymized",
        type=Path,
        metavar="PATH",
        help="the anonymized version of IN, of the same kind; else IN is anonymized now",
    )
    parser.add_argument(
        "--prefix",
        default="",
        metavar="NAMESPACE",
        help="that the topics of --anonymized have before those of IN, as /anon",
    )
    add_modes(parser, default)


def add_modes(parser: ArgumentParser, default: str = "fill") -> None:
    """Ways to anonymize."""
    parser.add_argument(
        "--modes",
        nargs="+",
        choices=_MODES.split(),
        default=default.split(),
        metavar="MODE",
        help=f"ways to anonymize, of {_MODES}; the last three are the baselines of the paper's "
        f"code (default: {default})",
    )
    add_config_flags(parser, _MODEL_GROUPS)


def add_detection(parser: ArgumentParser) -> None:
    parser.description = (
        "COCO's average precision (AP) of a person detector on the original and on the anonymized "
        "frames, with the same labels. With --train also the paper's protocol: detectors trained "
        "on the anonymized frames of the first part of IN, tested on the original ones of the rest."
    )
    add_frames(parser)
    add_anonymized(parser, "fill paper-blur paper-pixelate mask-out")
    add_out(parser)
    labels = parser.add_argument_group("labels and detector")
    labels.add_argument(
        "--labels",
        type=Path,
        metavar="PATH",
        help="persons of the frames: folder of YOLO text files (boxes or outlines; named as the "
        "frames, for a video ending with the frame's number), or COCO annotations (.json); frames "
        "without count for nothing. Default: the detector's own boxes on the original",
    )
    labels.add_argument(
        "--label-classes",
        nargs="+",
        default=["person"],
        metavar="NAME",
        help="COCO categories that are persons; in YOLO files every class is one (default: person)",
    )
    labels.add_argument(
        "--truth-confidence",
        type=share,
        default=0.5,
        metavar="SCORE",
        help="of the boxes on the original that the others are compared with (default: 0.5)",
    )
    labels.add_argument(
        "--detector",
        metavar="WEIGHTS",
        help="Ultralytics weights (default: detect.weights; others than those tell more)",
    )
    labels.add_argument(
        "--detector-classes",
        nargs="+",
        metavar="NAME",
        help="its classes that are persons (default: detect.classes)",
    )
    training = parser.add_argument_group("training")
    training.add_argument(
        "--train",
        metavar="START",
        help="train detectors from these Ultralytics weights for detection (.pt), or from random "
        "ones of this architecture (as yolov8n.yaml). DIR/train then holds ORIGINAL frames",
    )
    for flag, default, text in (
        ("--epochs", 100, "passes over the frames"),
        ("--seeds", 1, "trainings of each kind, with seeds 0, 1 .."),
        ("--batch", 16, "frames per step"),
    ):
        training.add_argument(
            flag, type=positive, default=default, metavar="N", help=f"{text} (default: {default})"
        )
    training.add_argument(
        "--train-px",
        type=positive,
        metavar="PX",
        help="longer side of a frame as these see it (default: detect.inference_px)",
    )
    training.add_argument(
        "--train-share",
        type=share,
        default=0.7,
        metavar="SHARE",
        help="of the labelled frames, the earliest; the last twentieth of them is left out, so "
        "that no frame is tested that is nearly one to learn from (default: 0.7)",
    )
    parser.set_defaults(run=_run_detection)


def _run_detection(arguments: Namespace) -> int:
    from anon_ros.cli.evaluate.detection import evaluate_detection  # noqa: PLC0415 - needs OpenCV

    return evaluate_detection(arguments)


def share(text: str) -> float:
    """A number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        message = f"{text} is no number between 0 and 1"
        raise ArgumentTypeError(message)
    return value


def positive(text: str) -> int:
    """A number from 1 on."""
    value = int(text)
    if value < 1:
        message = f"{text} is no number from 1 on"
        raise ArgumentTypeError(message)
    return value
