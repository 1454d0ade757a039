"""The flags of ``anon_ros evaluate``; what a question needs is imported when it is asked."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from anon_ros.cli.config_flags import add_config_flags
from anon_ros.cli.evaluate.flags import (
    CHOSEN_BY_MODES,
    LABEL_NAMING_HELP,
    MODEL_GROUPS,
    add_comparison_flags,
    add_embedder_flags,
    add_frame_flags,
    add_network_flags,
    add_output_flag,
    add_period_flags,
    add_rate_flag,
    open_unit_interval,
    positive_float,
    positive_int,
    unit_interval,
)

_ABOUT = """\
Measure what anonymization did to identity and use. Each question writes report.html (complete in
itself), report.json, one CSV file per table and one SVG file per plot into the folder --out. The
same command goes on where it was stopped.
"""


def add_evaluate_parser(parser: ArgumentParser) -> None:
    """Add one sub-command per question."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.description = _ABOUT
    questions = parser.add_subparsers(title="questions", required=True, metavar="QUESTION")
    _add_detection(questions.add_parser("detection", help="what a person detector loses"))
    _add_all(questions.add_parser("all", help="all of these about one recording, on one page"))
    _add_quality(questions.add_parser("quality", help="do the results look like the originals?"))
    _add_reid(questions.add_parser("reid", help="is anybody found again?"))
    _add_beta(questions.add_parser("beta", help="how much noise is enough?"))
    _add_occlusion(questions.add_parser("occlusion", help="is the nearer person drawn on top?"))
    _add_temporal(questions.add_parser("temporal", help="is everybody covered at all times?"))


def _add_detection(parser: ArgumentParser) -> None:
    parser.description = (
        "COCO's average precision (AP) of a person detector on the original and on the anonymized "
        "frames, with the same labels. With --train also the paper's protocol: detectors trained "
        "on the anonymized frames of the first part of IN, tested on the original ones of the rest."
    )
    add_frame_flags(parser)
    add_comparison_flags(parser, modes="fill paper-blur paper-pixelate mask-out")
    add_output_flag(parser)
    labels = parser.add_argument_group("labels and detector")
    labels.add_argument(
        "--labels",
        type=Path,
        metavar="PATH",
        help="persons of the frames: folder of YOLO text files (boxes or outlines; "
        f"{LABEL_NAMING_HELP}), or "
        "COCO annotations (.json); frames without count for nothing. Default: the detector's own "
        "boxes on the original",
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
        type=open_unit_interval,
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
            flag,
            type=positive_int,
            default=default,
            metavar="N",
            help=f"{text} (default: {default})",
        )
    training.add_argument(
        "--train-px",
        type=positive_int,
        metavar="PX",
        help="longer side of a frame as these see it (default: detect.inference_px)",
    )
    training.add_argument(
        "--train-share",
        type=open_unit_interval,
        default=0.7,
        metavar="SHARE",
        help="of the labelled frames, the earliest; the last twentieth of them is left out, so "
        "that no frame is tested that is nearly one to learn from (default: 0.7)",
    )
    parser.set_defaults(run=_run_detection)


def _run_detection(arguments: Namespace) -> int:
    from anon_ros.evaluation.detection.experiment import evaluate_detection  # noqa: PLC0415 - needs OpenCV
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415

    return run_evaluation(evaluate_detection, arguments)


def _add_all(parser: ArgumentParser) -> None:
    parser.description = (
        "Every question but beta about one recording, on one page for who has to answer for it: "
        "what was done (of a recording made by anon_ros bag, from its report, and verified), who "
        "is found again, who is uncovered, how it looks, what a detector loses, who is drawn on "
        "top. What cannot be measured is told."
    )
    add_frame_flags(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help=f"outlines as YOLO segmentation text, {LABEL_NAMING_HELP}",
    )
    parser.add_argument(
        "--scenes",
        type=positive_int,
        default=200,
        metavar="N",
        help="synthetic scenes for the order of pasting (default: 200)",
    )
    add_embedder_flags(parser)
    add_network_flags(parser)
    add_period_flags(parser)
    add_comparison_flags(parser, ("track", "memory", "identity"))
    add_output_flag(parser)
    parser.set_defaults(
        run=_run_all,
        format="",
        label_classes=["person"],
        truth_confidence=0.5,
        **dict.fromkeys(
            ("detector", "detector_classes", "train", "depth", "depth_topic", "depth_model")
        ),
    )


def _run_all(arguments: Namespace) -> int:
    from anon_ros.evaluation.overview import evaluate_all  # noqa: PLC0415 - needs OpenCV
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415

    return run_evaluation(evaluate_all, arguments)


def _add_quality(parser: ArgumentParser) -> None:
    parser.description = (
        "FID, KID, IS and LPIPS of the anonymized frames against the originals, of full images and "
        "of persons, as far as the weights are there (anon_ros models lists them); Frechet and "
        "kernel distances on the features of any other network; sharpness and difference."
    )
    add_frame_flags(parser)
    add_network_flags(parser)
    add_comparison_flags(parser)
    add_output_flag(parser)
    parser.set_defaults(run=_run_quality)


def _run_quality(arguments: Namespace) -> int:
    from anon_ros.evaluation.quality.experiment import evaluate_quality  # noqa: PLC0415
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415 - needs OpenCV

    return run_evaluation(evaluate_quality, arguments)


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
    add_frame_flags(parser)
    parser.add_argument(
        "--format",
        choices=("market1501", "last", "csv"),
        default="",
        help="of the set IN (default: told by what is there)",
    )
    add_embedder_flags(parser)
    add_period_flags(parser)
    add_comparison_flags(parser, ("track", "memory", "identity"))
    add_output_flag(parser)
    parser.set_defaults(run=_run_reid)


def _run_reid(arguments: Namespace) -> int:
    from anon_ros.evaluation.reid.experiment import evaluate_reid_set  # noqa: PLC0415
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415 - needs OpenCV

    return run_evaluation(evaluate_reid_set, arguments)


def _add_beta(parser: ArgumentParser) -> None:
    parser.description = (
        "Anonymize the persons of IN with several noise levels (inpaint.beta_d; and sizes, and "
        "prompts), and measure for each whether they are found again, how they look, whether they "
        "are detected, and what it costs. Recommends the smallest noise level that hides them."
    )
    add_frame_flags(parser)
    parser.add_argument(
        "--betas",
        nargs="+",
        type=unit_interval,
        default=[0.2, 0.4, 0.6, 0.8, 1.0],
        metavar="BETA",
        help="noise levels (default: 0.2 0.4 0.6 0.8 1)",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        type=positive_int,
        metavar="PX",
        help="values of inpaint.generate_px (default: the parameter's)",
    )
    parser.add_argument(
        "--prompts", nargs="+", metavar="TEXT", help="prompts (default: the parameter's)"
    )
    parser.add_argument(
        "--margin",
        type=positive_float,
        default=5.0,
        metavar="POINTS",
        help="how far above chance rank-1 may be, percentage points (default: 5)",
    )
    add_embedder_flags(parser)
    add_network_flags(parser)
    add_period_flags(parser)
    add_config_flags(parser, (*MODEL_GROUPS, "track", "memory", "identity"), CHOSEN_BY_MODES)
    add_output_flag(parser)
    parser.set_defaults(run=_run_beta, anonymized=None)


def _run_beta(arguments: Namespace) -> int:
    from anon_ros.evaluation.beta.experiment import sweep_beta  # noqa: PLC0415 - needs OpenCV
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415

    return run_evaluation(sweep_beta, arguments)


def _add_occlusion(parser: ArgumentParser) -> None:
    parser.description = (
        "Persons are pasted in the order of their coverage, since who covers more is taken to be "
        "nearer (arXiv 2410.08551, section 3.3). Measure how often that puts the wrong one on top, "
        "beside other orders: in synthetic scenes of known depth, made of persons cut out of IN, "
        "and in IN itself."
    )
    add_frame_flags(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help=f"outlines as YOLO segmentation text, {LABEL_NAMING_HELP} (default: what the "
        "segmenter finds)",
    )
    parser.add_argument(
        "--scenes",
        type=positive_int,
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
    add_output_flag(parser)
    add_config_flags(parser, ("detect", "mask", "compute.device", "inpaint.seed"))
    parser.set_defaults(run=_run_occlusion, anonymized=None)


def _run_occlusion(arguments: Namespace) -> int:
    from anon_ros.evaluation.occlusion.experiment import evaluate_paste_orders  # noqa: PLC0415 - needs OpenCV
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415

    return run_evaluation(evaluate_paste_orders, arguments)


def _add_temporal(parser: ArgumentParser) -> None:
    parser.description = (
        "How many labelled persons stay uncovered, with and without the memory of tracks (the "
        "whole of IN is looked at first, as anon_ros bag does); and how calm the result is from "
        "frame to frame, against the original."
    )
    add_frame_flags(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help=f"outlines as YOLO segmentation text, {LABEL_NAMING_HELP}; at equal "
        "intervals. Without them "
        "only calmness is measured",
    )
    add_rate_flag(parser)
    add_comparison_flags(parser, ("track", "memory", "identity"))
    add_output_flag(parser)
    parser.set_defaults(run=_run_temporal)


def _run_temporal(arguments: Namespace) -> int:
    from anon_ros.evaluation.runner import run_evaluation  # noqa: PLC0415 - needs OpenCV
    from anon_ros.evaluation.temporal.experiment import evaluate_temporal  # noqa: PLC0415

    return run_evaluation(evaluate_temporal, arguments)
