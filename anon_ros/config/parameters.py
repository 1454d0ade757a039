"""Flat view of the configuration: a named, typed, checkable parameter per leaf."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any, NoReturn, get_type_hints

from anon_ros.config.camera_sections import (
    CAMERA_PARAMETERS,
    CAMERAS,
    IMAGES,
    IMAGES_SPEC,
    REGION_PARAMETERS,
    CameraSection,
)
from anon_ros.config.deprecated import rename_deprecated
from anon_ros.config.groups import (
    DISTILLED_TRAINING_STEPS,
    GENERATOR,
    ComputeConfig,
    Config,
    InpaintConfig,
    Style,
    num_denoising_steps,
)
from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.region_shapes import parse_region
from anon_ros.config.sections import Section, join_section_parameter, split_section_parameter
from anon_ros.config.target_sections import (
    DRAWING_KEYS,
    INPAINT,
    PRESETS,
    TARGETS,
    TargetConfig,
    TargetSection,
    list_target_keys,
)
from anon_ros.config.topic_names import resolve_prefix
from anon_ros.errors import ConfigError

STRINGS = tuple[str, ...]

PERSON = "person"
"""Name of the target that ``detect``, ``mask`` and ``inpaint`` describe."""

_PREFIX = "topics.prefix"
_ROS_PARAMETERS = frozenset({"use_sim_time", "start_type_description_service", "qos_overrides"})
_NEAR_MISS = 0.85


@dataclass(frozen=True)
class Parameter:
    """A leaf of Config.

    Attributes:
        name: "group.field" or "field", the name of the ROS parameter.
        type: bool, int, float, str or tuple[str, ...].
        default: of that type.
        spec: everything else that was declared.
    """

    name: str
    type: Any
    default: ParameterValue
    spec: ParameterSpec

    @property
    def type_name(self) -> str:
        """Name of the type for a user, for example "float"."""
        if self.type == STRINGS:
            return "str or list of str" if self.spec.accepts_string else "list of str"
        return str(self.type.__name__)

    @property
    def allowed_text(self) -> str:
        """Allowed values as a phrase, empty if any value of the type is allowed."""
        low, high, unit = self.spec.minimum, self.spec.maximum, self.spec.unit
        if self.spec.choices:
            pattern = f", or as {self.spec.example}" if self.spec.pattern else ""
            return "one of " + ", ".join(self.spec.choices) + pattern
        if self.spec.required:
            return "not empty"
        if low is None or high is None:
            return ""
        return f"{_format_number(low)} to {_format_number(high)} {unit}".rstrip()

    @property
    def weaker_text(self) -> str:
        """Values that anonymize less as a phrase, empty if none does."""
        return ", ".join(self.spec.weak_choices) or self.spec.weaker

    def validate(self, value: Any) -> ParameterValue:
        """Return ``value`` as this parameter's type.

        An int is converted to a float, a list to a tuple, a string to a list of one where the
        declaration says so, and true and false to the choices on and off, as which YAML and ROS
        read those words.

        Raises:
            ConfigError: if the type, range or choice is wrong.
        """
        converted = self._convert(value)
        if not self._is_allowed(converted):
            self._raise_not_allowed(value, self.allowed_text)
        return converted

    def _convert(self, value: Any) -> ParameterValue:
        if self.spec.choices and isinstance(value, bool):
            value = "on" if value else "off"
        if self.type == STRINGS:
            value = [value] if self.spec.accepts_string and isinstance(value, str) else value
            value = tuple(value) if isinstance(value, list | tuple) else value
            fits = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        else:
            value = float(value) if self.type is float and type(value) is int else value
            fits = type(value) is self.type
        if not fits:
            self._raise_not_allowed(value, self.type_name)
        converted: ParameterValue = value
        return converted

    def _is_allowed(self, value: ParameterValue) -> bool:
        spec = self.spec
        if spec.choices:
            is_other = spec.pattern and re.fullmatch(spec.pattern, str(value), re.ASCII)
            return value in spec.choices or bool(is_other)
        if spec.required and (not value or (isinstance(value, tuple) and not all(value))):
            return False
        if not isinstance(value, int | float):
            return True
        low = -math.inf if spec.minimum is None else spec.minimum
        high = math.inf if spec.maximum is None else spec.maximum
        return low <= value <= high

    def _raise_not_allowed(self, value: object, expected: str) -> NoReturn:
        message = f"parameter {self.name}: {value!r} is not allowed, expected {expected}"
        raise ConfigError(message)


@cache
def all_parameters() -> dict[str, Parameter]:
    """Return all parameters by name, in the order of declaration."""
    return {parameter.name: parameter for parameter in _iter_leaves()}


def _iter_leaves(holder: Any = Config, prefix: str = "") -> Iterator[Parameter]:
    types = get_type_hints(holder)
    for leaf in fields(holder):
        spec: ParameterSpec | None = leaf.metadata.get("spec")
        if is_dataclass(types[leaf.name]):
            yield from _iter_leaves(types[leaf.name], f"{leaf.name}.")
        elif spec is not None:
            default: Any = leaf.default
            yield Parameter(prefix + leaf.name, types[leaf.name], default, spec)


def find_parameter(name: str) -> Parameter | None:
    """Return the parameter of that name, also of a camera or target; None if there is none."""
    if target := split_section_parameter(TARGETS, name):
        key = list_target_keys().get(target[1])
        return None if key is None else Parameter(name, key.type, key.default, key.spec)
    camera = split_section_parameter(CAMERAS, name)
    if camera is None:
        return all_parameters().get(name)
    if camera[1] == IMAGES:
        return Parameter(name, STRINGS, (), IMAGES_SPEC)
    is_known = camera[1] in CAMERA_PARAMETERS
    return replace(all_parameters()[camera[1]], name=name) if is_known else None


def require_parameter(name: str) -> Parameter:
    """Return the parameter of that name.

    Raises:
        ConfigError: if there is none.
    """
    parameter = find_parameter(name)
    if parameter is None:
        _raise_unknown(name)
    return parameter


def list_section_parameters(config: Config) -> list[str]:
    """Return the names of the parameters that ``config`` sets for single cameras and targets."""
    kinds: dict[str, Sequence[Section]] = {
        CAMERAS: config.cameras,
        TARGETS: config.target_sections,
    }
    return [
        join_section_parameter(kind, section.name, key)
        for kind, sections in kinds.items()
        for section in sections
        for key, _ in section.values
    ]


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
    names = [name for name in list_section_parameters(config) if name.endswith(_PREFIX)]
    prefixes = (str(get_value(config, name)) for name in (_PREFIX, *names))
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
    _check_together(config)
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


def find_foreign(names: Iterable[str]) -> list[str]:
    """Return the names that are of other nodes, for which a section ``/**`` of a file is, too.

    Parameters that ROS gives every node, as use_sim_time, are not among them.

    Raises:
        ConfigError: for a name in one of our groups, or nearly one of ours, that is no parameter.
    """
    ours = all_parameters()
    groups = {"cameras", *(name.partition(".")[0] for name in ours)}
    foreign = []
    for name in sorted(name for name in set(names) if find_parameter(name) is None):
        group = name.partition(".")[0]
        if group in _ROS_PARAMETERS:
            continue
        if group in groups or get_close_matches(name, ours, n=1, cutoff=_NEAR_MISS):
            _raise_unknown(name)
        foreign.append(name)
    return foreign


def format_foreign(names: Sequence[str]) -> str:
    """Return the clause that a file's parameters of other nodes have no effect."""
    return f"parameters of other nodes have no effect here: {', '.join(names)}"


def _raise_unknown(name: str) -> NoReturn:
    message = f"parameter {name!r} is unknown{_format_suggestion(name)}"
    raise ConfigError(message)


def _check_together(config: Config) -> None:
    inpaint = config.inpaint
    _check_steps("inpaint", inpaint)
    if inpaint.scheduler in {"lcm", "tcd"} and inpaint.steps > DISTILLED_TRAINING_STEPS:
        message = (
            f"parameter inpaint.steps: {inpaint.steps} is not allowed with inpaint.scheduler = "
            f"{inpaint.scheduler}, which has {DISTILLED_TRAINING_STEPS} steps; set 1 to "
            f"{DISTILLED_TRAINING_STEPS}"
        )
        raise ConfigError(message)
    if inpaint.scheduler in {"lcm", "tcd"} and inpaint.timestep_power != 1:
        message = (
            f"parameter inpaint.timestep_power: {inpaint.timestep_power} is not allowed with "
            f"inpaint.scheduler = {inpaint.scheduler}, whose steps are even; set 1"
        )
        raise ConfigError(message)
    _check_storage(config.compute)
    if inpaint.generate_px % 8:
        message = f"parameter inpaint.generate_px: {inpaint.generate_px} is not a multiple of 8"
        raise ConfigError(message)
    for name, texts in list_regions(config).items():
        for text in texts:
            parse_region(name, text)
    _check_classes(config)
    _check_drawings(config)
    for section in config.cameras:
        _check_images(section)
    cameras = [name for name in list_section_parameters(config) if name.endswith(_PREFIX)]
    for name in (_PREFIX, *cameras):
        _check_prefix(name, str(get_value(config, name)))


def _check_storage(compute: ComputeConfig) -> None:
    """Refuse what needs weights at fixed addresses."""
    if compute.weight_storage == "gpu":
        return
    for name, allowed in (("compile_mode", "off"), ("quantize", "none")):
        if getattr(compute, name) != allowed:
            message = (
                f"parameter compute.weight_storage: {compute.weight_storage} is not allowed with "
                f"compute.{name} = {getattr(compute, name)}; set {allowed}"
            )
            raise ConfigError(message)


def _check_classes(config: Config) -> None:
    """Raise ConfigError if a class is of two targets, or a target has none."""
    owners = dict.fromkeys(config.detect.classes, "detect.classes")
    groups = {"mask.join": config.mask.join}
    for name, target in list_targets(config).items():
        groups[f"targets.{name}.classes"] = target.classes
        if name in {PERSON, "regions"} or not target.classes:
            problem = "is not set" if name not in {PERSON, "regions"} else "is a reserved name"
            message = (
                f"parameter targets.{name}.classes {problem}: name the weights' classes of a "
                "target, such as [car, truck] for vehicle; persons are those of detect.classes"
            )
            raise ConfigError(message)
    for name, classes in groups.items():
        for class_name in classes:
            if owners.setdefault(class_name, name) != name:
                message = f"parameter {name}: {class_name} is in {owners[class_name]} already"
                raise ConfigError(message)


def _check_steps(group: str, inpaint: InpaintConfig) -> None:
    if num_denoising_steps(inpaint.steps, inpaint.beta_d) < 1:
        message = (
            f"parameters inpaint.steps = {inpaint.steps} and {group}.beta_d = {inpaint.beta_d} "
            f"run no denoising step, so nobody would be anonymized; raise inpaint.steps"
        )
        raise ConfigError(message)


def _check_drawings(config: Config) -> None:
    """Raise ConfigError if no model can draw a target that asks for one."""
    for name, drawing in list_drawings(config).items():
        problem = ""
        if not config.inpaint.is_diffusion:
            problem = f"inpaint.method = {config.inpaint.method}, which has no model"
        elif config.inpaint.model == GENERATOR:
            problem = f"inpaint.model = {GENERATOR}, which draws persons only"
        if problem:
            message = (
                f"parameter targets.{name}.action: {INPAINT} is not allowed with {problem}; set "
                "fill, blur or pixelate, or inpaint.method = sdxl with a model that takes a prompt"
            )
            raise ConfigError(message)
        for key in DRAWING_KEYS:
            parameter = all_parameters()[f"inpaint.{key}"]
            replace(parameter, name=f"targets.{name}.{key}").validate(getattr(drawing, key))
        _check_steps(f"targets.{name}", drawing)


def _check_images(section: CameraSection) -> None:
    images = dict(section.values).get(IMAGES, ())
    if isinstance(images, tuple) and not all(name.startswith(("/", "*")) for name in images):
        name = join_section_parameter(CAMERAS, section.name, IMAGES)
        message = f"parameter {name}: {list(images)!r}, expected full names or patterns"
        raise ConfigError(message)


def _check_prefix(name: str, prefix: str) -> None:
    if not re.fullmatch(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*/?", prefix, re.ASCII):
        message = (
            f"parameter {name}: {prefix!r} is not a namespace, expected for example /anon: "
            f"without it the mirrored topic would be the camera's own"
        )
        raise ConfigError(message)


def _format_suggestion(name: str) -> str:
    if name.startswith("cameras."):
        keys = ", ".join((IMAGES, *CAMERA_PARAMETERS))
        return f"; expected cameras.NAME and then one of {keys}"
    if split_section_parameter(TARGETS, name):
        return f"; expected targets.NAME and then one of {', '.join(list_target_keys())}"
    close = get_close_matches(name, all_parameters(), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{hint} (anon_ros config dump lists all)"


def _format_number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
