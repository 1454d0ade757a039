"""Configurations with other values, as for single cameras."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from anon_ros.config.checks import check_together
from anon_ros.config.deprecated import rename_deprecated
from anon_ros.config.groups.config import Config
from anon_ros.config.parameter_spec import ParameterValue
from anon_ros.config.parameters import require_parameter
from anon_ros.config.sections.cameras import CAMERAS, IMAGES, REGION_PARAMETERS, CameraSection
from anon_ros.config.sections.section import split_section_parameter
from anon_ros.config.sections.targets import TARGETS, TargetSection


def with_overrides(config: Config, values: Mapping[str, object]) -> Config:
    """Return a copy of ``config`` with the checked ``values`` of some parameters.

    Args:
        config: to start from.
        values: by name of the parameter; a former name is accepted with a warning.

    Raises:
        ConfigError: if a name is unknown, a value is not allowed, or values contradict each other.
    """
    for name, value in rename_deprecated(values).items():
        config = _replace_value(config, name, require_parameter(name).validate(value))
    check_together(config)
    return config


def _replace_value(config: Config, name: str, value: ParameterValue) -> Config:
    if target := split_section_parameter(TARGETS, name):
        targets = {section.name: section for section in config.target_sections}
        chosen = targets.get(target[0], TargetSection(target[0]))
        targets[chosen.name] = chosen.with_value(target[1], value)
        return replace(config, target_sections=tuple(targets[key] for key in sorted(targets)))
    if camera := split_section_parameter(CAMERAS, name):
        sections = {section.name: section for section in config.cameras}
        section = sections.get(camera[0], CameraSection(camera[0]))
        sections[section.name] = section.with_value(camera[1], value)
        return replace(config, cameras=tuple(sections[key] for key in sorted(sections)))
    change: dict[str, Any] = {name.rpartition(".")[2]: value}
    if group := name.rpartition(".")[0]:
        change = {group: replace(getattr(config, group), **change)}
    return replace(config, **change)


def configure_camera(config: Config, topic: str) -> Config:
    """Return the configuration of an image topic: ``config`` with the values of its camera.

    Args:
        config: of all cameras; of several sections for the topic the first counts.
        topic: fully qualified.
    """
    return _configure_camera(config, topic) if config.cameras else config


@lru_cache(maxsize=1000)
def _configure_camera(config: Config, topic: str) -> Config:
    for section in config.cameras:
        if section.is_for(topic):
            values = {key: value for key, value in section.values if key != IMAGES}
            return with_overrides(replace(config, cameras=()), values)
    return replace(config, cameras=())


def merge_cameras(config: Config) -> Config:
    """Return a configuration for all cameras alike, which detects as much as the strictest one.

    Of the sections only the regions stay: they are places in the images of a camera.
    """
    values = [dict(section.values).get("detect.confidence") for section in config.cameras]
    confidences = [value for value in values if isinstance(value, float)]
    lowest = min(confidences, default=config.detect.confidence)
    detect = replace(config.detect, confidence=min(lowest, config.detect.confidence))
    cameras = tuple(section.only((IMAGES, *REGION_PARAMETERS)) for section in config.cameras)
    has_regions = any(key in REGION_PARAMETERS for section in cameras for key, _ in section.values)
    return replace(config, cameras=cameras if has_regions else (), detect=detect)
