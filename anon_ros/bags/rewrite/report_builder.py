"""What was done, for whoever has to answer for it."""

import json
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from anon_ros.bags.plan.decisions import TopicAction
from anon_ros.bags.rewrite.rewriter import Rewriter
from anon_ros.bags.run_files.journal import ANONYMIZED, LOST, SKIPPED, Journal
from anon_ros.config import Config, all_parameters, get_value
from anon_ros.core import CoverReason
from anon_ros.utils.versions import package_versions

if TYPE_CHECKING:
    from anon_ros.bags.rewrite.job import RewriteJob


def build_report(job: "RewriteJob", number: str, rewriter: Rewriter) -> dict[str, Any]:
    """Everything about a run whose files are all written."""
    journal = rewriter.journal
    written = Counter[str]()
    for finished in journal.finished().values():
        written.update(finished.tally.counts)
    return {
        "job": number,
        "input": str(job.bag.path.absolute()),
        "output": str(job.target.path.absolute()),
        "started": journal.get("started"),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": package_versions(),
        "models": [dict(model) for model in job.models],
        "seed": job.config.inpaint.seed,
        "parameters": _values(job.config),
        "prefix": job.prefix,
        "log_times_ns": [job.bag_plan.start_ns, job.bag_plan.stop_ns],
        "masks": job.keep_masks,
        "topics": [
            {
                "topic": entry.topic,
                "type": entry.type_name,
                "decision": entry.action.value,
                "reason": entry.reason,
                "output_topic": rewriter.output_topic(entry.topic),
                "messages": entry.count,
                "written": written[rewriter.output_topic(entry.topic)],
                **(_frames(journal, entry.topic) if entry.action is TopicAction.ANONYMIZE else {}),
            }
            for entry in job.bag_plan.topics.decisions
        ],
        "persons_per_frame": _histogram(journal),
        "covered": _reasons(journal),
        "lost": {
            "count": rewriter.losses.count,
            "places": [str(loss) for loss in rewriter.losses.losses],
        },
    }


def _values(config: Config) -> dict[str, Any]:
    return {name: get_value(config, name) for name in all_parameters()}


def _frames(journal: Journal, topic: str) -> dict[str, int]:
    """How many images of a topic became what, and the persons in them."""
    rows = journal.query(
        "SELECT topic, outcome, count(*), sum(persons), sum(json_array_length(covered)), "
        "sum(carried) "
        "FROM frames GROUP BY 1, 2"
    )
    mine = {outcome: numbers for name, outcome, *numbers in rows if name == topic}
    frames, persons, covered, carried = mine.get(ANONYMIZED, (0, 0, 0, 0))
    return {
        "anonymized": frames,
        "skipped": mine.get(SKIPPED, (0,))[0],
        "lost": mine.get(LOST, (0,))[0],
        "persons": persons,
        "inpainted": persons - covered,
        "covered": covered,
        "carried": carried,
    }


def _histogram(journal: Journal) -> dict[str, int]:
    """Frames by how many persons were found in them."""
    rows = journal.query(
        f"SELECT persons, count(*) FROM frames WHERE outcome = '{ANONYMIZED}' GROUP BY 1"  # noqa: S608
    )
    return {str(persons): count for persons, count in rows}


def _reasons(journal: Journal) -> dict[str, int]:
    """Count the persons who were covered, by reason; a failure by the text of its first."""
    rows = journal.query("SELECT covered, count(*) FROM frames WHERE covered != '[]' GROUP BY 1")
    reasons = Counter[CoverReason]()
    first_texts: dict[CoverReason, str] = {}
    for texts, frames in rows:
        for name, text in json.loads(texts):
            reasons[CoverReason[name]] += frames
            first_texts.setdefault(CoverReason[name], text)
    return {
        reason.value if reason.is_expected else first_texts[reason]: count
        for reason, count in reasons.most_common()
    }
