"""The task of a run, and the fingerprint by which an interrupted run is recognized."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anon_ros.bags.plan.inspect import BagPlan
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.output import OutputBag
from anon_ros.bags.storage.sqlite3.log import list_logs
from anon_ros.config import Config, is_mask_image, list_regions
from anon_ros.core import Anonymizer
from anon_ros.tracking import Tracker
from anon_ros.utils.versions import package_versions

# The other groups have no influence on the result, so that they may change before a run goes on.
_GROUPS = (
    *(
        "detect",
        "mask",
        "regions",
        "cameras",
        "targets",
        "target_sections",
        "inpaint",
        "compute",
        "skip",
        "output",
    ),
    *("track", "memory", "identity"),
)


@dataclass(frozen=True)
class Fingerprint:
    """Parameters and inputs that decide about the result of a run.

    Attributes:
        parts: by name; of types that JSON has.
    """

    parts: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal."""
        return hashlib.sha256(json.dumps(self.parts, sort_keys=True).encode()).hexdigest()

    def list_differences(self, parts: Mapping[str, Any]) -> list[str]:
        """Return the names of the parts that are not equal to ``parts``."""
        return [name for name, value in self.parts.items() if value != parts.get(name)]


@dataclass(frozen=True)
class RewriteJob:
    """The task of a run.

    Attributes:
        bag: the input.
        target: the output.
        bag_plan: actions by topic.
        config: parameters of the models.
        models: parameter, name, path and hash of each model.
        prefix: put before the topics' names; empty for none.
        salvage: leave out damaged parts and go on.
        keep_masks: write masks.db.
    """

    bag: Bag
    target: OutputBag
    bag_plan: BagPlan
    config: Config
    models: Sequence[Mapping[str, Any]]
    prefix: str
    salvage: bool
    keep_masks: bool

    def take_fingerprint(self) -> Fingerprint:
        """Return the fingerprint, with size and time of the input's files as they are now.

        Raises:
            OSError: if the state of a file cannot be read.
        """
        config = asdict(self.config)
        parts = {
            "input": [
                _stat_file(path)
                for file in self.bag.files
                for path in (file, *list_logs(file))
                if path.exists()  # else it is a loss
            ],
            "storage": self.target.storage,
            "compression": self.target.compression,
            "prefix": self.prefix,
            "masks": self.keep_masks,
            "log times": [self.bag_plan.start_ns, self.bag_plan.stop_ns],
            "decisions": [
                [
                    decision.topic,
                    decision.type_name,
                    decision.action.value,
                    decision.verify_each_message,
                ]
                for decision in self.bag_plan.topics.decisions
            ],
            "mask images": [
                _stat_file(Path(text))
                for texts in list_regions(self.config).values()
                for text in texts
                if is_mask_image(text)
            ],
            "parameters": {group: config[group] for group in _GROUPS},
            "models": [dict(model) for model in self.models],
            "versions": package_versions(),
        }
        return Fingerprint(json.loads(json.dumps(parts)))


@dataclass(frozen=True)
class JobModels:
    """The models of a run.

    Attributes:
        anonymizer: also detects the persons who count in a track only.
        make_tracker: returns a tracker for a single camera.
    """

    anonymizer: Anonymizer
    make_tracker: Callable[[], Tracker]


def _stat_file(file: Path) -> list[Any]:
    status = file.stat()
    return [file.name, status.st_size, status.st_mtime_ns]
