"""Decisions about topics, and the rules of the user that override them."""

from dataclasses import dataclass
from enum import Enum


class TopicAction(Enum):
    """Action for a topic."""

    ANONYMIZE = "ANONYMIZE"
    COPY = "COPY"
    DROP = "DROP"
    UNDECIDED = "?"


class DecisionOrigin(Enum):
    """Origin of a decision: the plan itself, or a flag of the user."""

    PLAN = "plan"
    DROP_FLAG = "drop_flag"  # --drop, or --topics without the topic
    COPY_FLAG = "copy_flag"


@dataclass(frozen=True)
class TopicDecision:
    """Decision for one topic and type, or for one extra: an attachment or an MCAP record.

    Attributes:
        topic: as recorded; name of an extra.
        type_name: of the messages; media type or kind of an extra.
        count: messages in the input; -1 for an extra.
        action: for the topic.
        reason: of the action; empty if it needs none.
        verify_each_message: copied, but only messages that are like the first ones: depth, or a
            point cloud without colors; or an extra, only if it is text.
        origin: of the decision.
    """

    topic: str
    type_name: str
    count: int
    action: TopicAction
    reason: str = ""
    verify_each_message: bool = False
    origin: DecisionOrigin = DecisionOrigin.PLAN

    @property
    def is_extra(self) -> bool:
        """True for an attachment or an MCAP record, which has no messages."""
        return self.count < 0


@dataclass(frozen=True)
class TopicRules:
    """Rules of the user: names of topics, or patterns of them.

    Attributes:
        topics: the only ones to take over; empty for all.
        drop: to leave out.
        copy: to copy unchanged, even if they show persons.
    """

    topics: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
