"""Which message of one recording became which of another, whatever is wrong between them."""

from collections.abc import Iterator

import numpy as np
import pytest

from anon_ros.bags.run_files.report import TopicReport
from anon_ros.bags.storage.records import Channel, Message
from anon_ros.bags.verify.message_matcher import ExpectedMessage, MatchedPair, MessageMatcher

TOPICS = ("/slow", "/fast", "/image")
_CHANNELS = {topic: Channel(index, topic, "a/msg/A", "cdr") for index, topic in enumerate(TOPICS)}


def message(topic: str, time_ns: int, size: int = 1) -> Message:
    return Message(_CHANNELS[topic], time_ns, bytes(size), time_ns, 0)


def messages(count: int) -> list[Message]:
    """By time, /fast ten times as often as the others."""
    return [
        message(topic, 10 * index + offset)
        for index in range(count)
        for offset, topic in enumerate(TOPICS)
        if topic == "/fast" or index % 10 == 0
    ]


def expected(before: list[Message]) -> Iterator[ExpectedMessage]:
    for each in before:
        topic = each.channel.topic
        yield ExpectedMessage(each, TopicReport(topic, topic, "a/msg/A", False, 0), None, False)


def pairs(before: list[Message], after: list[Message]) -> list[MatchedPair]:
    return list(MessageMatcher(expected(before), after).pairs())


def odd(found: list[MatchedPair]) -> list[tuple[object, object]]:
    """Topic and time of what is not the same on both sides."""
    sides = [(one.message if one else None, other) for one, other in found]
    named = [
        tuple(each and (each.channel.topic, each.log_time_ns) for each in pair) for pair in sides
    ]
    return [(one, other) for one, other in named if one != other]


def test_equal_recordings_pair_up_in_any_order_of_time() -> None:
    before = messages(200)
    assert odd(pairs(before, before)) == []
    by_topic = sorted(before, key=lambda each: each.channel.topic)  # as merging tools write
    assert odd(pairs(by_topic, by_topic)) == []
    assert len(pairs(by_topic, by_topic)) == len(before)


@pytest.mark.parametrize("seed", range(30))
def test_one_thing_that_is_wrong_is_told_alone(seed: int) -> None:
    before = messages(100)
    index = int(np.random.default_rng(seed).integers(len(before)))
    lost = before[index]
    place = lost.channel.topic, lost.log_time_ns
    assert odd(pairs(before, before[:index] + before[index + 1 :])) == [(place, None)]
    assert odd(pairs(before[:index] + before[index + 1 :], before)) == [(None, place)]
    moved = lost._replace(log_time_ns=lost.log_time_ns + 1)
    found = pairs(before, [*before[:index], moved, *before[index + 1 :]])
    assert odd(found) == [(place, (lost.channel.topic, lost.log_time_ns + 1))]


@pytest.mark.parametrize("seed", range(10))
def test_many_things_that_are_wrong_are_told_and_no_more(seed: int) -> None:
    before = messages(300)
    gone = set(np.random.default_rng(seed).choice(len(before), 60, replace=False).tolist())
    found = pairs(before, [each for index, each in enumerate(before) if index not in gone])
    names = [(each.channel.topic, each.log_time_ns) for each in before]
    assert sorted(odd(found), key=str) == sorted(((names[i], None) for i in gone), key=str)


def test_a_topic_that_is_missing_is_not_held_in_memory() -> None:
    """And one of which all times are wrong, neither."""
    size = 2**20
    for after in (
        lambda _: None,
        lambda each: each._replace(log_time_ns=each.log_time_ns + 1),
    ):
        before = (
            message(topic, 10 * index, size if topic == "/image" else 1)
            for index in range(1500)
            for topic in ("/image", "/fast")
        )
        made = (message(topic, 10 * i) for i in range(1500) for topic in ("/image", "/fast"))
        found = (
            changed
            for each in made
            if (changed := after(each) if each.channel.topic == "/image" else each)
        )
        step = MessageMatcher(expected(before), found)  # type: ignore[arg-type]  # a generator will do
        most = wrong = 0
        for one, other in step.pairs():
            most = max(most, step.held_bytes)
            wrong += (other and other.log_time_ns) != (one and one.message.log_time_ns)
        assert 1500 <= wrong < 1600
        assert most < 300 * size
