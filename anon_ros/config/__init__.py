"""The configuration: declared once in ``schema``, everything else is derived."""

from anon_ros.config.load import load_config
from anon_ros.config.names import is_pattern, matches, mirrored_topic
from anon_ros.config.parameters import Parameter, get, parameters, with_values
from anon_ros.config.render import dump_docs, dump_yaml
from anon_ros.config.schema import (
    DISTILLED_STEPS,
    ComputeConfig,
    Config,
    DetectConfig,
    FailConfig,
    IdentityConfig,
    InpaintConfig,
    MaskConfig,
    MemoryConfig,
    OutputConfig,
    QosConfig,
    SkipConfig,
    Spec,
    TopicsConfig,
    TrackConfig,
    Value,
    steps_run,
)

__all__ = [
    "DISTILLED_STEPS",
    "ComputeConfig",
    "Config",
    "DetectConfig",
    "FailConfig",
    "IdentityConfig",
    "InpaintConfig",
    "MaskConfig",
    "MemoryConfig",
    "OutputConfig",
    "Parameter",
    "QosConfig",
    "SkipConfig",
    "Spec",
    "TopicsConfig",
    "TrackConfig",
    "Value",
    "dump_docs",
    "dump_yaml",
    "get",
    "is_pattern",
    "load_config",
    "matches",
    "mirrored_topic",
    "parameters",
    "steps_run",
    "with_values",
]
