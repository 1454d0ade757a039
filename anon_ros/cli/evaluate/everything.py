"""``anon_ros evaluate all``: one report for one recording."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anon_ros.bags import REPORT, Account, Bag, Comparison, beside, find_bag, read_account, verify
from anon_ros.cli.evaluate.detection import detection_report
from anon_ros.cli.evaluate.made import changed, made
from anon_ros.cli.evaluate.occlusion import occlusion_report
from anon_ros.cli.evaluate.quality import quality_report
from anon_ros.cli.evaluate.reid import reid_report
from anon_ros.cli.evaluate.sources import SourceError, is_recording
from anon_ros.cli.evaluate.temporal import temporal_report
from anon_ros.cli.flags import config_from
from anon_ros.cli.progress import FrameProgress
from anon_ros.cli.verify import Mirrored, second_config
from anon_ros.config import Config
from anon_ros.errors import AnonRosError, describe
from anon_ros.evaluate import Report, Table
from anon_ros.models import build_segmenter

_QUESTIONS: Mapping[str, Callable[[Namespace], Report]] = {
    "Found again": reid_report,
    "Through time": temporal_report,
    "Appearance": quality_report,
    "Detection": detection_report,
    "Occlusion": occlusion_report,
}
_DONE = "What was done"
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
    asked = {_DONE: _done, **_QUESTIONS} if given and is_recording(given) else _QUESTIONS
    answers, unanswered = dict[str, Report](), dict[str, str]()
    for name, ask in asked.items():
        print(f"{name} ...")
        try:
            answers[name] = ask(arguments)
        except AnonRosError as error:
            unanswered[name] = describe(error)
    if not answers:
        message = "; ".join(f"{name}: {problem}" for name, problem in unanswered.items())
        raise SourceError(message)
    missing = [f"Not measured: {name}: {problem}" for name, problem in unanswered.items()]
    drawn = () if given else tuple(arguments.modes)
    done = answers[_DONE].made if _DONE in answers else {}
    return Report(
        f"Evaluation of {arguments.input.name}",
        [f"{name}. {line}" for name, section in answers.items() for line in section.answers],
        [_named(name, table) for name, section in answers.items() for table in section.tables],
        [
            replace(plot, name=f"{_slug(name)}_{plot.name}")
            for name, section in answers.items()
            for plot in section.plots
        ],
        [
            *missing,
            *_once(line for each in answers.values() for line in each.limits),
            _ASKS_FOR_MORE,
        ],
        {**made(config_from(arguments), drawn), **_networks(answers), **done},
    )


def _networks(answers: Mapping[str, Report]) -> dict[str, Any]:
    """What looked at the images besides the models of the configuration."""
    named = _once(line for each in answers.values() for line in each.made.get("networks", ()))
    detectors = [each.made["detector"] for each in answers.values() if "detector" in each.made]
    return {"networks": [*named, *(f"detector: {told}" for told in detectors)]}


def _done(arguments: Namespace) -> Report:
    """What ``anon_ros bag`` says that it did, and what ``anon_ros verify`` says of that."""
    source, output = (find_bag(path) for path in (arguments.input, arguments.anonymized))
    account = read_account(output)
    told = json.loads(beside(output, REPORT).read_text("utf-8"))
    rows = [
        [
            topic["topic"],
            topic["decision"],
            topic["written"],
            *(topic.get(name) for name in ("persons", "inpainted", "covered", "carried")),
        ]
        for topic in told["topics"]
    ]
    columns = ("topic", "decision", "written", "persons", "inpainted", "covered", "carried on")
    note = (
        "As recorded beside the output. Covered: replaced by a smooth fill, not by a synthetic "
        "person. Carried on: missed in the image, known from those around it."
    )
    persons = sum(topic.get("persons") or 0 for topic in told["topics"])
    images = sum(topic.get("anonymized") or 0 for topic in told["topics"])
    return Report(
        _DONE,
        [
            f"{persons} times a person was replaced, in {images} images; ended {told['ended']}.",
            _verified(arguments, source, output, account),
        ],
        [Table("topics", "Topics", columns, rows, note)],
        made=_run(told, account.config),
    )


def _verified(arguments: Namespace, source: Bag, output: Bag, account: Account) -> str:
    config = second_config(account, arguments)
    shown = FrameProgress(sum(kept.anonymized for kept in account.kept.values()), "verifying")
    comparison = Comparison(
        source=source,
        output=output,
        account=account,
        scratch=arguments.out.parent,
        load=lambda: Mirrored(build_segmenter(config)),
        every_nth=arguments.every_nth,
    )
    try:
        findings, _ = verify(comparison, shown)
    finally:
        shown.close()
    return (
        f"Compared message by message, {findings.broken_count} were found to be broken; a second "
        f"look at {findings.numbers.get('second looks', 0)} images found "
        f"{findings.suspicion_count} suspicions (anon_ros verify lists them)."
    )


def _run(told: Mapping[str, Any], config: Config) -> dict[str, Any]:
    models = {
        model["parameter"]: f"{model['name']}, {model['licence']}, SHA-256 {model['sha256']}"
        for model in told["models"]
    }
    return {
        "anonymized by": told["versions"],
        "anonymized with": models,
        "anonymized with parameters": changed(config),
    }


def _named(section: str, table: Table) -> Table:
    return replace(table, name=f"{_slug(section)}_{table.name}", title=f"{section}: {table.title}")


def _slug(name: str) -> str:
    return name.lower().replace(" ", "_")


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
