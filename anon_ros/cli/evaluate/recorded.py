"""What ``anon_ros bag`` says that it did, and what ``anon_ros verify`` says of that."""

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anon_ros.bags import (
    REPORT,
    Account,
    Bag,
    Comparison,
    Findings,
    beside,
    find_bag,
    read_account,
)
from anon_ros.cli.evaluate.made import changed, told_models
from anon_ros.cli.evaluate.sources import is_recording
from anon_ros.cli.verify import Mirrored, second_config, watched
from anon_ros.config import Config, get, parameters
from anon_ros.errors import AnonRosError
from anon_ros.evaluate import Report, Table
from anon_ros.models import build_segmenter

_COPIED = "COPY"
_BY_WISH = "--copy"
_FILL = "fill"
_NUMBERS = ("written", "skipped", "lost", "persons", "inpainted", "covered", "carried")


def take_parameters(arguments: Namespace) -> None:
    """Measure a recording with the parameters that it was anonymized with, but for those given."""
    given: Path | None = arguments.anonymized
    if given is None or not is_recording(given) or arguments.config:
        return
    try:
        account = read_account(find_bag(given))
    except AnonRosError:
        return  # nobody knows them; done_report tells
    values = {name: get(account.config, name) for name in parameters()}
    for name, value in {**values, "detect.weights": account.weights}.items():
        if not hasattr(arguments, name):
            setattr(arguments, name, value)


def done_report(arguments: Namespace) -> Report:
    """What was done to the recording --anonymized.

    Raises:
        AnonRosError: if its report is missing, or it cannot be verified.
    """
    source, output = (find_bag(path) for path in (arguments.input, arguments.anonymized))
    account = read_account(output)
    told: dict[str, Any] = json.loads(beside(output, REPORT).read_text("utf-8"))
    findings = _verified(arguments, source, output, account)
    return Report(
        "What was done",
        [*_answers(told, account.config), _found(findings)],
        [_topics(told["topics"], account.config)],
        limits=[
            *_limits(told, account.config),
            *(f"Not verified: {line}." for line in findings.unchecked),
        ],
        made=_run(told, account.config),
    )


def _verified(arguments: Namespace, source: Bag, output: Bag, account: Account) -> Findings:
    config = second_config(account, arguments)
    comparison = Comparison(
        source=source,
        output=output,
        account=account,
        scratch=arguments.out,
        load=lambda: Mirrored(build_segmenter(config)),
        every_nth=arguments.every_nth,
    )
    findings, _ = watched(comparison, "verifying")
    return findings


def _answers(told: Mapping[str, Any], config: Config) -> list[str]:
    topics: Sequence[Mapping[str, Any]] = told["topics"]
    persons, drawn, covered, images, skipped, lost = (
        sum(topic.get(name) or 0 for topic in topics)
        for name in ("persons", "inpainted", "covered", "anonymized", "skipped", "lost")
    )
    empty = int(told["persons_per_frame"].get("0", 0))
    how = f"{drawn} times by {_replacement(config)}, {covered} times by a smooth fill"
    if config.inpaint.kind == _FILL:
        how = f"each time by {_replacement(config)}"
    unchanged = f" In {empty} more images nobody was found: they are as they were." if empty else ""
    answers = [
        f"NOT anonymized, copied as recorded: {topic['topic']} ({topic['type']}, "
        f"{topic['messages']} messages; {topic['reason']})."
        for topic in topics
        if topic["decision"] == _COPIED and topic["reason"].startswith(_BY_WISH)
    ]
    answers.append(
        f"{persons} times a person was replaced, in {images - empty} images: {how}.{unchanged} "
        f"Ended {told['ended']}."
    )
    if skipped or lost:
        answers.append(f"{skipped} images were skipped and {lost} lost: they are not written.")
    return answers


def _replacement(config: Config) -> str:
    known = {"sdxl": "a synthetic person", _FILL: "a smooth fill, no synthetic person"}
    kind = config.inpaint.kind
    return known.get(kind, f"{kind} (inpaint.kind), no synthetic person")


def _found(findings: Findings) -> str:
    return (
        f"Compared message by message, {findings.broken_count} were found to be broken; a second "
        f"look at {findings.numbers.get('second looks', 0)} images found "
        f"{findings.suspicion_count} suspicions (anon_ros verify lists them)."
    )


def _topics(topics: Sequence[Mapping[str, Any]], config: Config) -> Table:
    rows = [
        [
            topic["topic"],
            topic["type"],
            topic["decision"] + (f": {topic['reason']}" if topic["reason"] else ""),
            *(topic.get(name) for name in _NUMBERS),
        ]
        for topic in topics
    ]
    columns = ("topic", "type", "decision", "written", "skipped", "lost", "persons", "drawn")
    note = (
        f"As recorded beside the output. Drawn: replaced by {_replacement(config)}. Covered: by a "
        "smooth fill, where that could not be done. Carried on: missed in the image, known from "
        "those around it."
    )
    return Table("topics", "Topics", (*columns, "covered", "carried on"), rows, note)


def _limits(told: Mapping[str, Any], config: Config) -> list[str]:
    copied = [
        f"Copied as recorded: {topic['topic']}: {topic['reason']}."
        for topic in told["topics"]
        if topic["decision"] == _COPIED and topic["reason"]
    ]
    reasons = {} if config.inpaint.kind == _FILL else told["covered"]
    covered = [f"Covered, not drawn: {count} times: {why}." for why, count in reasons.items()]
    lost = [f"Lost from the recording: {place}." for place in told["lost"]["places"]]
    return [*copied, *covered, *lost]


def _run(told: Mapping[str, Any], config: Config) -> dict[str, Any]:
    return {
        "anonymized by": told["versions"],
        "anonymized with": told_models(told["models"]),
        "anonymized with parameters": changed(config),
    }
