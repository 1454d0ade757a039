"""Parameters as text: the commented YAML file and the table for the documentation."""

import json
import textwrap
from collections.abc import Iterator

from anon_ros.config.groups.config import Config
from anon_ros.config.parameter_spec import ParameterSpec, ParameterValue
from anon_ros.config.parameters import Parameter, all_parameters, require_parameter
from anon_ros.config.sections.cameras import CAMERA_PARAMETERS
from anon_ros.config.sections.targets import list_target_keys
from anon_ros.config.values import get_value

_YAML_HEAD = """\
# All parameters of anon_ros with their defaults. Generated: `anon_ros config dump`.
# Copy it, keep the lines that you change, and check it: `anon_ros config check FILE`.
/**:
  ros__parameters:
"""

_DOCS_HEAD = """\
# Parameters

Generated from `anon_ros/config/groups`: `anon_ros config docs`. The same names are ROS
parameters, keys of the YAML file and command-line flags (`--inpaint.beta_d 0.6`).

Those marked *live* can be changed while the node runs (`ros2 param set`); the change applies
between two frames. Those marked *unconfigured* can be changed before the node is configured, and
after `ros2 lifecycle set /anonymizer cleanup`; the others with `allow_weaker: true` only then. The
column *weaker* names the values that anonymize less; a node refuses those beyond the values that it
was started with, unless `allow_weaker` is true, which only the start decides.

| parameter | type | default | allowed | change | weaker | description |
| --- | --- | --- | --- | --- | --- | --- |
"""


_YAML_CAMERAS = """\
    # Values for single cameras in place of those above; docs/parameters.md says which can be set.
    # cameras:
    #   front:  # topics below the namespace front, or: images: ["/front/image_raw"]
    #     detect.confidence: 0.05
    #     skip.max_rate_hz: 10.0
"""

_YAML_TARGETS = """\
    # Targets beside persons, or changes of those of targets.preset; see docs/parameters.md.
    # targets.sign.classes: ["stop sign"]
    # targets.sign.action: pixelate
    # targets.vehicle.action: inpaint
    # targets.vehicle.prompt: "a gray car"  # needed: without it a person would be drawn
"""

_DOCS_TARGETS = """
## Parameters of targets

`targets.NAME.KEY` describes a [target](regions.md#targets) NAME beside persons, or changes that of
the preset. They can be set at the start alone. A class belongs to one target. Those
from `prompt` on are for `action: inpaint`, and refused with another.

| KEY | type | default | allowed | weaker | description |
| --- | --- | --- | --- | --- | --- |
"""

_DOCS_CAMERAS = """
## Parameters of single cameras

`cameras.NAME.KEY` sets the parameter KEY for the image topics of a camera, in place of the global
value. KEY is one of {keys}, with type, range and change as above. The section is for the topics
with NAME among the parts before the last, such as `/car/front/image_raw` for `front`; or for those
that `cameras.NAME.images` lists, by full name or pattern. They must also be in `topics.images`. Of
several sections for a topic the first by name counts. In recordings all images get the lowest
`detect.confidence` of all sections and the regions of their section; the rest has no effect there.

```yaml
/**:
  ros__parameters:
    topics:
      images: ["/front/image_raw", "/rear/image_raw"]
    cameras:
      front:
        detect.confidence: 0.05
        skip.max_rate_hz: 10.0
```
"""


def dump_yaml(config: Config) -> str:
    """Return ``config`` as a ROS parameter file with a comment above each value."""
    lines = [_YAML_HEAD]
    group = ""
    for parameter in all_parameters().values():
        head, _, leaf = parameter.name.rpartition(".")
        if head != group:
            lines.append(f"    {head}:\n")
            group = head
        indent = "      " if group else "    "
        lines.append(_format_comment(parameter, indent))
        lines.append(f"{indent}{leaf}: {_format_value(get_value(config, parameter.name))}\n")
    return "".join([*lines, *_list_target_lines(config), *_list_camera_lines(config)])


def dump_markdown() -> str:
    """Return a Markdown table of all parameters."""
    rows = "".join(_format_row(p) for p in all_parameters().values())
    keys = ", ".join(f"`{key}`" for key in CAMERA_PARAMETERS)
    targets = "".join(_format_target_row(key) for key in list_target_keys())
    return _DOCS_HEAD + rows + _DOCS_TARGETS + targets + _DOCS_CAMERAS.format(keys=keys)


def _list_target_lines(config: Config) -> Iterator[str]:
    """Yield the sections of targets; a comment without any."""
    if not config.target_sections:
        yield _YAML_TARGETS
    for section in config.target_sections:
        for key, value in section.values:
            yield f"    targets.{section.name}.{key}: {_format_value(value)}\n"


def _list_camera_lines(config: Config) -> Iterator[str]:
    """Yield the sections of cameras, or an example as comment."""
    if not config.cameras:
        yield _YAML_CAMERAS
        return
    yield "    cameras:\n"
    for section in config.cameras:
        yield f"      {section.name}:\n"
        yield from (f"        {key}: {_format_value(value)}\n" for key, value in section.values)


def _format_row(p: Parameter) -> str:
    cells = [f"`{p.name}`", p.type_name, f"`{_format_value(p.default)}`", p.allowed_text]
    cells += [_describe_change(p.spec), p.weaker_text, p.spec.help.replace("*", r"\*")]
    return f"| {' | '.join(cells)} |\n"


def _format_target_row(key: str) -> str:
    p = require_parameter(f"targets.NAME.{key}")
    cells = [f"`{key}`", p.type_name, f"`{_format_value(p.default)}`", p.allowed_text]
    return f"| {' | '.join([*cells, p.weaker_text, p.spec.help])} |\n"


def _describe_change(spec: ParameterSpec) -> str:
    if spec.reconfigurable:
        return "live"
    return "" if spec.start_only else "unconfigured"


def _format_comment(parameter: Parameter, indent: str) -> str:
    allowed = f" [{parameter.allowed_text}]" if parameter.allowed_text else ""
    return textwrap.fill(
        parameter.spec.help + allowed,
        width=100,
        initial_indent=f"{indent}# ",
        subsequent_indent=f"{indent}# ",
        break_on_hyphens=False,
    ).join(("", "\n"))


def _format_value(value: ParameterValue) -> str:
    # JSON's scalars and lists are YAML's, and keep 1.0 a float and "on" a string.
    return json.dumps(list(value) if isinstance(value, tuple) else value)
