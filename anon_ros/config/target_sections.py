"""Targets beside persons: presets, and sections of parameters ``targets.<name>.*``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, get_type_hints

from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue, param
from anon_ros.config.sections import Section

PRESETS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "person": {},
        "person+plate": {"plate": ("license_plate",)},
        "person+vehicle": {"vehicle": ("car", "motorcycle", "bus", "train", "truck")},
        "person+face": {"face": ("face",)},
    }
)
"""Classes by name of the target, by preset."""

TARGETS = "targets"


@dataclass(frozen=True)
class TargetConfig:
    """A group of classes that are covered alike."""

    classes: tuple[str, ...] = param(
        (),
        "Names of the weights' classes of the target. Those of detect.classes and mask.join are "
        "persons'. Costs another run of the detector.",
        required=True,
        start_only=True,
        weaker="fewer",
    )
    action: str = param(
        "fill",
        "Cover of the target. fill: the surroundings, spread smoothly. blur and pixelate show its "
        "colors and are weak. No model draws a target.",
        choices=("fill", "blur", "pixelate"),
        start_only=True,
        weak_choices=("blur", "pixelate"),
    )
    confidence: float = param(
        0.1,
        "Min score of a detection that is covered.",
        minimum=0.001,
        maximum=1,
        start_only=True,
        weaker="higher",
    )
    dilate_ratio: float = param(
        0.05,
        "Growth of the mask, as mask.dilate_ratio.",
        minimum=0,
        maximum=1,
        start_only=True,
        weaker="lower",
    )


@dataclass(frozen=True)
class TargetSection(Section):
    """Parameters of one target, by field of ``TargetConfig``; the others have their defaults."""

    @property
    def config(self) -> TargetConfig:
        """The values with defaults."""
        values: dict[str, Any] = dict(self.values)
        return replace(TargetConfig(), **values)


@dataclass(frozen=True)
class TargetKey:
    """A parameter of targets: its type, default and declaration."""

    type: Any
    default: ParameterValue
    spec: ParameterSpec


def list_target_keys() -> dict[str, TargetKey]:
    """Return the parameters that a section may set, by key."""
    types = get_type_hints(TargetConfig)
    default = TargetConfig()
    return {
        leaf.name: TargetKey(types[leaf.name], getattr(default, leaf.name), leaf.metadata["spec"])
        for leaf in fields(TargetConfig)
    }
