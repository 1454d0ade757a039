"""What an anonymized recording says about its own making: report.json and masks.db."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anon_ros.bags.plan.decisions import TopicAction
from anon_ros.bags.rewrite.job import MASKS, REPORT
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.output import OutputBag
from anon_ros.config import Config, all_parameters, load_config
from anon_ros.errors import AnonRosError, BagError

_LOST_AT = re.compile(r", (?P<topic>\S+) at (?P<time>\d+) ns")
# Whoever was replaced by one of these is found by no segmenter any more.
_PERSONLESS = ("fill", "telea")


@dataclass(frozen=True)
class TopicReport:
    """What the report says of a topic and type that was taken over.

    Attributes:
        topic: as recorded.
        output_topic: as written.
        type_name: of the messages.
        is_anonymized: it shows images that were anonymized; else it was copied.
        anonymized: images that were written.
    """

    topic: str
    output_topic: str
    type_name: str
    is_anonymized: bool
    anonymized: int


@dataclass(frozen=True)
class RunReport:
    """What the report says.

    Attributes:
        topics: of each topic and type that was taken over, by the recorded names of both.
        dropped: recorded names of the others.
        attachments: name and media type of each that was taken over.
        written: messages by topic of the output.
        time_range_ns: first log time that was taken over, and the first that was not any more.
        losses: topic and log time of messages that could not be taken over.
        has_more_lost: ``losses`` is not all of them.
        num_empty_images: images in which nobody was found.
        has_synthetic_persons: persons were replaced by something that a segmenter takes for one.
        config: the parameters of the run.
        weights: of the segmenter: where they were then, or else their name.
        masks: path of masks.db; None if there is none.
    """

    topics: Mapping[tuple[str, str], TopicReport]
    dropped: frozenset[tuple[str, str]]
    attachments: frozenset[tuple[str, str]]
    written: Mapping[str, int]
    time_range_ns: tuple[int, int]
    losses: frozenset[tuple[str, int]]
    has_more_lost: bool
    num_empty_images: int
    has_synthetic_persons: bool
    config: Config
    weights: str
    masks: Path | None


def sidecar_path(output: Bag, name: str) -> Path:
    """Where a file lies that belongs to a recording but is no part of it."""
    is_file = output.path.is_file()
    return OutputBag(output.path, output.storage, "", is_file, output.storage).sidecar_path(name)


def read_report(output: Bag) -> RunReport:
    """Read what lies beside ``output``.

    Raises:
        BagError: if there is no report, or it makes no sense.
    """
    path = sidecar_path(output, REPORT)
    try:
        report = json.loads(path.read_text("utf-8"))
        return _account(report, sidecar_path(output, MASKS))
    except FileNotFoundError as error:
        message = f"{path} is missing; verify checks what `anon_ros bag` wrote, with its report"
        raise BagError(message) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, AnonRosError) as error:
        message = f"{path} cannot be understood ({error!r}); is it of another version of anon_ros?"
        raise BagError(message) from error


def _account(report: Mapping[str, Any], masks: Path) -> RunReport:
    topics = report["topics"]
    taken = [each for each in topics if each["decision"] in {"ANONYMIZE", "COPY"}]
    messages = [each for each in taken if each["messages"] >= 0]
    start_ns, stop_ns = report["log_times_ns"]
    config = _config(report["parameters"])
    lost = report["lost"]
    places = [_LOST_AT.search(place) for place in lost["places"]]
    return RunReport(
        topics={(each["topic"], each["type"]): _kept(each) for each in messages},
        dropped=frozenset((e["topic"], e["type"]) for e in topics if e not in taken),
        attachments=frozenset((e["topic"], e["type"]) for e in taken if e not in messages),
        written={each["output_topic"]: int(each["written"]) for each in messages},
        time_range_ns=(int(start_ns), int(stop_ns)),
        losses=frozenset((found["topic"], int(found["time"])) for found in places if found),
        has_more_lost=not all(places) or int(lost["count"]) > len(places),
        num_empty_images=int(report["persons_per_frame"].get("0", 0)),
        has_synthetic_persons=config.inpaint.method not in _PERSONLESS
        and any(each.get("inpainted", 0) for each in messages),
        config=config,
        weights=_weights(report["models"], config),
        masks=masks if masks.is_file() else None,
    )


def _kept(entry: Mapping[str, Any]) -> TopicReport:
    is_anonymized = entry["decision"] == TopicAction.ANONYMIZE.value
    names = entry["topic"], entry["output_topic"], entry["type"]
    return TopicReport(*names, is_anonymized, int(entry.get("anonymized", 0)))


def _config(values: Mapping[str, Any]) -> Config:
    known = {name: value for name, value in values.items() if name in all_parameters()}
    return load_config(None, known)


def _weights(models: Any, config: Config) -> str:
    """The very file, if it is still there: a name would be looked up from where we are now."""
    for model in models:
        found = model.get("path") if model["parameter"] == "detect.weights" else None
        if found and Path(found).is_file():
            return str(found)
    return config.detect.weights
