"""Section of the report about a bag: its run report, and its verification."""

from collections.abc import Collection, Iterable

from anon_ros.bags import (
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
from anon_ros.models import build_segmenter, find_weights_by_hash
from anon_ros.utils.progress import ProgressBar

_FILL = "fill"
# A report may come from anybody: no file that it names is loaded.
_MODEL_PARAMETERS = {
    "detect.weights",
    "detect.backend",
    "inpaint.model",
    "inpaint.revision",
    "inpaint.vae",
    "inpaint.lora",
}
_COLUMNS = ("topic", "type", "decision", "written", "skipped", "lost", "persons", "inpainted")


def inherit_parameters(
    options: ExperimentOptions, flags: Collection[str]
) -> dict[str, ParameterValue]:
    """Return the parameters of the run that made the bag ``--anonymized``; empty if unknown.

    Args:
        options: with the path of the bag.
        flags: names of the parameters that the user named.

    Raises:
        ModelError: if the user must name the weights.
    """
    if not isinstance(options, ComparisonOptions):
        return {}
    anonymized = options.comparison.anonymized
    if anonymized is None or not is_bag(anonymized):
        return {}
    try:
        report = read_report(open_bag(anonymized))
    except AnonRosError:
        return {}  # summarize_recording names the problem
    names = all_parameters().keys() - _MODEL_PARAMETERS
    values = {name: get_value(report.config, name) for name in sorted(names)}
    if "detect.weights" in flags:
        return values
    return {**values, "detect.weights": tuple(find_weights_by_hash(report.weights_sha256))}


def summarize_recording(options: OverviewOptions, config: Config) -> Report:
    """Return the report on the bag ``--anonymized``.

    Args:
        options: with the paths of both bags.
        config: for re-detection.

    Raises:
        AnonRosError: if its run report is missing, or it cannot be verified.
    """
    _, output_path = options.inputs
    report = read_report(open_bag(output_path))
    findings = _verify(options, config, report)
    return Report(
        "What was done",
        [*_summarize_run(report), _summarize_findings(findings)],
        [_make_topics_table(report)],
        limitations=[
            *_list_limitations(report),
            *(f"Not verified: {line}." for line in findings.not_checked),
        ],
        provenance={
            "anonymized by": report.versions,
            "anonymized with": format_models(report.models),
            "anonymized with parameters": non_default_parameters(report.config),
        },
    )


def _verify(options: OverviewOptions, config: Config, report: RunReport) -> Findings:
    source, output = map(open_bag, options.inputs)
    job = VerifyJob(
        source=source,
        output=output,
        report=report,
        scratch=options.output,
        load_segmenter=lambda: MirroredSegmenter(build_segmenter(config)),
        every_nth=options.frames.stride,
    )
    progress = ProgressBar(report.image_counts.anonymized, "verifying")
    try:
        findings, _ = verify_bag(job, progress)
    finally:
        progress.close()
    return findings


def _summarize_run(report: RunReport) -> list[str]:
    counts, num_empty = report.image_counts, report.num_empty_images
    replacement = _describe_replacement(report.config)
    times = f"{counts.inpainted} times by {replacement}, {counts.covered} times by a smooth fill"
    if report.config.inpaint.method == _FILL:
        times = f"each time by {replacement}"
    unchanged = (
        f" In {num_empty} more images no person was detected: they are as they were."
        if num_empty
        else ""
    )
    lines = [
        f"NOT anonymized, copied as recorded: {topic.topic} ({topic.type_name}, "
        f"{topic.num_messages} messages; {topic.reason})."
        for topic in _find_copied(report)
        if topic.origin is DecisionOrigin.COPY_FLAG
    ]
    lines.append(
        f"{counts.persons} times a person was replaced, in {counts.anonymized - num_empty} images: "
        f"{times}.{unchanged} Ended {report.ended}."
    )
    if counts.skipped or counts.lost:
        lines.append(
            f"{counts.skipped} images were skipped and {counts.lost} lost: they are not written."
        )
    return lines


def _find_copied(report: RunReport) -> Iterable[TopicReport]:
    return (topic for topic in report.topics if topic.action is TopicAction.COPY)


def _describe_replacement(config: Config) -> str:
    method = config.inpaint.method
    texts = {"sdxl": "a synthetic person", _FILL: "a smooth fill, no synthetic person"}
    return texts.get(method, f"{method} (inpaint.method), no synthetic person")


def _summarize_findings(findings: Findings) -> str:
    return (
        f"Compared message by message: {findings.num_errors} errors; re-detection in "
        f"{findings.counters.get('redetections', 0)} images: {findings.num_warnings} warnings "
        "(anon_ros verify lists them)."
    )


def _make_topics_table(report: RunReport) -> Table:
    note = (
        f"As recorded beside the output. Inpainted: replaced by "
        f"{_describe_replacement(report.config)}. Covered: by a smooth fill, where that could not "
        "be done. Propagated: not detected in the image, but in those around it."
    )
    columns = (*_COLUMNS, "covered", "propagated")
    return Table("topics", "Topics", columns, [*map(_make_row, report.topics)], note)


def _make_row(topic: TopicReport) -> list[Cell]:
    decision = topic.action.value + (f": {topic.reason}" if topic.reason else "")
    images = topic.images
    counts: list[Cell] = [None] * 6
    if images is not None:
        counts = [images.skipped, images.lost, images.persons, images.inpainted]
        counts += [images.covered, images.propagated]
    return [topic.topic, topic.type_name, decision, topic.num_written, *counts]


def _list_limitations(report: RunReport) -> list[str]:
    copied = [
        f"Copied as recorded: {topic.topic}: {topic.reason}."
        for topic in _find_copied(report)
        if topic.reason
    ]
    reasons: dict[str, int] = {}
    if report.config.inpaint.method != _FILL:
        reasons = dict(report.cover_reasons)
    covered = [f"Covered, not inpainted: {n} times: {reason}." for reason, n in reasons.items()]
    covered += [
        f"Targets covered, not inpainted: {n} times: {reason}."
        for reason, n in report.target_failures.items()
    ]
    lost = [f"Lost from the recording: {loss}." for loss in report.losses]
    return [*copied, *covered, *lost]
