"""Former names of parameters, accepted for one release with a warning."""

import logging
from collections.abc import Mapping

from anon_ros.errors import ConfigError

_LOG = logging.getLogger(__name__)

RENAMED_PARAMETERS: Mapping[str, str] = {
    "topics.forward": "topics.passthrough",
    "topics.trusted": "topics.trusted_subscribers",
    "qos.match": "qos.match_publisher",
    "skip.backlog": "skip.queue_size",
    "skip.budget_ms": "skip.latency_budget_ms",
    "detect.iou": "detect.nms_iou",
    "track.confidence": "track.low_confidence",
    "memory.s": "memory.duration_s",
    "inpaint.kind": "inpaint.method",
    "inpaint.guidance": "inpaint.guidance_scale",
    "inpaint.crop": "inpaint.aspect",
    "compute.batch": "compute.batch_size",
    "compute.compile": "compute.compile_mode",
}
"""Current name by former name."""

_RENAMED_VALUES = {
    ("inpaint.aspect", "bucket"): "auto",
    # Modes of torch.compile for the whole network, which took minutes for each size.
    ("compute.compile_mode", "default"): "blocks",
    ("compute.compile_mode", "reduce-overhead"): "blocks",
    ("compute.compile_mode", "max-autotune"): "blocks",
}


def rename_deprecated(values: Mapping[str, object]) -> dict[str, object]:
    """Return ``values`` under the current names, and log a warning for each former one.

    Raises:
        ConfigError: if both names of a parameter are in ``values``.
    """
    renamed: dict[str, object] = {}
    for name, value in values.items():
        current = RENAMED_PARAMETERS.get(name, name)
        if current in renamed or (current != name and current in values):
            message = f"{format_renaming(name, current)}: give only {current}"
            raise ConfigError(message)
        if current != name:
            _LOG.warning("%s; the former name will be removed", format_renaming(name, current))
        renamed[current] = _rename_value(current, value)
    return renamed


def format_renaming(name: str, current: str) -> str:
    """Return the clause that names the current name of a renamed parameter."""
    return f"parameter {name} is now called {current}"


def _rename_value(name: str, value: object) -> object:
    current = _RENAMED_VALUES.get((name, value)) if isinstance(value, str) else None
    if current is None:
        return value
    _LOG.warning(
        "value %s of %s is now called %s; the former name will be removed", value, name, current
    )
    return current
