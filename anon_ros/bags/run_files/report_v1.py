"""Conversion of a report.json of schema version 1, whose losses and decisions are sentences."""

import re
from collections.abc import Mapping
from itertools import starmap
from typing import Any

_MESSAGE_LOSS = re.compile(r"(?P<file>.*?), (?P<topic>\S+) at (?P<time>\d+) ns: (?P<problem>.*)")
# For good, unlike the former names that a configuration may still have.
_RENAMED_PARAMETERS = {
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
_RENAMED_VALUES = {("inpaint.crop", "bucket"): "auto"}
_FLAGS = {"--drop": "drop_flag", "not in --topics": "drop_flag", "--copy": "copy_flag"}


def upgrade_report(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same report in schema version 2.

    Raises:
        KeyError, TypeError, AttributeError: if it is no report of version 1.
    """
    lost = content["lost"]
    return {
        **content,
        "schema_version": 2,
        "fingerprint": content["job"],
        "time_range_ns": content["log_times_ns"],
        "has_masks": content["masks"],
        "parameters": dict(starmap(_rename_parameter, content["parameters"].items())),
        "topics": [
            {**topic, "origin": _find_origin(topic["reason"])} for topic in content["topics"]
        ],
        "losses": [_parse_loss(sentence) for sentence in lost["places"]],
        "num_losses": lost["count"],
    }


def _rename_parameter(name: str, value: Any) -> tuple[str, Any]:
    if isinstance(value, str):
        value = _RENAMED_VALUES.get((name, value), value)
    return _RENAMED_PARAMETERS.get(name, name), value


def _find_origin(reason: str) -> str:
    return next((origin for flag, origin in _FLAGS.items() if reason.startswith(flag)), "plan")


def _parse_loss(sentence: str) -> dict[str, Any]:
    if match := _MESSAGE_LOSS.fullmatch(sentence):
        file, topic, time_ns, problem = match.groups()
        return {"file": file, "topic": topic, "log_time_ns": int(time_ns), "problem": problem}
    place, _, problem = sentence.partition(": ")
    return {"file": place, "topic": "", "log_time_ns": None, "problem": problem}
