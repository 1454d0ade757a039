"""``anon_ros evaluate all``: one report for one recording."""

import sqlite3
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anon_ros.cli.evaluate.detection import detection_report
from anon_ros.cli.evaluate.made import made
from anon_ros.cli.evaluate.occlusion import occlusion_report
from anon_ros.cli.evaluate.quality import quality_report
from anon_ros.cli.evaluate.recorded import done_report
from anon_ros.cli.evaluate.reid import reid_report
from anon_ros.cli.evaluate.sources import SourceError, is_recording
from anon_ros.cli.evaluate.temporal import temporal_report
from anon_ros.cli.flags import config_from
from anon_ros.errors import AnonRosError, describe
from anon_ros.evaluate import Report, Table

_QUESTIONS: Mapping[str, Callable[[Namespace], Report]] = {
    "Found again": reid_report,
    "Through time": temporal_report,
    "Appearance": quality_report,
    "Detection": detection_report,
    "Occlusion": occlusion_report,
}
_DONE = "What was done"
_UNKNOWN = "How --anonymized was made is not known: it is no recording made by anon_ros bag."
_ASKS_FOR_MORE = (
    "Whether every person was found is known only where labels say who was there. Look at samples, "
    "and at the page that anon_ros verify writes, before you publish."
)


def all_report(arguments: Namespace) -> Report:
    """Ask every question; one that cannot be answered is told, and does not stop the others.

    Raises:
        AnonRosError: if none can be answered.
    """
    given: Path | None = arguments.anonymized
    is_known = given is not None and is_recording(given)
    asked = {_DONE: done_report, **_QUESTIONS} if is_known else _QUESTIONS
    answers, unanswered = dict[str, Report](), dict[str, str]()
    for name, ask in asked.items():
        print(f"{name} ...")
        try:
            answers[name] = ask(arguments)
        except (AnonRosError, OSError, sqlite3.Error) as error:
            unanswered[name] = describe(error)
    if not answers:
        message = "; ".join(f"{name}: {problem}" for name, problem in unanswered.items())
        raise SourceError(message)
    missing = [f"Not measured: {name}: {problem}" for name, problem in unanswered.items()]
    if given and not is_known:
        missing.append(_UNKNOWN)
    drawn = () if given else tuple(arguments.modes)
    done = answers[_DONE].made if _DONE in answers else {}
    limits = _once(line for each in answers.values() for line in each.limits)
    return Report(
        f"Evaluation of {arguments.input.name}",
        [f"{name}. {line}" for name, section in answers.items() for line in section.answers],
        [_named(name, table) for name, section in answers.items() for table in section.tables],
        [
            replace(plot, name=f"{_slug(name)}_{plot.name}")
            for name, section in answers.items()
            for plot in section.plots
        ],
        [*missing, *limits, _ASKS_FOR_MORE],
        {**made(config_from(arguments), drawn), **_networks(answers), **done},
    )


def _networks(answers: Mapping[str, Report]) -> dict[str, Any]:
    """What looked at the images besides the models of the configuration."""
    named = _once(line for each in answers.values() for line in each.made.get("networks", ()))
    detectors = [each.made["detector"] for each in answers.values() if "detector" in each.made]
    return {"networks": [*named, *(f"detector: {told}" for told in detectors)]}


def _named(section: str, table: Table) -> Table:
    return replace(table, name=f"{_slug(section)}_{table.name}", title=f"{section}: {table.title}")


def _slug(name: str) -> str:
    return name.lower().replace(" ", "_")


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
