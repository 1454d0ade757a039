"""Parameters of topics, frames and what is published."""

from dataclasses import dataclass

from anon_ros.config.parameter_spec import param
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
