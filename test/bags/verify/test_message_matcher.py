"""Pairs of messages of two recordings, with all kinds of defects between them."""

from collections.abc import Iterator

import numpy as np
import pytest

from anon_ros.bags import DecisionOrigin, TopicAction, TopicReport
from anon_ros.bags.storage.records import Channel, Message
from anon_ros.bags.verify.message_matcher import ExpectedMessage, MatchedPair, MessageMatcher

TOPICS = ("/slow", "/fast", "/image")
_CHANNELS = {topic: Channel(index, topic, "a/msg/A", "cdr") for index, topic in enumerate(TOPICS)}


def make_topic_report(topic: str) -> TopicReport:
    decision = TopicAction.COPY, DecisionOrigin.PLAN, ""
    return TopicReport(topic, "a/msg/A", *decision, topic, num_messages=1, num_written=1)


def make_message(topic: str, time_ns: int, size: int = 1) -> Message:
    return Message(_CHANNELS[topic], time_ns, bytes(size), time_ns, 0)


def make_messages(count: int) -> list[Message]:
    """By time, /fast ten times as often as the others."""
    return [
        make_message(topic, 10 * index + offset)
        for index in range(count)
        for offset, topic in enumerate(TOPICS)
        if topic == "/fast" or index % 10 == 0
    ]


def expect_messages(before: list[Message]) -> Iterator[ExpectedMessage]:
    for each in before:
        topic = each.channel.topic
        yield ExpectedMessage(each, make_topic_report(topic), None, False)


def match_messages(before: list[Message], after: list[Message]) -> list[MatchedPair]:
    return list(MessageMatcher(expect_messages(before), after).iter_pairs())


def list_mismatches(found: list[MatchedPair]) -> list[tuple[object, object]]:
    """Topic and time of what is not the same on both sides."""
    sides = [(one.message if one else None, other) for one, other in found]
    named = [
        tuple(each and (each.channel.topic, each.log_time_ns) for each in pair) for pair in sides
    ]
    return [(one, other) for one, other in named if one != other]


def test_matcher_pairs_in_any_order() -> None:
    before = make_messages(200)
    assert list_mismatches(match_messages(before, before)) == []
    by_topic = sorted(before, key=lambda each: each.channel.topic)  # as merging tools write
    assert list_mismatches(match_messages(by_topic, by_topic)) == []
    assert len(match_messages(by_topic, by_topic)) == len(before)


@pytest.mark.parametrize("seed", range(30))
def test_matcher_reports_one_difference(seed: int) -> None:
    before = make_messages(100)
    index = int(np.random.default_rng(seed).integers(len(before)))
    lost = before[index]
    place = lost.channel.topic, lost.log_time_ns
    assert list_mismatches(match_messages(before, before[:index] + before[index + 1 :])) == [
        (place, None)
    ]
    assert list_mismatches(match_messages(before[:index] + before[index + 1 :], before)) == [
        (None, place)
    ]
    moved = lost._replace(log_time_ns=lost.log_time_ns + 1)
    found = match_messages(before, [*before[:index], moved, *before[index + 1 :]])
    assert list_mismatches(found) == [(place, (lost.channel.topic, lost.log_time_ns + 1))]


@pytest.mark.parametrize("seed", range(10))
def test_matcher_reports_many_missing(seed: int) -> None:
    before = make_messages(300)
    gone = set(np.random.default_rng(seed).choice(len(before), 60, replace=False).tolist())
    found = match_messages(before, [each for index, each in enumerate(before) if index not in gone])
    names = [(each.channel.topic, each.log_time_ns) for each in before]
    assert sorted(list_mismatches(found), key=str) == sorted(
        ((names[i], None) for i in gone), key=str
    )


def test_matcher_never_buffers_a_topic() -> None:
    """And one of which all times are wrong, neither."""
    size = 2**20
    for after in (
        lambda _: None,
        lambda each: each._replace(log_time_ns=each.log_time_ns + 1),
    ):
        before = (
            make_message(topic, 10 * index, size if topic == "/image" else 1)
            for index in range(1500)
            for topic in ("/image", "/fast")
        )
        made = (make_message(topic, 10 * i) for i in range(1500) for topic in ("/image", "/fast"))
        found = (
            changed
            for each in made
            if (changed := after(each) if each.channel.topic == "/image" else each)
        )
        step = MessageMatcher(expect_messages(before), found)  # type: ignore[arg-type]  # a generator will do
        most = wrong = 0
        for one, other in step.iter_pairs():
            most = max(most, step.num_held_bytes)
            wrong += (other and other.log_time_ns) != (one and one.message.log_time_ns)
        assert 1500 <= wrong < 1600
        assert most < 300 * size
