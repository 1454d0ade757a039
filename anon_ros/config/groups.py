"""Declarations of all parameters, in groups.

ROS parameter descriptors, command-line flags, ``config/anonymize.yaml``, the table in
``docs/parameters.md`` and all validation are derived from these dataclasses.
"""

import math
from dataclasses import dataclass, field, replace

from anon_ros.config.camera_sections import CameraSection
from anon_ros.config.parameter_spec import param
from anon_ros.config.target_sections import PRESETS, TargetSection
from anon_ros.utils.units import BYTES_PER_MIB


@dataclass(frozen=True)
class TopicsConfig:
    """Topics to anonymize, and where the result goes."""

    images: tuple[str, ...] = param(
        ("/camera/image_raw",),
        "Image topics to anonymize, sensor_msgs/Image or sensor_msgs/CompressedImage; the type is "
        "read from the publisher. Names or patterns: * stands for a part of a name, ** for several "
        "parts. Topics that appear later are included.",
        required=True,
    )
    prefix: str = param(
        "/anon",
        "Namespace put before a topic's name to make its mirrored topic. Without a leading / it "
        "lies in the node's namespace, and takes the place of that in the names of topics there.",
        required=True,
    )
    passthrough: tuple[str, ...] = param(
        (),
        "Other topics, by name or pattern, that are copied unchanged below the prefix. A type that "
        "carries pixels is refused.",
    )
    max_mirrored: int = param(
        100,
        "Max topics, found by patterns, that are mirrored at once; an error names those beyond it, "
        "which are not. A topic that is gone, and so are the subscribers of its mirrored topic, "
        "no longer counts after ten seconds.",
        minimum=1,
        maximum=10_000,
    )
    lazy: bool = param(
        default=True,
        help="Subscribe to an image topic only while its mirrored topic or its mirrored "
        "camera_info has subscribers.",
    )
    trusted_subscribers: tuple[str, ...] = param(
        (),
        "Nodes, by full name or pattern, that may subscribe to the original images. The node warns "
        "of any other subscriber: a recorder there would record persons.",
        start_only=True,
    )
    trusted_publishers: tuple[str, ...] = param(
        (),
        "Nodes, by full name or pattern, that may publish pictures below the prefix, such as "
        "another anonymizer. Any other there is an error: see topics.on_foreign_publisher.",
        start_only=True,
    )
    on_foreign_publisher: str = param(
        "report",
        "When a node that is none of topics.trusted_publishers publishes pictures below the "
        "prefix, where they would be recorded as if they were anonymized. report: log and "
        "diagnostics say ERROR. end: the node also exits with code 1, and so does a launch that "
        "records.",
        choices=("report", "end"),
        weak_choices=("report",),
    )


@dataclass(frozen=True)
class QosConfig:
    """Quality of service of the topics; ROS qos_overrides apply as well."""

    match_publisher: bool = param(
        default=False,
        help="Subscribe and publish as the original's publisher does (reliability, durability, "
        "deadline, liveliness), instead of best effort in and reliable out.",
    )


@dataclass(frozen=True)
class SkipConfig:
    """Choice of the frames that are processed in full, and treatment of the rest."""

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
        "drop: skipped frames are not published. cover: the persons of a skipped frame are "
        "detected and covered with the fill, not inpainted, so that the mirrored topic keeps the "
        "camera's rate and order. reuse: as cover, and the synthetic person of the last processed "
        "frame, warped by optical flow, is pasted over the cover where it fits.",
        choices=("drop", "cover", "reuse"),
        reconfigurable=True,
    )
    queue_size: int = param(
        30,
        "With on_skipped = cover or reuse, max frames of a topic that wait while the worker "
        "inpaints; beyond it the oldest is dropped. They wait undecoded in memory.",
        minimum=1,
        maximum=1000,
        reconfigurable=True,
    )
    latency_budget_ms: float = param(
        0.0,
        "If inpainting is predicted to take longer than this after arrival, cover the persons "
        "instead. 0 for no limit.",
        unit="ms",
        minimum=0,
        maximum=3_600_000,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class FailureConfig:
    """Limits on frames that fail and are not published."""

    error_after: int = param(
        10,
        "Failed frames in a row of a topic until its diagnostics report ERROR; below, WARN.",
        minimum=1,
        maximum=1_000_000,
    )
    max_consecutive: int = param(
        100,
        "Failed frames in a row, of all topics together, until the node exits with code 1, so "
        "that a supervisor restarts it; 0 for never.",
        minimum=0,
        maximum=1_000_000,
    )
    max_pixels: int = param(
        120_000_000,
        "Max width x height of an image, as its header declares them; a larger one fails before "
        "it is decoded, because a few hundred bytes can fill the memory.",
        minimum=1,
        maximum=2**31 - 1,
    )
    max_decompressed_mib: int = param(
        512,
        "Max size of a record, chunk or message of a recording, as it declares it and as it turns "
        "out to be: a larger one is damage. A compressed file may also become up to 100 times as "
        "large as it is.",
        unit="MiB",
        minimum=1,
        maximum=2**20,
    )

    @property
    def max_decompressed_bytes(self) -> int:
        """``max_decompressed_mib`` in bytes."""
        return self.max_decompressed_mib * BYTES_PER_MIB


@dataclass(frozen=True)
class DetectionConfig:
    """Detection of persons (YOLOv8 instance segmentation, or RF-DETR)."""

    weights: tuple[str, ...] = param(
        ("yolov8x-seg.pt",),
        "Path of Ultralytics weights, of which detect-only ones work too, with the whole box as "
        "mask; or directory, or hub id in the cache, of an RF-DETR-Seg model of transformers. Of "
        "several, each class is searched for with all that have it, and what any of them finds "
        "counts; each costs a run per frame.",
        required=True,
        start_only=True,
        accepts_string=True,
    )
    backend: str = param(
        "auto",
        "Library of the detector: ultralytics (AGPL-3.0) for a .pt file, rfdetr (Apache-2.0) for a "
        "directory; auto goes by each of the weights.",
        choices=("auto", "ultralytics", "rfdetr"),
    )
    classes: tuple[str, ...] = param(
        ("person",),
        "Names of the weights' classes that count as a person.",
        required=True,
        start_only=True,
    )
    confidence: float = param(
        0.1,
        "Min score of a detection that is anonymized. A low value detects more persons, and more "
        "things that are none; a missed person is published.",
        minimum=0.001,
        maximum=1,
        reconfigurable=True,
        weaker="higher",
    )
    nms_iou: float = param(
        0.7,
        "IoU of non-maximum suppression: boxes that overlap by more than this count as a single "
        "person, unless the mask with the lower score shows pixels that no other does.",
        minimum=0.5,
        maximum=1,
        reconfigurable=True,
        weaker="lower",
    )
    inference_px: int = param(
        640,
        "Longer side of the network's input; a larger value detects smaller persons and costs "
        "more. Rounded up to a multiple of 32; with RF-DETR to one of its windows, for a square.",
        unit="px",
        minimum=32,
        maximum=8192,
        reconfigurable=True,
        weaker="lower",
    )
    tiles: str = param(
        "auto",
        "Search large images in overlapping tiles, too, and in the whole: columns x rows of "
        "tiles, none, or as many as show the image at its own resolution, once its longer side "
        "exceeds three times inference_px. Each tile costs as much as a small image.",
        choices=("auto", "off"),
        pattern=r"[1-9]\d?x[1-9]\d?",
        example="4x2",
        reconfigurable=True,
        weak_choices=("off",),
    )
    max_persons: int = param(
        300,
        "Max persons in a frame; a frame that reaches it fails.",
        minimum=1,
        maximum=10_000,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class MaskConfig:
    """Growth of an instance mask to the mask of the replaced pixels."""

    dilate_ratio: float = param(
        0.05,
        "The mask grows by this ratio of the person's size (the geometric mean of the mask's width "
        "and height), by 2 px or more, to include hair, outlines and errors of the segmenter.",
        minimum=0,
        maximum=1,
        reconfigurable=True,
        weaker="lower",
    )
    join: tuple[str, ...] = param(
        (),
        "Names of the weights' classes that are joined to the person whom they touch, such as "
        "backpack, handbag, suitcase, umbrella and bicycle: replaced with them. What touches "
        "nobody stays. Costs another run of the detector.",
        start_only=True,
        weaker="fewer",
    )
    feather_ratio: float = param(
        0.015,
        "Width of the soft edge outside the grown mask, as a ratio of the person's size. It "
        "blends outward only, and never onto another person.",
        minimum=0,
        maximum=1,
        reconfigurable=True,
    )


@dataclass(frozen=True)
class RegionsConfig:
    """Parts of the image that are treated alike in all frames."""

    always: tuple[str, ...] = param(
        (),
        "Regions that are covered with the fill in every frame, such as a driver's window or a "
        "mirroring bonnet. A polygon is its corners x,y in ratios of width and height, from 0,0 "
        '(left, top) to 1,1: "0,0.8 1,0.8 1,1 0,1". Or the path of a PNG as large as the image, '
        "black outside the region.",
        start_only=True,
        weaker="fewer",
    )
    never: tuple[str, ...] = param(
        (),
        "Regions, as above, in which nobody is looked for, such as the robot's own arm. A "
        "detection is ignored only if all of its mask lies inside: who reaches out of the region "
        "is replaced, also inside it. A person who lies wholly inside is published.",
        start_only=True,
        weaker="more",
    )


@dataclass(frozen=True)
class TargetsConfig:
    """Choice of what is replaced beside persons."""

    preset: str = param(
        "person",
        "person: persons alone. The others also cover targets of the weights' classes "
        "license_plate; car, motorcycle, bus, train and truck; or face, with the fill. "
        "targets.NAME.* changes them, such as to action inpaint, or adds more.",
        choices=tuple(PRESETS),
        start_only=True,
        weak_choices=("person",),
    )


@dataclass(frozen=True)
class TrackingConfig:
    """Association of detections over time into tracks (ByteTrack)."""

    backend: str = param(
        "auto",
        "Tracker: ultralytics is Ultralytics' ByteTrack; builtin works in the same two rounds "
        "without Ultralytics; auto takes ultralytics if it is installed.",
        choices=("auto", "ultralytics", "builtin"),
    )
    low_confidence: float = param(
        0.1,
        "Min score of a detection that continues an existing track; above detect.confidence it "
        "has no effect.",
        minimum=0.001,
        maximum=1,
        reconfigurable=True,
        weaker="higher",
    )


@dataclass(frozen=True)
class MaskMemoryConfig:
    """Covers for tracked persons in frames in which they were not detected."""

    mode: str = param(
        "both",
        "off: no memory. past: a tracked person who is not detected stays covered, and the cover "
        "moves on (live). both: also cover the frames before a detection (recordings only; the "
        "node uses past). Before the first and after the last detection of a person, three "
        "detections are needed, one of them with detect.confidence + 0.1.",
        choices=("off", "past", "both"),
        reconfigurable=True,
        weak_choices=("off",),
    )
    duration_s: float = param(
        1.0,
        "Max time from a detection for which the person's mask is propagated, in either direction.",
        unit="s",
        minimum=0.01,
        maximum=10,
        reconfigurable=True,
        weaker="lower",
    )
    growth_ratio: float = param(
        0.2,
        "Growth of a propagated mask per second, as a ratio of the person's size; before the "
        "first and after the last detection of a person a quarter of it. It grows by that size at "
        "most.",
        unit="1/s",
        minimum=0,
        maximum=10,
        reconfigurable=True,
        weaker="lower",
    )


@dataclass(frozen=True)
class IdentityConfig:
    """Reuse of a synthetic person from frame to frame."""

    reuse: str = param(
        "noise",
        "noise: one seed and a stable crop per track, so that the noise moves with the person. "
        "previous: the diffusion also starts from the synthetic person of the frame before, warped "
        "by optical flow, and so with less of the original. off: nothing is reused.",
        choices=("noise", "previous", "off"),
        reconfigurable=True,
    )
    keyframe_s: float = param(
        2.0,
        "With reuse = previous or skip.on_skipped = reuse: re-generate a reused synthetic person "
        "from the original after this time, because warping drifts.",
        unit="s",
        minimum=0.01,
        maximum=3600,
        reconfigurable=True,
    )


DISTILLED_TRAINING_STEPS = 50
"""Number of timesteps, every 20th of 1000, that models distilled for few steps were trained on."""


def num_denoising_steps(steps: int, beta_d: float) -> int:
    """Return the number of steps that run: int(steps * beta_d) (arXiv 2410.08551)."""
    # 0.58 * 50 is 28.999999999999996.
    return int(steps * beta_d + 1e-6)


_SMALL_MODEL_STEPS = 10
_SMALL_MODEL_POWER = 1.5
_SMALL_MODEL_PX = 128
_SMALL_MODEL_MIN_PERSON_PX = 8


GENERATOR = "generator"
"""The value of ``inpaint.model`` that means the shipped one, which draws persons only."""


@dataclass(frozen=True)
class Style:
    """Prompts and noise level that a model draws with."""

    prompt: str
    negative_prompt: str
    beta_d: float

    @property
    def prompts(self) -> tuple[str, str]:
        """Prompt and negative prompt."""
        return self.prompt, self.negative_prompt


@dataclass(frozen=True)
class InpaintConfig:
    """Replacement of a person."""

    method: str = param(
        "sdxl",
        "sdxl generates a synthetic person (Stable Diffusion XL, SDXL base or SD 2); fill, telea, "
        "blur and pixelate need no model. blur and pixelate are weak: they can be partly inverted.",
        choices=("sdxl", "fill", "telea", "blur", "pixelate"),
        reconfigurable=True,
        weak_choices=("blur", "pixelate"),
    )
    model: str = param(
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        "Directory of a diffusers pipeline, or the id of one in the local hub cache.",
        required=True,
        start_only=True,
    )
    revision: str = param(
        "115134f363124c53c7d878647567d04daf26e41e",
        "Commit of a hub id, so that the weights cannot change unseen; ignored for a directory.",
        start_only=True,
    )
    small_model: str = param(
        "",
        "With method sdxl: the model that draws small persons, with the settings of the profile "
        "street; generator for the one that is shipped, a directory, or the id of one in the local "
        "hub cache. Empty for none: inpaint.model draws everybody.",
        start_only=True,
    )
    small_below_px: int = param(
        96,
        "Persons less high than this, in px of the frame, are drawn by inpaint.small_model, and so "
        "are those below min_person_px, from 8 px on. A tracked person is as high as their steady "
        "crop window, so that the model does not change from frame to frame.",
        unit="px",
        minimum=1,
        maximum=4096,
        reconfigurable=True,
    )
    vae: str = param(
        "",
        "Directory of another VAE (AutoencoderKL or AutoencoderTiny), or its hub id; empty for the "
        "model's own.",
        start_only=True,
    )
    lora: str = param(
        "",
        "A .safetensors LoRA that is fused into the UNet, its directory or its hub id; empty for "
        "none.",
        start_only=True,
    )
    beta_d: float = param(
        0.6,
        "Noise level at which the diffusion starts, as a ratio of the full noise schedule (paper: "
        "at most 0.6). A lower value keeps more of the person's structure and colors: weaker "
        "anonymization.",
        minimum=0.05,
        maximum=1,
        reconfigurable=True,
        weaker="lower",
    )
    steps: int = param(
        50,
        "Steps of the whole noise schedule; int(steps * beta_d) of them run, from beta_d * 1000 "
        "down to 0.",
        minimum=1,
        maximum=1000,
        reconfigurable=True,
    )
    timestep_power: float = param(
        1.0,
        "Distribution of the steps that run: step i of n is at beta_d * 1000 * (1 - i / n) to "
        "this power. 1 is even; more puts more of few steps where fine detail is drawn. The start, "
        "and so the privacy, stays.",
        minimum=1,
        maximum=3,
        reconfigurable=True,
    )
    scheduler: str = param(
        "euler",
        "Solver of the denoising steps. dpm (DPM-Solver++) needs fewer; lcm and tcd are for models "
        "or LoRAs distilled with them, euler for Lightning.",
        choices=("euler", "dpm", "lcm", "tcd"),
    )
    guidance_scale: float = param(
        7.0, "Classifier-free guidance scale; 1 turns guidance off.", minimum=1, maximum=30
    )
    guidance_until: float = param(
        1.0,
        "Share of the steps that run, from the first, which are guided, rounded up to whole ones; "
        "a step without guidance costs half (arXiv 2404.07724). Below 1 the quality is unproven. "
        "The start, and so the privacy, stays.",
        minimum=0,
        maximum=1,
    )
    prompt: str = param(
        "RAW photo, a person, 8k uhd, dslr, soft lighting, high quality, film grain, Fujifilm XT3",
        "Description of the person to generate. Cut after 77 tokens, with a warning.",
        reconfigurable=True,
    )
    negative_prompt: str = param(
        "cgi, 3d, render, sketch, cartoon, drawing, anime, text, cropped, worst quality, low "
        "quality, jpeg artifacts, duplicate, mutilated, extra fingers, deformed, blurry, bad "
        "anatomy, bad proportions, extra limbs, cloned face, disfigured, fused fingers, long neck",
        "Description of unwanted results. Cut after 77 tokens, with a warning.",
        reconfigurable=True,
    )
    context_ratio: float = param(
        1.5,
        "Width and height of the crop around a person, as ratios of those of the person's mask.",
        minimum=1,
        maximum=10,
        reconfigurable=True,
    )
    aspect: str = param(
        "auto",
        "auto: generate at the aspect of the person (tall, wide or square) and the smallest of "
        "three sizes that is not below the crop. square: always generate_px x generate_px (the "
        "paper).",
        choices=("auto", "square"),
    )
    generate_px: int = param(
        1024,
        "Longer side of a generated crop; aspect = auto also uses 3/4 and 1/2 of it. A multiple "
        "of 8; with a multiple of 256 all sizes are multiples of 64, as SDXL was trained.",
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
        "Start of the diffusion. original: the person under noise, which keeps pose, viewing "
        "direction and colors (the paper's way). covered: the fill, which keeps none of them.",
        choices=("original", "covered"),
        reconfigurable=True,
        weak_choices=("original",),
    )
    dtype: str = param(
        "auto",
        "Precision of the diffusion; auto is bfloat16 on a GPU and on CPUs that have it (AVX-512 "
        "or AMX), else float32. With float16 a VAE that overflows there runs in bfloat16.",
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

    @property
    def style(self) -> Style:
        """Prompts and noise level."""
        return Style(self.prompt, self.negative_prompt, self.beta_d)

    @property
    def has_small_model(self) -> bool:
        """True if ``small_model`` draws the small persons."""
        return self.is_diffusion and bool(self.small_model)

    @property
    def min_drawn_px(self) -> int:
        """Persons whose mask is narrower or lower than this, in px, are covered."""
        if not self.has_small_model:
            return self.min_person_px
        return min(self.min_person_px, _SMALL_MODEL_MIN_PERSON_PX)

    def for_small_model(self) -> "InpaintConfig":
        """Return a copy for ``small_model``: the profile street at this noise level."""
        return replace(
            self,
            model=self.small_model,
            revision="",
            small_model="",
            vae="",
            lora="",
            scheduler="dpm",
            steps=max(_SMALL_MODEL_STEPS, math.ceil(1 / self.beta_d)),
            timestep_power=_SMALL_MODEL_POWER,
            guidance_scale=1.0,
            prompt="",
            negative_prompt="",
            aspect="auto",
            generate_px=_SMALL_MODEL_PX,
            min_person_px=_SMALL_MODEL_MIN_PERSON_PX,
        )


@dataclass(frozen=True)
class ComputeConfig:
    """Device, batches and compilation of the models."""

    device: str = param(
        "auto", "auto: the first GPU, or else the CPU; or cpu, cuda, cuda:1.", required=True
    )
    batch_size: int = param(
        0,
        "Max persons per diffusion call, from all waiting frames (0: 8 on a GPU, 1 on the CPU); "
        "fewer if the GPU's memory does not suffice. Batch size affects rounding.",
        minimum=0,
        maximum=64,
    )
    compile_mode: str = param(
        "off",
        "Acceleration of the diffusion's UNet on a GPU. graphs: a CUDA graph for each size of "
        "persons and batch, recorded after the first frame that needs it, in about a second. "
        "blocks: that, and compiled transformer blocks, about 10 s at the start. Off on the CPU.",
        choices=("off", "graphs", "blocks"),
    )
    quantize: str = param(
        "none",
        "8-bit linear layers in the UNet (torchao); pays only with compile_mode. fp8 needs a GPU "
        "of compute capability 8.9 or later.",
        choices=("none", "int8", "fp8"),
    )
    weight_storage: str = param(
        "gpu",
        "Storage of the UNet's weights between its calls. For small GPUs: float8 halves their "
        "memory (8 bits, cast back layer by layer; pictures change slightly); host holds them in "
        "the host's memory and sends them at every call (the same pictures, slow). Both need "
        "compile_mode off and quantize none.",
        choices=("gpu", "float8", "host"),
    )


@dataclass(frozen=True)
class OutputConfig:
    """Encoding of the result."""

    jpeg_quality: int = param(
        95,
        "Quality of a re-encoded JPEG; its chroma subsampling is kept.",
        minimum=1,
        maximum=100,
        reconfigurable=True,
    )
    mark: bool = param(
        default=True,
        help="State where a model drew persons: as XMP in JPEG and PNG (IPTC digital source type "
        "compositeWithTrainedAlgorithmicMedia), in recordings, and on a topic beside each "
        "mirrored one. Pixels and raw images do not change. off: state nothing.",
        start_only=True,
    )
    compressed: bool = param(
        default=False,
        help="Beside each mirrored raw image also publish it as JPEG, on the topic of its name "
        "and /compressed (live only). One inference serves both, and nothing is encoded while "
        "that topic has no subscriber.",
    )


@dataclass(frozen=True)
class Config:
    """Complete configuration of anon_ros, in groups. Frozen: a change makes a new Config.

    Attributes:
        cameras: parameters of single cameras, by the section's name in ascending order.
        target_sections: parameters of targets, likewise.
    """

    autostart: bool = param(
        default=True,
        help="The node configures and activates itself. false: ros2 lifecycle or a lifecycle "
        "manager does.",
        start_only=True,
    )
    allow_weaker: bool = param(
        default=False,
        help="Let a running node accept values that anonymize less than those that it was started "
        "with. false: anybody on the ROS graph can make it stricter, nobody weaker.",
        start_only=True,
    )
    topics: TopicsConfig = field(default_factory=TopicsConfig)
    qos: QosConfig = field(default_factory=QosConfig)
    skip: SkipConfig = field(default_factory=SkipConfig)
    fail: FailureConfig = field(default_factory=FailureConfig)
    detect: DetectionConfig = field(default_factory=DetectionConfig)
    mask: MaskConfig = field(default_factory=MaskConfig)
    regions: RegionsConfig = field(default_factory=RegionsConfig)
    targets: TargetsConfig = field(default_factory=TargetsConfig)
    track: TrackingConfig = field(default_factory=TrackingConfig)
    memory: MaskMemoryConfig = field(default_factory=MaskMemoryConfig)
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    inpaint: InpaintConfig = field(default_factory=InpaintConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    cameras: tuple[CameraSection, ...] = ()
    target_sections: tuple[TargetSection, ...] = ()

    def without_targets(self) -> "Config":
        """Return a copy that replaces persons alone."""
        return replace(self, targets=TargetsConfig(), target_sections=())

    def with_method(self, method: str) -> "Config":
        """Return a copy with another ``inpaint.method``, for example "fill"."""
        return replace(self, inpaint=replace(self.inpaint, method=method))
