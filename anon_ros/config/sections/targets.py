"""Targets beside persons: presets, and sections of parameters ``targets.<name>.*``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any, get_type_hints

from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue, param
from anon_ros.config.sections.section import Section

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
INPAINT = "inpaint"
"""The action that draws; its own parameters are those of ``inpaint`` with the same names."""
DRAWING_KEYS = ("prompt", "negative_prompt", "beta_d", "context_ratio")
"""The parameters of a target that replace those of ``inpaint``, unless they are empty or 0."""


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
        "colors and are weak. inpaint: inpaint.model draws another, over the fill, from "
        "inpaint.min_person_px on; never inpaint.small_model.",
        choices=("fill", "blur", "pixelate", INPAINT),
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
    prompt: str = param(
        "",
        "With action inpaint, which needs it: description of what is drawn, such as: a gray car.",
        start_only=True,
    )
    negative_prompt: str = param(
        "",
        "With action inpaint: description of unwanted results; empty for inpaint.negative_prompt.",
        start_only=True,
    )
    beta_d: float = param(
        0.0,
        "With action inpaint: noise level, as inpaint.beta_d, 0.05 or more; 0 for that.",
        minimum=0,
        maximum=1,
        start_only=True,
        weaker="lower",
    )
    context_ratio: float = param(
        0.0,
        "With action inpaint: size of the crop, as inpaint.context_ratio, 1 or more; 0 for that.",
        minimum=0,
        maximum=10,
        start_only=True,
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
