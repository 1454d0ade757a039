"""Flags that several questions have."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from anon_ros.cli.config_flags import add_config_flags

CHOSEN_BY_MODES = ("inpaint.method",)
LABEL_NAMING_HELP = (
    "named as the images; for a video by a name that ends with the frame's number, for a recording "
    "as camera/image_raw/000012.txt: the topic and the image's number from 0, or its log time in ns"
)
MODEL_GROUPS = ("detect", "mask", "inpaint", "compute")
_MODES = "sdxl fill telea blur pixelate paper-blur paper-pixelate mask-out"


def add_output_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for one report, made if it is missing. It also keeps what lets a run go on: "
        "vectors of original persons, and frames. Hand on report.html alone",
    )


def add_frame_flags(parser: ArgumentParser) -> None:
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
        type=positive_int,
        default=1,
        metavar="N",
        help="the first of every N frames (default: 1)",
    )
    parser.add_argument(
        "--limit", type=positive_int, default=0, metavar="N", help="at most N frames (default: all)"
    )


def add_comparison_flags(
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
    add_method_flags(parser, more_groups, modes)


def add_embedder_flags(parser: ArgumentParser) -> None:
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


def add_period_flags(parser: ArgumentParser) -> None:
    """For persons who are followed."""
    parser.add_argument(
        "--period-s",
        type=positive_float,
        default=2.0,
        metavar="S",
        help="of recordings: each person is cut out once in so many seconds, and not searched for "
        "within them (default: 2)",
    )
    add_rate_flag(parser)


def add_rate_flag(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rate-hz",
        type=positive_float,
        default=10.0,
        metavar="HZ",
        help="of the images in a folder, which have no times (default: 10)",
    )


def add_method_flags(
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
    add_config_flags(parser, (*MODEL_GROUPS, *more_groups), CHOSEN_BY_MODES)


def add_network_flags(parser: ArgumentParser) -> None:
    """Networks that tell how images look."""
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


def positive_float(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        message = f"{text} is no number above 0"
        raise ArgumentTypeError(message)
    return value


def unit_interval(text: str) -> float:
    """A number above 0, up to 1."""
    return 1.0 if float(text) == 1 else open_unit_interval(text)


def open_unit_interval(text: str) -> float:
    """A number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        message = f"{text} is no number between 0 and 1"
        raise ArgumentTypeError(message)
    return value


def positive_int(text: str) -> int:
    """A number from 1 on."""
    value = int(text)
    if value < 1:
        message = f"{text} is no number from 1 on"
        raise ArgumentTypeError(message)
    return value
