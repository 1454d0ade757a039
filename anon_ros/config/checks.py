"""Checks of values that only together are not allowed."""

import re
from dataclasses import replace

from anon_ros.config.groups.config import Config
from anon_ros.config.groups.inpainting import (
    DISTILLED_TRAINING_STEPS,
    GENERATOR,
    ComputeConfig,
    InpaintConfig,
    num_denoising_steps,
)
from anon_ros.config.parameters import all_parameters
from anon_ros.config.region_shapes import parse_region
from anon_ros.config.sections.cameras import CAMERAS, IMAGES, CameraSection
from anon_ros.config.sections.section import join_section_parameter
from anon_ros.config.sections.targets import DRAWING_KEYS, INPAINT
from anon_ros.config.values import (
    PERSON,
    PREFIX,
    get_value,
    list_drawings,
    list_regions,
    list_section_parameters,
    list_targets,
)
from anon_ros.errors import ConfigError


def check_together(config: Config) -> None:
    """Refuse values that contradict each other.

    Raises:
        ConfigError: names them and what is allowed.
    """
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
    _check_prompts(config)
    for section in config.cameras:
        _check_images(section)
    cameras = [name for name in list_section_parameters(config) if name.endswith(PREFIX)]
    for name in (PREFIX, *cameras):
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


def _check_prompts(config: Config) -> None:
    """Raise ConfigError if a drawn target has no prompt, or another what only a drawn one uses."""
    for name, target in list_targets(config).items():
        for key in DRAWING_KEYS:
            value = getattr(target, key)
            if value and target.action != INPAINT:
                message = (
                    f"parameter targets.{name}.{key}: {value!r} is not allowed with "
                    f"targets.{name}.action = {target.action}, which draws nothing; leave it out, "
                    f"or set action: {INPAINT}"
                )
                raise ConfigError(message)
        if target.action == INPAINT and not target.prompt.strip():
            message = (
                f"parameter targets.{name}.prompt is not set: describe what is drawn, such as "
                '"a gray car"; else inpaint.model draws a person in its place'
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
