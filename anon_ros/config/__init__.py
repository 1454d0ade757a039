"""The configuration: declared once in ``schema``, everything else is derived."""

from anon_ros.config.load import load_config
from anon_ros.config.parameters import Parameter, get, parameters, with_values
from anon_ros.config.render import dump_docs, dump_yaml
from anon_ros.config.schema import (
    ComputeConfig,
    Config,
    DetectConfig,
    InpaintConfig,
    MaskConfig,
    OutputConfig,
    SkipConfig,
    Spec,
    TopicsConfig,
    Value,
    steps_run,
)

__all__ = [
    "ComputeConfig",
    "Config",
    "DetectConfig",
    "InpaintConfig",
    "MaskConfig",
    "OutputConfig",
    "Parameter",
    "SkipConfig",
    "Spec",
    "TopicsConfig",
    "Value",
    "dump_docs",
    "dump_yaml",
    "get",
    "load_config",
    "parameters",
    "steps_run",
    "with_values",
]
