"""The one declaration of every parameter.

ROS parameter descriptors, command-line flags, ``config/anonymize.yaml``, the table in
``docs/parameters.md`` and all validation are derived from these dataclasses.
"""

from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

ParameterValue: TypeAlias = bool | int | float | str | tuple[str, ...]

T = TypeVar("T", bool, int, float, str, tuple[str, ...])


@dataclass(frozen=True)
class ParameterSpec:
    """What is known of a parameter beside its name, type and default.

    Attributes:
        help: one or two sentences for a user.
        unit: of the value, for example "px" or "Hz"; empty for none.
        minimum: smallest allowed value, inclusive; None for no bound.
        maximum: largest allowed value, inclusive; None for no bound.
        choices: the only allowed values; empty for any.
        required: an empty string or an empty list is refused.
        reconfigurable: a running node takes a new value, between two frames.
    """

    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    reconfigurable: bool = False


def param(  # noqa: PLR0913 - one argument per column of the table of parameters
    default: T,
    help: str,  # noqa: A002 - the word that argparse and click use for it
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    required: bool = False,
    reconfigurable: bool = False,
) -> T:
    """Declare a dataclass field that is a parameter; the field's type is the parameter's."""
    spec = ParameterSpec(help, unit, minimum, maximum, choices, required, reconfigurable)
    declared: T = field(default=default, metadata={"spec": spec})
    return declared


@dataclass(frozen=True)
class TopicsConfig:
    """Which topics are anonymized, and where the result goes."""

    images: tuple[str, ...] = param(
        ("/camera/image_raw",),
        "Image topics to anonymize, sensor_msgs/Image or sensor_msgs/CompressedImage; the type is "
        "read from the publisher. Names or patterns: * stands for a part of a name, ** for several "
        "parts. Topics that appear later are taken too.",
        required=True,
    )
    prefix: str = param(
        "/anon", "Namespace put before a topic's name to make its mirrored topic.", required=True
    )
    passthrough: tuple[str, ...] = param(
        (),
        "Other topics, by name or pattern, that are copied unchanged below the prefix. A type that "
        "carries pixels is refused.",
    )
    lazy: bool = param(
        default=True,
        help="Subscribe to an image topic only while somebody subscribes to its mirrored topic or "
        "its mirrored camera_info.",
    )
    trusted_subscribers: tuple[str, ...] = param(
        (),
        "Nodes, by full name or pattern, that may subscribe to the original images. Any other one "
        "is warned of: a recorder there would record persons.",
    )


@dataclass(frozen=True)
class QosConfig:
    """Quality of service of the topics. qos_overrides of ROS apply in any case."""

    match_publisher: bool = param(
        default=False,
        help="Subscribe and publish as the original's publisher does (reliability, durability, "
        "deadline, liveliness), instead of best effort in and reliable out.",
    )


@dataclass(frozen=True)
class SkipConfig:
    """Which frames of a topic are processed in full, and what becomes of the others."""

    every_nth: int = param(
        1,
        "Process the first of every N frames; 1 processes all.",
        minimum=1,
        maximum=1_000_000,
        reconfigurable=True,
    )
    max_rate_hz: float = param(
        0.0,
        "Process at most this many frames per second and topic; 0 for no limit.",
        unit="Hz",
        minimum=0,
        maximum=1000,
        reconfigurable=True,
    )
    max_age_s: float = param(
        0.0,
        "Skip a frame that waited longer than this for the worker; 0 for no limit.",
        unit="s",
        minimum=0,
        maximum=3600,
        reconfigurable=True,
    )
    on_skipped: str = param(
        "drop",
        "drop: the mirrored topic carries only frames that were processed. cover: in a skipped "
        "frame the persons are found and covered with the fill, not inpainted, so that the "
        "mirrored topic keeps the camera's rate and order. reuse: as cover, and over the cover the "
        "synthetic person of the last processed frame, moved by optical flow, where it fits.",
        choices=("drop", "cover", "reuse"),
        reconfigurable=True,
    )
    queue_size: int = param(
        30,
        "With on_skipped = cover or reuse, the most frames of a topic that wait while the worker "
        "inpaints; beyond it the oldest is dropped. Each waits undecoded in memory.",
        minimum=1,
        maximum=1000,
        reconfigurable=True,
    )
    latency_budget_ms: float = param(
        0.0,
        "Cover the persons of a frame instead of inpainting them when, judged by the persons "
        "before, it would be published later than this after its arrival; 0 for no limit.",
        unit="ms",
        minimum=0,
        maximum=3_600_000,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class FailureConfig:
    """When frames that fail, and are not published, become an operator's business."""

    error_after: int = param(
        10,
        "Failed frames in a row of one topic until its diagnostics say ERROR; below, WARN.",
        minimum=1,
        maximum=1_000_000,
    )
    max_consecutive: int = param(
        100,
        "Failed frames in a row, of all topics together, until the node ends with exit code 1, so "
        "that a supervisor restarts it; 0 for never.",
        minimum=0,
        maximum=1_000_000,
    )


@dataclass(frozen=True)
class DetectionConfig:
    """How persons are found (YOLOv8 instance segmentation)."""

    weights: str = param(
        "yolov8x-seg.pt",
        "Path of Ultralytics weights. Detect-only weights work too, with the whole box as mask.",
        required=True,
    )
    classes: tuple[str, ...] = param(
        ("person",), "Names of the weights' classes that count as a person.", required=True
    )
    confidence: float = param(
        0.1,
        "Lowest score of a detection that is anonymized. Low finds more persons (and more things "
        "that are none): a missed person is published.",
        minimum=0.001,
        maximum=1,
        reconfigurable=True,
    )
    nms_iou: float = param(
        0.7,
        "Boxes that overlap by more than this are taken for one person, and only the mask of the "
        "likelier one is replaced (non-maximum suppression). Raise it for crowds.",
        minimum=0.5,
        maximum=1,
        reconfigurable=True,
    )
    inference_px: int = param(
        640,
        "Longer side of the image as the network sees it; larger finds smaller persons and costs "
        "more. Rounded up to a multiple of 32.",
        unit="px",
        minimum=32,
        maximum=8192,
        reconfigurable=True,
    )
    max_persons: int = param(
        300,
        "Most persons of one frame; a frame that reaches it fails.",
        minimum=1,
        maximum=10_000,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class MaskConfig:
    """How a person's instance mask becomes the mask of what is replaced."""

    dilate_ratio: float = param(
        0.05,
        "The mask grows by this share of the person's size (the geometric mean of the mask's width "
        "and height), at least 2 px: hair, outlines and the segmenter's errors lie there.",
        minimum=0,
        maximum=1,
        reconfigurable=True,
    )
    feather_ratio: float = param(
        0.015,
        "Width of the soft edge outside the grown mask, as a share of the person's size. It only "
        "blends outward and never onto another person.",
        minimum=0,
        maximum=1,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class TrackingConfig:
    """How detections of successive frames are joined into tracks (ByteTrack)."""

    low_confidence: float = param(
        0.1,
        "Lowest score of a detection that goes on with a known person's track; above "
        "detect.confidence it has no effect.",
        minimum=0.001,
        maximum=1,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class MaskMemoryConfig:
    """How long a person stays covered who is not detected any more, or not yet."""

    mode: str = param(
        "both",
        "past: a tracked person who is missed stays covered, moving on as before. both: also the "
        "frames before a person is first or again detected are covered; only recordings have a "
        "future, the node takes past. off: each frame stands alone. Before the first and after the "
        "last detection it takes three detections of the person, one of them with "
        "detect.confidence + 0.1.",
        choices=("off", "past", "both"),
        reconfigurable=True,
    )
    duration_s: float = param(
        1.0,
        "How far a person is carried on from a frame in which it was detected, in each direction.",
        unit="s",
        minimum=0.01,
        maximum=10,
        reconfigurable=True,
    )
    growth_ratio: float = param(
        0.2,
        "How much a mask that is carried on grows per second, as a share of the person's size; "
        "before the first and after the last detection of a person by a quarter of it. It grows by "
        "no more than that size.",
        unit="1/s",
        minimum=0,
        maximum=10,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class IdentityConfig:
    """What a synthetic person keeps from frame to frame."""

    reuse: str = param(
        "noise",
        "noise: one seed and a steady crop per track, so that a person's noise moves with it. "
        "previous: the diffusion also starts from the synthetic person of the frame before, moved "
        "by optical flow, and so with less of the original. off: each frame anew.",
        choices=("noise", "previous", "off"),
        reconfigurable=True,
    )
    keyframe_s: float = param(
        2.0,
        "Longest time for which a synthetic person is moved on, with reuse = previous or "
        "skip.on_skipped = reuse; then it is drawn from the original again, since moving drifts.",
        unit="s",
        minimum=0.01,
        maximum=3600,
        reconfigurable=True,
    )


DISTILLED_TRAINING_STEPS = 50
"""Models distilled for few steps (lcm, tcd) saw only every 20th of 1000 timesteps."""


def num_denoising_steps(steps: int, beta_d: float) -> int:
    """How many of the noise schedule's steps run: int(steps * beta_d) (arXiv 2410.08551)."""
    # 0.58 * 50 is 28.999999999999996.
    return int(steps * beta_d + 1e-6)


@dataclass(frozen=True)
class InpaintConfig:
    """What is drawn where a person was."""

    method: str = param(
        "sdxl",
        "sdxl draws a synthetic person (Stable Diffusion XL, SDXL base or SD 2); fill, telea, blur "
        "and pixelate need no model. blur and pixelate are weak: they can be partly inverted.",
        choices=("sdxl", "fill", "telea", "blur", "pixelate"),
        reconfigurable=True,
    )
    model: str = param(
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        "Directory of a diffusers pipeline, or the id of one in the local hub cache.",
        required=True,
    )
    revision: str = param(
        "115134f363124c53c7d878647567d04daf26e41e",
        "Commit of a hub id, so that the weights cannot change unseen; ignored for a directory.",
    )
    vae: str = param(
        "",
        "Directory of another VAE (AutoencoderKL or AutoencoderTiny), or its hub id; empty for the "
        "model's own.",
    )
    lora: str = param(
        "",
        "A .safetensors LoRA that is fused into the UNet, its directory or its hub id; empty for "
        "none.",
    )
    beta_d: float = param(
        0.6,
        "Noise level at which the diffusion starts, as a share of the full chain (paper: at most "
        "0.6). Lower keeps more of the person's structure and colours: weaker anonymization.",
        minimum=0.05,
        maximum=1,
        reconfigurable=True,
    )
    steps: int = param(
        50,
        "Steps of the whole noise schedule; int(steps * beta_d) of them run, evenly from "
        "beta_d * 1000 down to 0.",
        minimum=1,
        maximum=1000,
        reconfigurable=True,
    )
    scheduler: str = param(
        "euler",
        "How a step is made. dpm (DPM-Solver++) needs fewer; lcm and tcd are for models or LoRAs "
        "distilled with them, euler for Lightning.",
        choices=("euler", "dpm", "lcm", "tcd"),
    )
    guidance_scale: float = param(
        7.0, "Classifier-free guidance scale; 1 turns guidance off.", minimum=1, maximum=30
    )
    prompt: str = param(
        "RAW photo, a person, 8k uhd, dslr, soft lighting, high quality, film grain, Fujifilm XT3",
        "What to draw. Cut after 77 tokens, with a warning.",
        reconfigurable=True,
    )
    negative_prompt: str = param(
        "cgi, 3d, render, sketch, cartoon, drawing, anime, text, cropped, worst quality, low "
        "quality, jpeg artifacts, duplicate, mutilated, extra fingers, deformed, blurry, bad "
        "anatomy, bad proportions, extra limbs, cloned face, disfigured, fused fingers, long neck",
        "What not to draw. Cut after 77 tokens, with a warning.",
        reconfigurable=True,
    )
    context_ratio: float = param(
        1.5,
        "Width and height of the crop around a person, in those of the person's mask.",
        minimum=1,
        maximum=10,
        reconfigurable=True,
    )
    aspect: str = param(
        "auto",
        "bucket generates a person tall, wide or square as the person is, at the smallest of three "
        "sizes that is not below the crop; square always at generate_px x generate_px (the paper).",
        choices=("auto", "square"),
    )
    generate_px: int = param(
        1024,
        "Longer side at which a crop is generated; buckets have this, 3/4 and 1/2 of it. A "
        "multiple of 8; of 256 so that all buckets are multiples of 64, as SDXL was trained.",
        unit="px",
        minimum=64,
        maximum=2048,
    )
    min_person_px: int = param(
        32,
        "Persons whose mask is narrower or lower than this are covered with the fill instead.",
        unit="px",
        minimum=0,
        maximum=4096,
        reconfigurable=True,
    )
    init: str = param(
        "original",
        "What the diffusion starts from: the original person under noise keeps pose, viewing "
        "direction and colours (the paper's way); covered starts from the fill and keeps none.",
        choices=("original", "covered"),
        reconfigurable=True,
    )
    dtype: str = param(
        "auto",
        "Precision of the diffusion; auto is bfloat16 on a GPU and float32 on the CPU. With "
        "float16 a VAE that overflows there runs in bfloat16.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    seed: int = param(
        0,
        "Start of all random numbers: the same input, parameters and seed give the same image.",
        minimum=0,
        maximum=2**63 - 1,
        reconfigurable=True,
    )

    @property
    def is_diffusion(self) -> bool:
        """True if ``method`` loads a diffusion model."""
        return self.method == "sdxl"


@dataclass(frozen=True)
class ComputeConfig:
    """Where the models run."""

    device: str = param(
        "auto", "auto takes the first GPU or else the CPU; or cpu, cuda, cuda:1.", required=True
    )
    batch_size: int = param(
        0,
        "Most persons in one call of the diffusion, of one or several waiting frames; fewer where "
        "the GPU's memory does not suffice. Rounding then depends on who else is in the call. 0 is "
        "8 on a GPU, and 1 on the CPU, where more gains nothing.",
        minimum=0,
        maximum=64,
    )
    compile_mode: str = param(
        "off",
        "Mode of torch.compile for the diffusion. The first start takes minutes for every shape, "
        "later ones use a cache. reduce-overhead and max-autotune use CUDA graphs. Off on the CPU.",
        choices=("off", "default", "reduce-overhead", "max-autotune"),
    )
    quantize: str = param(
        "none",
        "8-bit linear layers in the UNet (torchao); pays only with compile. fp8 needs a GPU of "
        "compute capability 8.9 or later.",
        choices=("none", "int8", "fp8"),
    )


@dataclass(frozen=True)
class OutputConfig:
    """How the result is encoded."""

    jpeg_quality: int = param(
        95,
        "Quality of a re-encoded JPEG; its chroma subsampling is kept.",
        minimum=1,
        maximum=100,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class Config:
    """Every parameter of anon_ros, in groups. Frozen: a change makes a new Config."""

    autostart: bool = param(
        default=True,
        help="The node configures and activates itself. false leaves that to ros2 lifecycle or a "
        "lifecycle manager.",
    )
    topics: TopicsConfig = field(default_factory=TopicsConfig)
    qos: QosConfig = field(default_factory=QosConfig)
    skip: SkipConfig = field(default_factory=SkipConfig)
    fail: FailureConfig = field(default_factory=FailureConfig)
    detect: DetectionConfig = field(default_factory=DetectionConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    track: TrackingConfig = field(default_factory=TrackingConfig)
    memory: MaskMemoryConfig = field(default_factory=MaskMemoryConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    inpaint: InpaintConfig = field(default_factory=InpaintConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    output: OutputConfig = field(default_factory=OutputConfig)

    def with_method(self, method: str) -> "Config":
        """Return a copy with another ``inpaint.method``."""
        return replace(self, inpaint=replace(self.inpaint, method=method))
