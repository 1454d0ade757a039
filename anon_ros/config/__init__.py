"""Configuration: declared once in ``groups``, everything else is derived."""

from anon_ros.config.deprecated import RENAMED_PARAMETERS, format_renaming, rename_deprecated
from anon_ros.config.docs import dump_markdown, dump_yaml
from anon_ros.config.groups.config import Config
from anon_ros.config.groups.detection import (
    DetectionConfig,
    IdentityConfig,
    MaskConfig,
    MaskMemoryConfig,
    RegionsConfig,
    TargetsConfig,
    TrackingConfig,
)
from anon_ros.config.groups.inpainting import (
    DISTILLED_TRAINING_STEPS,
    GENERATOR,
    ComputeConfig,
    InpaintConfig,
    Style,
    num_denoising_steps,
)
from anon_ros.config.groups.streams import (
    FailureConfig,
    OutputConfig,
    QosConfig,
    SkipConfig,
    TopicsConfig,
)
from anon_ros.config.load import find_profile, load_config, load_file
from anon_ros.config.overrides import configure_camera, merge_cameras, with_overrides
from anon_ros.config.parameter_files import MissingSectionError, read_parameter_file
from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.parameters import (
    STRINGS,
    Parameter,
    all_parameters,
    find_foreign,
    find_parameter,
    format_foreign,
    require_parameter,
)
from anon_ros.config.region_shapes import IGNORED_REGIONS, Points, is_mask_image, parse_region
from anon_ros.config.sections.targets import TargetConfig
from anon_ros.config.topic_names import (
    is_topic_pattern,
    mirrored_topic,
    resolve_prefix,
    topic_matches,
    topic_regex,
)
from anon_ros.config.values import (
    PERSON,
    find_weaker,
    get_value,
    ignores_regions,
    list_drawings,
    list_prefixes,
    list_regions,
    list_section_parameters,
    list_styles,
    list_targets,
)
from anon_ros.config.yaml_limits import check_yaml

__all__ = [
    "DISTILLED_TRAINING_STEPS",
    "GENERATOR",
    "IGNORED_REGIONS",
    "PERSON",
    "RENAMED_PARAMETERS",
    "STRINGS",
    "ComputeConfig",
    "Config",
    "DetectionConfig",
    "FailureConfig",
    "IdentityConfig",
    "InpaintConfig",
    "MaskConfig",
    "MaskMemoryConfig",
    "MissingSectionError",
    "OutputConfig",
    "Parameter",
    "ParameterSpec",
    "ParameterValue",
    "Points",
    "QosConfig",
    "RegionsConfig",
    "SkipConfig",
    "Style",
    "TargetConfig",
    "TargetsConfig",
    "TopicsConfig",
    "TrackingConfig",
    "all_parameters",
    "check_yaml",
    "configure_camera",
    "dump_markdown",
    "dump_yaml",
    "find_foreign",
    "find_parameter",
    "find_profile",
    "find_weaker",
    "format_foreign",
    "format_renaming",
    "get_value",
    "ignores_regions",
    "is_mask_image",
    "is_topic_pattern",
    "list_drawings",
    "list_prefixes",
    "list_regions",
    "list_section_parameters",
    "list_styles",
    "list_targets",
    "load_config",
    "load_file",
    "merge_cameras",
    "mirrored_topic",
    "num_denoising_steps",
    "parse_region",
    "read_parameter_file",
    "rename_deprecated",
    "require_parameter",
    "resolve_prefix",
    "topic_matches",
    "topic_regex",
    "with_overrides",
]
