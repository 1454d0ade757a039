"""Values of a configuration, those of single cameras and targets too."""

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from anon_ros.config.groups.config import Config
from anon_ros.config.groups.inpainting import InpaintConfig, Style
from anon_ros.config.parameter_spec import ParameterValue
from anon_ros.config.parameters import all_parameters, require_parameter
from anon_ros.config.sections.cameras import CAMERAS, IMAGES, REGION_PARAMETERS
from anon_ros.config.sections.section import (
    Section,
    join_section_parameter,
    split_section_parameter,
)
from anon_ros.config.sections.targets import (
    DRAWING_KEYS,
    INPAINT,
    PRESETS,
    TARGETS,
    TargetConfig,
    TargetSection,
)
from anon_ros.config.topic_names import resolve_prefix

PERSON = "person"
"""Name of the target that ``detect``, ``mask`` and ``inpaint`` describe."""

PREFIX = "topics.prefix"


def list_section_parameters(config: Config) -> dict[str, ParameterValue]:
    """Return the parameters that ``config`` sets for single cameras and targets, by name."""
    kinds: dict[str, Sequence[Section]] = {CAMERAS: config.cameras, TARGETS: config.target_sections}
    return {
        join_section_parameter(kind, section.name, key): value
        for kind, sections in kinds.items()
        for section in sections
        for key, value in section.values
    }


def list_targets(config: Config) -> dict[str, TargetConfig]:
    """Return the targets beside persons by name, of the preset and of the sections."""
    preset = PRESETS[config.targets.preset]
    sections = {name: TargetSection(name, (("classes", preset[name]),)) for name in preset}
    for section in config.target_sections:
        values = dict(sections.get(section.name, section).values) | dict(section.values)
        sections[section.name] = TargetSection(section.name, tuple(sorted(values.items())))
    return {name: sections[name].config for name in sorted(sections)}


def list_drawings(config: Config) -> dict[str, InpaintConfig]:
    """Return the parameters of the targets that a model draws, by name."""
    targets = list_targets(config)
    return {
        name: _resolve_drawing(config, target)
        for name, target in targets.items()
        if target.action == INPAINT
    }


def list_styles(config: Config) -> list[Style]:
    """Return the styles in which a model draws targets; without that of persons, each once."""
    styles = dict.fromkeys(drawing.style for drawing in list_drawings(config).values())
    return [style for style in styles if style != config.inpaint.style]


def _resolve_drawing(config: Config, target: TargetConfig) -> InpaintConfig:
    values: dict[str, Any] = {key: getattr(target, key) for key in DRAWING_KEYS}
    return replace(config.inpaint, **{key: value for key, value in values.items() if value})


def list_prefixes(config: Config, namespace: str = "/") -> list[str]:
    """Return the namespaces below which a node in ``namespace`` publishes, sorted."""
    names = [name for name in list_section_parameters(config) if name.endswith(PREFIX)]
    prefixes = (str(get_value(config, name)) for name in (PREFIX, *names))
    return sorted({resolve_prefix(prefix, namespace) for prefix in prefixes})


def get_value(config: Config, name: str) -> ParameterValue:
    """Return the value of a parameter; of a camera's the global one if its section sets none."""
    if target := split_section_parameter(TARGETS, name):
        config_of_target = list_targets(config).get(target[0], TargetConfig())
        is_drawing = target[1] in DRAWING_KEYS
        holder = _resolve_drawing(config, config_of_target) if is_drawing else config_of_target
        value_of_target: ParameterValue = getattr(holder, target[1])
        return value_of_target
    camera = split_section_parameter(CAMERAS, name)
    if camera is None:
        value: ParameterValue = attrgetter(name)(config)
        return value
    sections = {section.name: dict(section.values) for section in config.cameras}
    values = sections.get(camera[0], {})
    if camera[1] in values:
        return values[camera[1]]
    return () if camera[1] == IMAGES else get_value(config, camera[1])


def list_regions(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the regions by name of the parameter, those of single cameras too."""
    names = [f"regions.{name}" for name in vars(config.regions)]
    names += [n for n in list_section_parameters(config) if n.endswith(REGION_PARAMETERS)]
    values = {name: get_value(config, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, tuple)}


def ignores_regions(config: Config) -> bool:
    """Return True if somebody may be published for ``regions.never``."""
    regions = list_regions(config)
    return any(texts for name, texts in regions.items() if name.endswith("regions.never"))


def find_weaker(config: Config, base: Config) -> dict[str, str]:
    """Return the parameters of ``config`` that anonymize less than ``base``, as "0.9, not 0.1"."""
    cameras = {*list_section_parameters(config), *list_section_parameters(base)}
    weaker = {}
    for name in (*all_parameters(), *sorted(cameras)):
        value, base_value = get_value(config, name), get_value(base, name)
        if require_parameter(name).spec.is_weaker(value, base_value):
            weaker[name] = f"{value!r}, not {base_value!r}"
    return weaker
