"""Configuration: declared once in ``groups``, everything else is derived."""

from anon_ros.config.deprecated import RENAMED_PARAMETERS, format_renaming, rename_deprecated
from anon_ros.config.docs import dump_markdown, dump_yaml
from anon_ros.config.groups import (
    DISTILLED_TRAINING_STEPS,
    ComputeConfig,
    Config,
    DetectionConfig,
    FailureConfig,
    IdentityConfig,
    InpaintConfig,
    MaskConfig,
    MaskMemoryConfig,
    OutputConfig,
    QosConfig,
    RegionsConfig,
    SkipConfig,
    TopicsConfig,
    TrackingConfig,
    num_denoising_steps,
)
from anon_ros.config.load import find_profile, load_config, load_file
from anon_ros.config.parameter_files import MissingSectionError, read_parameter_file
from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.parameters import (
    Parameter,
    all_parameters,
    find_foreign,
    find_weaker,
    format_foreign,
    get_value,
    with_overrides,
)
from anon_ros.config.region_shapes import IGNORED_REGIONS, Points, is_mask_image, parse_region
from anon_ros.config.topic_names import (
    is_topic_pattern,
    mirrored_topic,
    resolve_prefix,
    topic_matches,
    topic_regex,
)
from anon_ros.config.yaml_limits import check_yaml

__all__ = [
    "DISTILLED_TRAINING_STEPS",
    "IGNORED_REGIONS",
    "RENAMED_PARAMETERS",
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
    "TopicsConfig",
    "TrackingConfig",
    "all_parameters",
    "check_yaml",
    "dump_markdown",
    "dump_yaml",
    "find_foreign",
    "find_profile",
    "find_weaker",
    "format_foreign",
    "format_renaming",
    "get_value",
    "is_mask_image",
    "is_topic_pattern",
    "load_config",
    "load_file",
    "mirrored_topic",
    "num_denoising_steps",
    "parse_region",
    "read_parameter_file",
    "rename_deprecated",
    "resolve_prefix",
    "topic_matches",
    "topic_regex",
    "with_overrides",
]
