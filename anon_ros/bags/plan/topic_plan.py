"""Plan of a run: one decision per topic, made before any model is loaded."""

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from anon_ros.bags.plan.classify import classify_topic
from anon_ros.bags.plan.decisions import DecisionOrigin, TopicAction, TopicDecision, TopicRules
from anon_ros.bags.storage.records import METADATA_KIND, PRIVATE_KIND, Channel
from anon_ros.config import topic_matches
from anon_ros.errors import BagError
from anon_ros.images import IMAGE_TYPES
from anon_ros.utils.text import escape_controls, mask_controls

_TABLE_HEADER = ("DECISION", "TOPIC", "TYPE", "MESSAGES", "NOTE")
_COPIED_BY_NAME = (*IMAGE_TYPES, METADATA_KIND, PRIVATE_KIND)
_FROM_STRICT_TO_LAX = (TopicAction.UNDECIDED, TopicAction.ANONYMIZE, TopicAction.COPY)


@dataclass(frozen=True)
class TopicPlan:
    """Decisions for all topics and attachments."""

    decisions: tuple[TopicDecision, ...]

    @property
    def undecided(self) -> list[TopicDecision]:
        """The decisions that the user has to make."""
        return [item for item in self.decisions if item.action is TopicAction.UNDECIDED]

    def get(self, topic: str, type_name: str) -> TopicDecision | None:
        """Return the decision for a topic and type; None if there is none."""
        return self._by_key.get((topic, type_name, False))

    def get_extra(self, name: str, media_type: str) -> TopicDecision | None:
        """Return the decision for an extra; None if there is none."""
        return self._by_key.get((name, media_type, True))

    @cached_property
    def _by_key(self) -> Mapping[tuple[str, str, bool], TopicDecision]:
        # A topic may have the name and type of an extra.
        return {(d.topic, d.type_name, d.is_extra): d for d in reversed(self.decisions)}

    def require_decided(self) -> None:
        """Refuse a plan with open decisions.

        Raises:
            BagError: if there are any; it names them.
        """
        if not self.undecided:
            return
        flags = " ".join(
            f"--drop {shlex.quote(mask_controls(item.topic))}" for item in self.undecided
        )
        names = ", ".join(f"{d.topic} ({d.type_name}: {d.reason})" for d in self.undecided)
        message = (
            f"these may show or identify persons and cannot be anonymized: {names}; decide for "
            "each with --drop TOPIC, or --copy TOPIC if nobody can be seen or heard there. To drop "
            f"all: {flags}"
        )
        raise BagError(message)

    def format_table(self) -> str:
        """Format the plan as text, one topic per line."""
        rows = [_TABLE_HEADER, *map(_make_row, self.decisions)]
        *columns, _ = zip(*rows, strict=True)
        widths = [max(map(len, column)) for column in columns]
        return "\n".join(_align_row(row, widths) for row in rows)


def plan_topics(
    counts: Mapping[Channel, int],
    samples: Mapping[Channel, Sequence[bytes]],
    extras: Iterable[TopicDecision],
    rules: TopicRules,
    silent_topics: Collection[str] = (),
) -> TopicPlan:
    """Decide about all topics of a bag; extras are decided already, but for the rules.

    Args:
        counts: messages by channel.
        samples: first messages of the channels, decompressed.
        extras: decisions for attachments and other extras.
        rules: of the user.
        silent_topics: names of topics without messages, which no file announces.

    Raises:
        BagError: if a rule fits nothing in the bag.
    """
    decisions: dict[tuple[str, str], TopicDecision] = {}
    for channel, count in counts.items():
        decision = classify_topic(channel, count, samples.get(channel, ()))
        key = decision.topic, decision.type_name
        earlier = decisions.get(key)
        decisions[key] = _merge(earlier, decision) if earlier else decision
    all_decisions = [*decisions.values(), *_unite(extras)]
    _check_rules({*silent_topics, *(item.topic for item in all_decisions)}, rules)
    return TopicPlan(tuple(_apply_rules_to(decision, rules) for decision in all_decisions))


def _unite(extras: Iterable[TopicDecision]) -> list[TopicDecision]:
    """Return one decision per name and kind: the strictest."""
    united: dict[tuple[str, str], TopicDecision] = {}
    for extra in extras:
        earlier = united.setdefault((extra.topic, extra.type_name), extra)
        if earlier.action is TopicAction.COPY:
            united[extra.topic, extra.type_name] = extra
    return list(united.values())


def _merge(left: TopicDecision, right: TopicDecision) -> TopicDecision:
    """Return the stricter of the decisions for two channels of a topic, with all its messages."""
    stricter = min(left, right, key=lambda item: _FROM_STRICT_TO_LAX.index(item.action))
    reasons = [item.reason for item in (left, right) if item.action is stricter.action]
    return replace(
        stricter,
        count=left.count + right.count,
        reason="; ".join(dict.fromkeys(filter(None, reasons))),
        verify_each_message=left.verify_each_message or right.verify_each_message,
    )


def _check_rules(names: Collection[str], rules: TopicRules) -> None:
    for pattern in (*rules.topics, *rules.drop, *rules.copy):
        if not any(topic_matches(name, pattern) for name in names):
            topics = ", ".join(sorted(names))
            message = f"no topic of the recording fits {pattern!r}: {topics}"
            raise BagError(message)


def _apply_rules_to(decision: TopicDecision, rules: TopicRules) -> TopicDecision:
    if rules.topics and not _matches_any(decision, rules.topics):
        return _drop(decision, "not in --topics")
    if _matches_any(decision, rules.drop):
        return _drop(decision, "--drop")
    is_copied_anyway = decision.action is TopicAction.COPY and not decision.verify_each_message
    if is_copied_anyway or not _matches_any(decision, rules.copy):
        return decision
    if decision.type_name in _COPIED_BY_NAME and not _is_named(decision, rules.copy):
        note = "--copy by pattern takes no images along: name the topic"
        if decision.is_extra:
            note = "--copy by pattern does not take it along: name it"
        return replace(decision, reason="; ".join(filter(None, [decision.reason, note])))
    return replace(
        decision,
        action=TopicAction.COPY,
        reason="--copy: whoever is seen stays",
        verify_each_message=False,
        origin=DecisionOrigin.COPY_FLAG,
    )


def _matches_any(decision: TopicDecision, patterns: Iterable[str]) -> bool:
    return any(topic_matches(decision.topic, pattern) for pattern in patterns)


def _is_named(decision: TopicDecision, names: Iterable[str]) -> bool:
    return any(decision.topic == name for name in names)


def _drop(decision: TopicDecision, reason: str) -> TopicDecision:
    return replace(
        decision, action=TopicAction.DROP, reason=reason, origin=DecisionOrigin.DROP_FLAG
    )


def _make_row(decision: TopicDecision) -> tuple[str, ...]:
    count = str(decision.count) if decision.count >= 0 else ""
    cells = decision.action.value, decision.topic, decision.type_name, count, decision.reason
    return tuple(map(escape_controls, cells))


def _align_row(row: Sequence[str], widths: Sequence[int]) -> str:
    *cells, note = row
    aligned = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
    return "  ".join([*aligned, note]).rstrip()
