"""All groups of parameters."""

from dataclasses import dataclass, field, replace

from anon_ros.config.groups.detection import (
    DetectionConfig,
    IdentityConfig,
    MaskConfig,
    MaskMemoryConfig,
    RegionsConfig,
    TargetsConfig,
    TrackingConfig,
)
from anon_ros.config.groups.inpainting import ComputeConfig, InpaintConfig
from anon_ros.config.groups.streams import (
    FailureConfig,
    OutputConfig,
    QosConfig,
    SkipConfig,
    TopicsConfig,
)
from anon_ros.config.parameter_spec import param
from anon_ros.config.sections.cameras import CameraSection
from anon_ros.config.sections.targets import TargetSection


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
