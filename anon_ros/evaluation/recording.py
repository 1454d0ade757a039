"""What ``anon_ros bag`` says that it did, and what ``anon_ros verify`` says of that."""

from typing import Any

from anon_ros.bags import (
    Bag,
    DecisionOrigin,
    Findings,
    MirroredSegmenter,
    RunReport,
    TopicAction,
    TopicReport,
    VerifyJob,
    open_bag,
    read_report,
    verify_bag,
)
from anon_ros.config import Config, ParameterValue, all_parameters, get_value
from anon_ros.errors import AnonRosError
from anon_ros.evaluation.inputs.frames import is_bag
from anon_ros.evaluation.options import ComparisonOptions, ExperimentOptions, OverviewOptions
from anon_ros.evaluation.provenance import format_models, non_default_parameters
from anon_ros.evaluation.report.model import Cell, Report, Table
from anon_ros.models import build_segmenter
from anon_ros.utils.progress import ProgressBar

_FILL = "fill"


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
    report = read_report(output)
    findings = _verified(options, config, source, output, report)
    return Report(
        "What was done",
        [*_answers(report), _found(findings)],
        [_topics(report)],
        limitations=[
            *_limits(report),
            *(f"Not verified: {line}." for line in findings.not_checked),
        ],
        provenance=_run(report),
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
    progress = ProgressBar(report.image_counts.anonymized, "verifying")
    try:
        findings, _ = verify_bag(comparison, progress)
    finally:
        progress.close()
    return findings


def _answers(report: RunReport) -> list[str]:
    counts, empty = report.image_counts, report.num_empty_images
    replacement = _replacement(report.config)
    how = f"{counts.inpainted} times by {replacement}, {counts.covered} times by a smooth fill"
    if report.config.inpaint.method == _FILL:
        how = f"each time by {replacement}"
    unchanged = f" In {empty} more images nobody was found: they are as they were." if empty else ""
    answers = [
        f"NOT anonymized, copied as recorded: {topic.topic} ({topic.type_name}, "
        f"{topic.num_messages} messages; {topic.reason})."
        for topic in report.topics
        if topic.action is TopicAction.COPY and topic.origin is DecisionOrigin.COPY_FLAG
    ]
    answers.append(
        f"{counts.persons} times a person was replaced, in {counts.anonymized - empty} images: "
        f"{how}.{unchanged} Ended {report.ended}."
    )
    if counts.skipped or counts.lost:
        answers.append(
            f"{counts.skipped} images were skipped and {counts.lost} lost: they are not written."
        )
    return answers


def _replacement(config: Config) -> str:
    known = {"sdxl": "a synthetic person", _FILL: "a smooth fill, no synthetic person"}
    kind = config.inpaint.method
    return known.get(kind, f"{kind} (inpaint.method), no synthetic person")


def _found(findings: Findings) -> str:
    return (
        f"Compared message by message, there are {findings.num_errors} errors; re-detection in "
        f"{findings.counters.get('redetections', 0)} images gave "
        f"{findings.num_warnings} warnings (anon_ros verify lists them)."
    )


def _topics(report: RunReport) -> Table:
    columns = ("topic", "type", "decision", "written", "skipped", "lost", "persons", "drawn")
    note = (
        f"As recorded beside the output. Drawn: replaced by {_replacement(report.config)}. "
        "Covered: by a smooth fill, where that could not be done. Carried on: missed in the "
        "image, known from those around it."
    )
    rows = [_topic_row(topic) for topic in report.topics]
    return Table("topics", "Topics", (*columns, "covered", "carried on"), rows, note)


def _topic_row(topic: TopicReport) -> list[Cell]:
    decision = topic.action.value + (f": {topic.reason}" if topic.reason else "")
    row: list[Cell] = [topic.topic, topic.type_name, decision, topic.num_written]
    counts = topic.images
    if counts is None:
        return [*row, *[None] * 6]
    persons = counts.persons, counts.inpainted, counts.covered, counts.propagated
    return [*row, counts.skipped, counts.lost, *persons]


def _limits(report: RunReport) -> list[str]:
    copied = [
        f"Copied as recorded: {topic.topic}: {topic.reason}."
        for topic in report.topics
        if topic.action is TopicAction.COPY and topic.reason
    ]
    reasons = {} if report.config.inpaint.method == _FILL else report.cover_reasons
    covered = [f"Covered, not drawn: {count} times: {why}." for why, count in reasons.items()]
    lost = [f"Lost from the recording: {loss}." for loss in report.losses]
    return [*copied, *covered, *lost]


def _run(report: RunReport) -> dict[str, Any]:
    return {
        "anonymized by": report.versions,
        "anonymized with": format_models(report.models),
        "anonymized with parameters": non_default_parameters(report.config),
    }
