"""The run report of an anonymized bag: report.json, written and read."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from anon_ros.bags.run_files.report_v1 import upgrade_report
from anon_ros.bags.run_files.topic_report import ImageCounts, TopicReport
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.output import OutputBag
from anon_ros.bags.storage.records import Loss
from anon_ros.config import (
    Config,
    all_parameters,
    find_parameter,
    get_value,
    list_section_parameters,
    load_config,
)
from anon_ros.errors import AnonRosError, BagError
from anon_ros.utils.files import require_regular

REPORT = "report.json"
SCHEMA_VERSION = 2
_INVALID = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError, AnonRosError),
    *(OverflowError, RecursionError),  # of Infinity, and of deep nesting
)
# A segmenter does not take the results of these methods for persons.
_METHODS_WITHOUT_PERSONS = ("fill", "telea")


@dataclass(frozen=True)
class RunReport:
    """Everything that a run says about itself.

    Attributes:
        fingerprint: hash of all that decides about the result.
        input_path: of the bag that was read.
        output_path: of the bag that was written.
        started: ISO 8601, of the first of the runs that were interrupted; None if unknown.
        ended: ISO 8601.
        versions: of Python and packages, by name.
        models: parameter, name, path and hash of each model.
        config: parameters of the run.
        prefix: put before the topics' names; empty for none.
        time_range_ns: first log time that was read, and the first that was not read any more.
        has_masks: masks.db was written.
        topics: all topics and attachments of the input.
        persons_per_frame: anonymized images by number of persons in them.
        cover_reasons: persons who were covered instead of inpainted, by reason.
        losses: parts of the input that could not be read or anonymized, a thousand at most.
        num_losses: of all losses.
        num_targets: what was replaced beside persons, in all images, by name of the target.
        target_failures: targets that stayed covered as their inpainting failed, by reason.
        warnings: of what may have hidden persons from the detector, and of a mark without place.
        mark: what the output says about what a model drew; None if it says nothing.
    """

    fingerprint: str
    input_path: str
    output_path: str
    started: str | None
    ended: str
    versions: Mapping[str, str]
    models: tuple[Mapping[str, Any], ...]
    config: Config
    prefix: str
    time_range_ns: tuple[int, int]
    has_masks: bool
    topics: tuple[TopicReport, ...]
    persons_per_frame: Mapping[int, int]
    cover_reasons: Mapping[str, int]
    losses: tuple[Loss, ...]
    num_losses: int
    num_targets: Mapping[str, int] = field(default_factory=dict)
    target_failures: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    mark: Mapping[str, Any] | None = None

    @cached_property
    def topics_by_key(self) -> Mapping[tuple[str, str], TopicReport]:
        """Topics that were anonymized or copied, by topic and type as recorded."""
        topics = (topic for topic in self._topics_in_output if not topic.is_attachment)
        return {(topic.topic, topic.type_name): topic for topic in topics}

    @cached_property
    def attachments(self) -> frozenset[tuple[str, str]]:
        """Name and media type or kind of the extras that were copied."""
        topics = (topic for topic in self._topics_in_output if topic.is_attachment)
        return frozenset((topic.topic, topic.type_name) for topic in topics)

    @cached_property
    def dropped(self) -> frozenset[tuple[str, str]]:
        """Topic and type of what was left out."""
        topics = (topic for topic in self._left_out if not topic.is_attachment)
        return frozenset((topic.topic, topic.type_name) for topic in topics)

    @cached_property
    def dropped_extras(self) -> frozenset[tuple[str, str]]:
        """Name and media type or kind of the extras that were left out."""
        topics = (topic for topic in self._left_out if topic.is_attachment)
        return frozenset((topic.topic, topic.type_name) for topic in topics)

    @cached_property
    def num_written(self) -> Mapping[str, int]:
        """Messages by topic of the output."""
        return {topic.output_topic: topic.num_written for topic in self.topics_by_key.values()}

    @cached_property
    def lost_messages(self) -> frozenset[tuple[str, int]]:
        """Topic and log time of the messages among the losses."""
        losses = ((loss.topic, loss.log_time_ns) for loss in self.losses)
        return frozenset((topic, time_ns) for topic, time_ns in losses if time_ns is not None)

    @cached_property
    def lost_places(self) -> frozenset[str]:
        """Places within the files of the losses that are no messages."""
        return frozenset(loss.place for loss in self.losses if loss.place)

    @property
    def _topics_in_output(self) -> Iterator[TopicReport]:
        return (topic for topic in self.topics if topic.is_in_output)

    @property
    def _left_out(self) -> Iterator[TopicReport]:
        return (topic for topic in self.topics if not topic.is_in_output)

    @property
    def image_counts(self) -> ImageCounts:
        """The sums over all topics."""
        return sum((topic.images for topic in self.topics if topic.images), ImageCounts())

    @property
    def num_empty_images(self) -> int:
        """Number of images in which nobody was detected."""
        return self.persons_per_frame.get(0, 0)

    @cached_property
    def has_unlisted_losses(self) -> bool:
        """True if a message may be lost that ``losses`` does not name."""
        is_place = any(loss.log_time_ns is None for loss in self.losses)
        return is_place or self.num_losses > len(self.losses)

    @property
    def has_synthetic_persons(self) -> bool:
        """True if a segmenter takes the replacement of a person or target for a person."""
        method, counts = self.config.inpaint.method, self.image_counts
        return method not in _METHODS_WITHOUT_PERSONS and counts.inpainted + counts.drawn > 0

    @property
    def weights_sha256(self) -> list[str]:
        """SHA-256 of each of the detector's weights, once; empty if unknown."""
        models = [model for model in self.models if model["parameter"] == "detect.weights"]
        return list(dict.fromkeys(str(model.get("sha256", "")) for model in models)) or [""]

    def to_json(self) -> dict[str, Any]:
        """Return the content of report.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "fingerprint": self.fingerprint,
            "input": self.input_path,
            "output": self.output_path,
            "started": self.started,
            "ended": self.ended,
            "versions": dict(self.versions),
            "models": [dict(model) for model in self.models],
            "seed": self.config.inpaint.seed,
            "parameters": {
                **{name: get_value(self.config, name) for name in all_parameters()},
                **list_section_parameters(self.config),
            },
            "prefix": self.prefix,
            "time_range_ns": list(self.time_range_ns),
            "has_masks": self.has_masks,
            "topics": [topic.to_json() for topic in self.topics],
            "persons_per_frame": {str(key): n for key, n in self.persons_per_frame.items()},
            "covered": dict(self.cover_reasons),
            "targets": dict(self.num_targets),
            "target_failures": dict(self.target_failures),
            "losses": [asdict(loss) for loss in self.losses],
            "num_losses": self.num_losses,
            "warnings": list(self.warnings),
            "mark": None if self.mark is None else dict(self.mark),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "RunReport":
        """Return the report of the content of report.json, of schema version 1 or 2.

        Raises:
            BagError: if the schema version is newer.
            KeyError, TypeError, ValueError, AttributeError, AnonRosError: if it makes no sense.
        """
        values = upgrade_report(content) if "schema_version" not in content else content
        version = int(values["schema_version"])
        if version > SCHEMA_VERSION:
            message = f"schema_version {version} is newer than {SCHEMA_VERSION}"
            raise BagError(message)
        start_ns, stop_ns = values["time_range_ns"]
        return cls(
            fingerprint=str(values["fingerprint"]),
            input_path=str(values["input"]),
            output_path=str(values["output"]),
            started=values["started"],
            ended=str(values["ended"]),
            versions=dict(values["versions"]),
            models=tuple(dict(model) for model in values["models"]),
            config=_parse_config(values["parameters"]),
            prefix=str(values["prefix"]),
            time_range_ns=(int(start_ns), int(stop_ns)),
            has_masks=bool(values["has_masks"]),
            topics=tuple(map(TopicReport.from_json, values["topics"])),
            persons_per_frame={int(k): int(n) for k, n in values["persons_per_frame"].items()},
            cover_reasons={str(k): int(n) for k, n in values["covered"].items()},
            losses=tuple(Loss(**loss) for loss in values["losses"]),
            num_losses=int(values["num_losses"]),
            num_targets={str(k): int(n) for k, n in values.get("targets", {}).items()},
            target_failures={str(k): int(n) for k, n in values.get("target_failures", {}).items()},
            warnings=tuple(map(str, values.get("warnings", ()))),
            mark=dict(values["mark"]) if values.get("mark") else None,
        )

    def write(self, path: Path) -> None:
        """Write report.json to ``path``.

        Raises:
            OSError: if it cannot be written.
        """
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> "RunReport":
        """Read the report.json at ``path``.

        Raises:
            BagError: if it is missing or makes no sense.
        """
        try:
            require_regular(path)
            return cls.from_json(json.loads(path.read_text("utf-8")))
        except FileNotFoundError as error:
            message = f"{path} is missing; verify checks what `anon_ros bag` wrote, with its report"
            raise BagError(message) from error
        except _INVALID as error:
            message = (
                f"{path} cannot be understood ({error!r}); is it of another version of anon_ros?"
            )
            raise BagError(message) from error


def read_report(output: Bag) -> RunReport:
    """Read the report of an output bag; errors as ``RunReport.read``."""
    return RunReport.read(sidecar_path(output, REPORT))


def sidecar_path(output: Bag, name: str) -> Path:
    """Return the path of a file that belongs to an output bag, but is no part of it.

    Args:
        output: written by a run.
        name: REPORT or MASKS.
    """
    is_file = output.path.is_file()
    return OutputBag(output.path, output.storage, "", is_file, output.storage).sidecar_path(name)


def _parse_config(values: Mapping[str, Any]) -> Config:
    """Return the parameters, without those that this version does not have."""
    known_values = {name: value for name, value in values.items() if find_parameter(name)}
    return load_config(None, known_values)
