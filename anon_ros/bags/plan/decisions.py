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
    """Decision for one topic and type, or for one attachment.

    Attributes:
        topic: as recorded; name of an attachment.
        type_name: of the messages; media type of an attachment.
        count: messages in the input; -1 for an attachment.
        action: for the topic.
        reason: of the action; empty if it needs none.
        verify_each_message: copied, but only messages that are like the first ones: depth, or a
            point cloud without colors; or an attachment, only if it is text.
        origin: of the decision.
    """

    topic: str
    type_name: str
    count: int
    action: TopicAction
    reason: str = ""
    verify_each_message: bool = False
    origin: DecisionOrigin = DecisionOrigin.PLAN


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
