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
    _add_detection(questions.add_parser("detection", help="what a person detector loses"))
    _add_quality(questions.add_parser("quality", help="do the results look like the originals?"))
    _add_reid(questions.add_parser("reid", help="is anybody found again?"))
    _add_occlusion(questions.add_parser("occlusion", help="is the nearer person drawn on top?"))
    _add_temporal(questions.add_parser("temporal", help="is everybody covered at all times?"))


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


def add_anonymized(
    parser: ArgumentParser, more_groups: tuple[str, ...] = (), modes: str = "fill"
) -> None:
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
    add_modes(parser, more_groups, modes)


def add_embedders(parser: ArgumentParser) -> None:
    """Networks that recognise persons."""
    parser.add_argument(
        "--embedder",
        action="append",
        default=[],
        metavar="[NAME=]PATH[@HxW]",
        help="TorchScript (.pt) or ONNX (.onnx) network, its input's size behind @ (default: as "
        "the ONNX file says, or 256x128); or ARCHITECTURE=CHECKPOINT.pth of torchreid, if that is "
        "installed. May be repeated. The embedder colours, which needs no file, is always there",
    )


def add_times(parser: ArgumentParser) -> None:
    """For persons who are followed."""
    parser.add_argument(
        "--period-s",
        type=positive_number,
        default=2.0,
        metavar="S",
        help="of recordings: each person is cut out once in so many seconds, and not searched for "
        "within them (default: 2)",
    )
    add_rate(parser)


def add_rate(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rate-hz",
        type=positive_number,
        default=10.0,
        metavar="HZ",
        help="of the images in a folder, which have no times (default: 10)",
    )


def add_modes(
    parser: ArgumentParser, more_groups: tuple[str, ...] = (), modes: str = "fill"
) -> None:
    """Ways to anonymize."""
    parser.add_argument(
        "--modes",
        nargs="+",
        choices=_MODES.split(),
        default=modes.split(),
        metavar="MODE",
        help=f"ways to anonymize, of {_MODES}; the last three are the baselines of the paper's "
        f"code (default: {modes})",
    )
    add_config_flags(parser, (*_MODEL_GROUPS, *more_groups))


def positive_number(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        message = f"{text} is no number above 0"
        raise ArgumentTypeError(message)
    return value


def _add_detection(parser: ArgumentParser) -> None:
    parser.description = (
        "COCO's average precision (AP) of a person detector on the original and on the anonymized "
        "frames, with the same labels. With --train also the paper's protocol: detectors trained "
        "on the anonymized frames of the first part of IN, tested on the original ones of the rest."
    )
    add_frames(parser)
    add_anonymized(parser, modes="fill paper-blur paper-pixelate mask-out")
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
    from anon_ros.cli.evaluate.detection import detection_report  # noqa: PLC0415 - needs OpenCV
    from anon_ros.cli.evaluate.publish import publish  # noqa: PLC0415

    return publish(detection_report(arguments), arguments.out)


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


def _add_quality(parser: ArgumentParser) -> None:
    parser.description = (
        "FID, KID, IS and LPIPS of the anonymized frames against the originals, of full images and "
        "of persons, as far as the weights are there (anon_ros models lists them); Frechet and "
        "kernel distances on the features of any other network; sharpness and difference."
    )
    add_frames(parser)
    networks = parser.add_argument_group("networks")
    networks.add_argument(
        "--inception",
        default="",
        metavar="PATH",
        help="Inception-v3 of 2015 for FID, KID and IS (default: in the models folder)",
    )
    networks.add_argument(
        "--lpips",
        default="",
        metavar="PATH",
        help="AlexNet of torchvision, for LPIPS (default: in the models folder)",
    )
    networks.add_argument(
        "--features",
        action="append",
        default=[],
        metavar="[NAME=]PATH[@HxW]",
        help="TorchScript (.pt) or ONNX (.onnx) network whose features are compared, too; may be "
        "repeated",
    )
    add_anonymized(parser)
    add_out(parser)
    parser.set_defaults(run=_run_quality)


def _run_quality(arguments: Namespace) -> int:
    from anon_ros.cli.evaluate.publish import publish  # noqa: PLC0415 - needs OpenCV
    from anon_ros.cli.evaluate.quality import quality_report  # noqa: PLC0415

    return publish(quality_report(arguments), arguments.out)


_REID_EPILOG = """\
embedders: any network that makes a vector of a person. OSNet and ResNet-50 for re-identification
come from the model zoo of torchreid; export one, or a ViT, where its package is installed:
  torch.jit.trace(model.eval(), torch.zeros(1, 3, 256, 128)).save("osnet.pt")
and give it as --embedder osnet.pt. Images are resized and normalised as for ImageNet.
"""


def _add_reid(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _REID_EPILOG
    parser.description = (
        "Search for anonymized persons among the originals (arXiv 2410.08551, section 4). IN is a\n"
        "set for re-identification (folder of Market-1501 or LaST, or a table with the columns\n"
        "split, path, person, camera), whose queries are anonymized; or a recording, video or\n"
        "folder of frames, whose persons are followed and cut out once in each period."
    )
    add_frames(parser)
    parser.add_argument(
        "--format",
        choices=("market1501", "last", "csv"),
        default="",
        help="of the set IN (default: told by what is there)",
    )
    add_embedders(parser)
    add_times(parser)
    add_anonymized(parser, ("track", "memory", "identity"))
    add_out(parser)
    parser.set_defaults(run=_run_reid)


def _run_reid(arguments: Namespace) -> int:
    from anon_ros.cli.evaluate.publish import publish  # noqa: PLC0415 - needs OpenCV
    from anon_ros.cli.evaluate.reid import reid_report  # noqa: PLC0415

    return publish(reid_report(arguments), arguments.out)


def _add_occlusion(parser: ArgumentParser) -> None:
    parser.description = (
        "Persons are pasted in the order of their coverage, since who covers more is taken to be "
        "nearer (arXiv 2410.08551, section 3.3). Measure how often that puts the wrong one on top, "
        "beside other orders: in synthetic scenes of known depth, made of persons cut out of IN, "
        "and in IN itself."
    )
    add_frames(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="outlines as YOLO segmentation text, named as the images or by the number of the "
        "frame (default: what the segmenter finds)",
    )
    parser.add_argument(
        "--scenes",
        type=positive,
        default=300,
        metavar="N",
        help="synthetic scenes (default: 300)",
    )
    depth = parser.add_mutually_exclusive_group()
    depth.add_argument(
        "--depth-topic", metavar="TOPIC", help="of the recording IN, aligned to its images"
    )
    depth.add_argument(
        "--depth", type=Path, metavar="DIR", help="16-bit PNG in mm, named as the images of IN"
    )
    depth.add_argument(
        "--depth-model",
        metavar="PATH[@HxW]",
        help="TorchScript or ONNX network for depth, whose output is larger for what is nearer",
    )
    add_out(parser)
    add_config_flags(parser, ("detect", "mask", "compute.device", "inpaint.seed"))
    parser.set_defaults(run=_run_occlusion)


def _run_occlusion(arguments: Namespace) -> int:
    from anon_ros.cli.evaluate.occlusion import occlusion_report  # noqa: PLC0415 - needs OpenCV
    from anon_ros.cli.evaluate.publish import publish  # noqa: PLC0415

    return publish(occlusion_report(arguments), arguments.out)


def _add_temporal(parser: ArgumentParser) -> None:
    parser.description = (
        "How many labelled persons stay uncovered, with and without the memory of tracks (the "
        "whole of IN is looked at first, as anon_ros bag does); and how calm the result is from "
        "frame to frame, against the original."
    )
    add_frames(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="outlines as YOLO segmentation text, named as the images or by the number of the "
        "frame; at equal intervals. Without them only calmness is measured",
    )
    add_rate(parser)
    add_anonymized(parser, ("track", "memory", "identity"))
    add_out(parser)
    parser.set_defaults(run=_run_temporal)


def _run_temporal(arguments: Namespace) -> int:
    from anon_ros.cli.evaluate.publish import publish  # noqa: PLC0415 - needs OpenCV
    from anon_ros.cli.evaluate.temporal import temporal_report  # noqa: PLC0415

    return publish(temporal_report(arguments), arguments.out)
