"""``anon_ros evaluate all``: one report for one recording."""

import sqlite3
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anon_ros.cli.config_flags import parse_config
from anon_ros.errors import AnonRosError, InputError, format_error
from anon_ros.evaluation.detection.experiment import evaluate_detection
from anon_ros.evaluation.inputs.frames import is_bag
from anon_ros.evaluation.occlusion.experiment import evaluate_paste_orders
from anon_ros.evaluation.provenance import collect_provenance
from anon_ros.evaluation.quality.experiment import evaluate_quality
from anon_ros.evaluation.recording import summarize_recording
from anon_ros.evaluation.reid.experiment import evaluate_reid_set
from anon_ros.evaluation.report.model import Report, Table
from anon_ros.evaluation.temporal.experiment import evaluate_temporal

_EXPERIMENTS: Mapping[str, Callable[[Namespace], Report]] = {
    "Found again": evaluate_reid_set,
    "Through time": evaluate_temporal,
    "Appearance": evaluate_quality,
    "Detection": evaluate_detection,
    "Occlusion": evaluate_paste_orders,
}
_DONE = "What was done"
_UNKNOWN = "How --anonymized was made is not known: it is no recording made by anon_ros bag."
_ASKS_FOR_MORE = (
    "Whether every person was found is known only where labels say who was there. Look at samples, "
    "and at the page that anon_ros verify writes, before you publish."
)


def evaluate_all(arguments: Namespace) -> Report:
    """Ask every question; one that cannot be answered is told, and does not stop the others.

    Raises:
        AnonRosError: if none can be answered.
    """
    given: Path | None = arguments.anonymized
    is_known = given is not None and is_bag(given)
    asked = {_DONE: summarize_recording, **_EXPERIMENTS} if is_known else _EXPERIMENTS
    answers, unanswered = dict[str, Report](), dict[str, str]()
    for name, ask in asked.items():
        print(f"{name} ...")
        try:
            answers[name] = ask(arguments)
        except (AnonRosError, OSError, sqlite3.Error) as error:
            unanswered[name] = format_error(error)
    if not answers:
        message = "; ".join(f"{name}: {problem}" for name, problem in unanswered.items())
        raise InputError(message)
    missing = [f"Not measured: {name}: {problem}" for name, problem in unanswered.items()]
    if given and not is_known:
        missing.append(_UNKNOWN)
    drawn = () if given else tuple(arguments.modes)
    done = answers[_DONE].provenance if _DONE in answers else {}
    limits = unique(line for each in answers.values() for line in each.limitations)
    return Report(
        f"Evaluation of {arguments.input.name}",
        [f"{name}. {line}" for name, section in answers.items() for line in section.summary],
        [_named(name, table) for name, section in answers.items() for table in section.tables],
        [
            replace(plot, name=f"{_slug(name)}_{plot.name}")
            for name, section in answers.items()
            for plot in section.plots
        ],
        [*missing, *limits, _ASKS_FOR_MORE],
        {**collect_provenance(parse_config(arguments), drawn), **_networks(answers), **done},
    )


def _networks(answers: Mapping[str, Report]) -> dict[str, Any]:
    """What looked at the images besides the models of the configuration."""
    named = unique(
        line for each in answers.values() for line in each.provenance.get("networks", ())
    )
    detectors = [
        each.provenance["detector"] for each in answers.values() if "detector" in each.provenance
    ]
    return {"networks": [*named, *(f"detector: {told}" for told in detectors)]}


def _named(section: str, table: Table) -> Table:
    return replace(table, name=f"{_slug(section)}_{table.name}", title=f"{section}: {table.title}")


def _slug(name: str) -> str:
    return name.lower().replace(" ", "_")


def unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
