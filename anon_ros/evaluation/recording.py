"""What ``anon_ros bag`` says that it did, and what ``anon_ros verify`` says of that."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from anon_ros.bags import (
    REPORT,
    Bag,
    Findings,
    RunReport,
    VerifyJob,
    open_bag,
    read_report,
    sidecar_path,
)
from anon_ros.cli.verify import MirroredSegmenter, verify_with_progress
from anon_ros.config import Config, ParameterValue, all_parameters, get_value
from anon_ros.errors import AnonRosError
from anon_ros.evaluation.inputs.frames import is_bag
from anon_ros.evaluation.options import ComparisonOptions, ExperimentOptions, OverviewOptions
from anon_ros.evaluation.provenance import format_models, non_default_parameters
from anon_ros.evaluation.report.model import Report, Table
from anon_ros.models import build_segmenter

_COPIED = "COPY"
_BY_WISH = "--copy"
_FILL = "fill"
_NUMBERS = ("written", "skipped", "lost", "persons", "inpainted", "covered", "carried")


def inherit_parameters(options: ExperimentOptions) -> dict[str, ParameterValue]:
    """Return the parameters of the run that made the bag ``--anonymized``; empty if unknown."""
    if not isinstance(options, ComparisonOptions):
        return {}
    anonymized = options.comparison.anonymized
    if anonymized is None or not is_bag(anonymized):
        return {}
    try:
        report = read_report(open_bag(anonymized))
    except AnonRosError:
        return {}  # summarize_recording names the problem
    values = {name: get_value(report.config, name) for name in all_parameters()}
    return {**values, "detect.weights": report.weights}


def summarize_recording(options: OverviewOptions, config: Config) -> Report:
    """What was done to the recording --anonymized.

    Raises:
        AnonRosError: if its report is missing, or it cannot be verified.
    """
    source, output = map(open_bag, options.inputs)
    account = read_report(output)
    told: dict[str, Any] = json.loads(sidecar_path(output, REPORT).read_text("utf-8"))
    findings = _verified(options, config, source, output, account)
    return Report(
        "What was done",
        [*_answers(told, account.config), _found(findings)],
        [_topics(told["topics"], account.config)],
        limitations=[
            *_limits(told, account.config),
            *(f"Not verified: {line}." for line in findings.not_checked),
        ],
        provenance=_run(told, account.config),
    )


def _verified(
    options: OverviewOptions, config: Config, source: Bag, output: Bag, report: RunReport
) -> Findings:
    comparison = VerifyJob(
        source=source,
        output=output,
        report=report,
        scratch=options.output,
        load_segmenter=lambda: MirroredSegmenter(build_segmenter(config)),
        every_nth=options.frames.stride,
    )
    findings, _ = verify_with_progress(comparison, "verifying")
    return findings


def _answers(told: Mapping[str, Any], config: Config) -> list[str]:
    topics: Sequence[Mapping[str, Any]] = told["topics"]
    persons, drawn, covered, images, skipped, lost = (
        sum(topic.get(name) or 0 for topic in topics)
        for name in ("persons", "inpainted", "covered", "anonymized", "skipped", "lost")
    )
    empty = int(told["persons_per_frame"].get("0", 0))
    how = f"{drawn} times by {_replacement(config)}, {covered} times by a smooth fill"
    if config.inpaint.method == _FILL:
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
    kind = config.inpaint.method
    return known.get(kind, f"{kind} (inpaint.method), no synthetic person")


def _found(findings: Findings) -> str:
    return (
        f"Compared message by message, {findings.broken_count} were found to be broken; a second "
        f"look at {findings.counters.get('second looks', 0)} images found "
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
    reasons = {} if config.inpaint.method == _FILL else told["covered"]
    covered = [f"Covered, not drawn: {count} times: {why}." for why, count in reasons.items()]
    lost = [f"Lost from the recording: {place}." for place in told["lost"]["places"]]
    return [*copied, *covered, *lost]


def _run(told: Mapping[str, Any], config: Config) -> dict[str, Any]:
    return {
        "anonymized by": told["versions"],
        "anonymized with": format_models(told["models"]),
        "anonymized with parameters": non_default_parameters(config),
    }
