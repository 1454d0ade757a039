"""Build the run report from the journal of a run whose files are all written."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import chain, islice

from anon_ros.bags.plan.decisions import TopicAction, TopicDecision
from anon_ros.bags.rewrite.rewriter import Rewriter
from anon_ros.bags.run_files.journal import Journal
from anon_ros.bags.run_files.masks_db import ANONYMIZED, IS_INPAINTED, LOST, SKIPPED
from anon_ros.bags.run_files.report import RunReport
from anon_ros.bags.run_files.topic_report import ImageCounts, TopicReport
from anon_ros.bags.storage.sqlite3.reader import has_metadata_table
from anon_ros.config import IGNORED_REGIONS, ignores_regions
from anon_ros.core import CoverReason
from anon_ros.utils.versions import package_versions

_MAX_LOSSES = 1000


def build_report(rewriter: Rewriter, fingerprint: str) -> RunReport:
    """Return the report of a run.

    Args:
        rewriter: has written all storage files.
        fingerprint: digest, from the beginning of the run.
    """
    job, journal = rewriter.job, rewriter.journal
    files = journal.read_finished_files().values()
    losses = chain.from_iterable(file.losses for file in files)
    return RunReport(
        fingerprint=fingerprint,
        input_path=str(job.bag.path.absolute()),
        output_path=str(job.target.path.absolute()),
        started=journal.get("started"),
        ended=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        versions=package_versions(),
        models=tuple(job.models),
        config=job.config,
        prefix=job.prefix,
        time_range_ns=(job.bag_plan.start_ns, job.bag_plan.stop_ns),
        has_masks=job.keep_masks,
        topics=tuple(_report_topics(rewriter)),
        persons_per_frame=_count_persons_per_frame(journal),
        cover_reasons=_count_cover_reasons(journal, "covered"),
        num_targets=_count_targets(journal),
        target_failures=_count_cover_reasons(journal, "target_failures"),
        losses=tuple(islice(losses, _MAX_LOSSES)),
        num_losses=sum(file.num_losses for file in files),
        warnings=tuple(_list_warnings(rewriter)),
        mark=rewriter.find_mark(),
    )


def _list_warnings(rewriter: Rewriter) -> Iterator[str]:
    if ignores_regions(rewriter.job.config):
        yield IGNORED_REGIONS
    for topic, text in rewriter.size_warnings.items():
        yield f"{topic}: {text}"
    if rewriter.find_mark() is not None and not _has_place_for_mark(rewriter):
        name = rewriter.job.target.path.name
        yield (
            f"{name}: the file has no place for the mark that a model drew; "
            "JPEG and PNG images in it are marked, raw images are not"
        )


def _has_place_for_mark(rewriter: Rewriter) -> bool:
    target = rewriter.job.target
    if not target.is_file or target.storage == "mcap":
        return True
    if target.storage == "ros1" or rewriter.input_metadata is None:
        return False
    return has_metadata_table(target.staging_dir / target.path.name)


def _report_topics(rewriter: Rewriter) -> list[TopicReport]:
    num_written = Counter[str]()
    for file in rewriter.journal.read_finished_files().values():
        num_written.update(file.statistics.counts)
    images = _count_images(rewriter.journal, draws=rewriter.anonymizer.inpainter.draws_persons)
    return [
        _report_topic(decision, rewriter.rename_topic(decision.topic), num_written, images)
        for decision in rewriter.job.bag_plan.topics.decisions
    ]


def _report_topic(
    decision: TopicDecision,
    output_topic: str,
    num_written: Counter[str],
    images: dict[str, ImageCounts],
) -> TopicReport:
    is_anonymized = decision.action is TopicAction.ANONYMIZE
    return TopicReport(
        topic=decision.topic,
        type_name=decision.type_name,
        action=decision.action,
        origin=decision.origin,
        reason=decision.reason,
        output_topic=output_topic,
        num_messages=decision.count,
        num_written=num_written[output_topic],
        images=images.get(decision.topic, ImageCounts()) if is_anonymized else None,
    )


def _count_images(journal: Journal, *, draws: bool) -> dict[str, ImageCounts]:
    """Return the counts of images and persons by topic.

    Args:
        journal: of the run.
        draws: the inpainter is a model that draws persons.
    """
    rows = journal.run_query(
        "SELECT topic, outcome, count(*), sum(persons), sum(json_array_length(covered)), "  # noqa: S608
        f"sum(carried), sum({IS_INPAINTED}), sum(small) FROM frames GROUP BY 1, 2"
    )
    counts = dict[str, ImageCounts]()
    for topic, outcome, images, persons, covered, propagated, num_inpainted_images, small in rows:
        is_anonymized = outcome == ANONYMIZED
        num_drawn = num_inpainted_images * draws
        persons_by_outcome = (persons, persons - covered, covered, propagated, num_drawn, small)
        counts[topic] = counts.get(topic, ImageCounts()) + ImageCounts(
            *(images * (outcome == status) for status in (ANONYMIZED, SKIPPED, LOST)),
            *(count * is_anonymized for count in persons_by_outcome),
        )
    return counts


def _count_persons_per_frame(journal: Journal) -> dict[int, int]:
    """Return the number of anonymized images by the number of persons in them."""
    return dict(
        journal.run_query(
            f"SELECT persons, count(*) FROM frames WHERE outcome = '{ANONYMIZED}' GROUP BY 1"  # noqa: S608
        )
    )


def _count_targets(journal: Journal) -> dict[str, int]:
    """Return the number of boxes by name of the target."""
    rows = journal.run_query(
        "SELECT targets, count(*) FROM frames WHERE targets != '{}' GROUP BY 1"
    )
    counts = Counter[str]()
    for targets, num_frames in rows:
        for name, boxes in json.loads(targets).items():
            counts[name] += len(boxes) * num_frames
    return dict(counts.most_common())


def _count_cover_reasons(journal: Journal, column: str) -> dict[str, int]:
    """Return the number of reasons in a column by reason; failures by the text of the first."""
    rows = journal.run_query(
        f"SELECT {column}, count(*) FROM frames WHERE {column} != '[]' GROUP BY 1"  # noqa: S608
    )
    counts = Counter[CoverReason]()
    first_texts: dict[CoverReason, str] = {}
    for cover_reasons, num_frames in rows:
        for name, text in json.loads(cover_reasons):
            counts[CoverReason[name]] += num_frames
            first_texts.setdefault(CoverReason[name], text)
    return {
        reason.value if reason.is_expected else first_texts[reason]: count
        for reason, count in counts.most_common()
    }
