"""Match the messages of the output with those of the input."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from anon_ros.bags.run_files.masks_db import ImageRecord
from anon_ros.bags.run_files.topic_report import TopicReport
from anon_ros.bags.storage.records import Message

# The input is read on for a message of the output by so many messages of its topic.
_MAX_LOOKAHEAD = 8
_MAX_HELD_BYTES = 256 * 2**20
_MAX_HELD_MESSAGES = 20_000
# Messages of the output in a row, of one topic, that match nothing.
_MAX_PENDING = 100

TopicKey: TypeAlias = tuple[str, str]
"""Topic and type in the output."""


class ExpectedMessage(NamedTuple):
    """A message of the input that the output must have.

    Attributes:
        message: as recorded.
        topic: report of its topic.
        record: of an image in masks.db; None without it.
        is_optional: it may be among the losses.
    """

    message: Message
    topic: TopicReport
    record: ImageRecord | None
    is_optional: bool

    @property
    def key(self) -> TopicKey:
        """Topic and type in the output."""
        return self.topic.output_topic, self.topic.type_name


MatchedPair: TypeAlias = tuple[ExpectedMessage | None, Message | None]
"""A matched pair; None on one side if the message has no counterpart.

Log times differ if nothing matches better.
"""


class _HeldMessage(NamedTuple):
    number: int
    expected: ExpectedMessage


@dataclass
class MessageMatcher:
    """A walk through two bags in the order of their files, which is the same, topic by topic.

    Each message of the output is searched by its log time among the next ones of the input. So a
    missing, added or moved message spoils no match behind it. The memory is bounded.

    Attributes:
        expected: messages of the input.
        output: messages of the output.
        num_held_bytes: of the messages of the input that wait for their counterparts.
    """

    expected: Iterator[ExpectedMessage]
    output: Iterable[Message]
    num_held_bytes: int = 0
    _held: dict[TopicKey, deque[_HeldMessage]] = field(default_factory=lambda: defaultdict(deque))
    _pending: dict[TopicKey, list[Message]] = field(default_factory=lambda: defaultdict(list))
    _num_held: int = 0
    _num_read: int = 0
    _last_matched: int = 0

    def iter_pairs(self) -> Iterator[MatchedPair]:
        """Iterate over the pairs; every message is in one of them."""
        for message in self.output:
            key = message.channel.topic, message.channel.type_name
            index = self._search(key, message.log_time_ns)
            if index is None:
                self._pending[key].append(message)
                if len(self._pending[key]) >= _MAX_PENDING:
                    yield from self._flush(key, min(_MAX_PENDING, len(self._held[key])))
            else:
                yield from self._flush(key, index)
                yield self._pop(key), message
            yield from self._flush_passed()
        for key in [*self._held, *self._pending]:
            yield from self._flush(key, len(self._held[key]))
        for expected in self.expected:
            yield expected, None

    def _search(self, key: TopicKey, time_ns: int) -> int | None:
        """Return the index of a message among the held ones, after reading on if need be."""
        held = self._held[key]
        for index, message in enumerate(held):
            if message.expected.message.log_time_ns == time_ns:
                return index
        num_candidates = 0
        while num_candidates < _MAX_LOOKAHEAD and not self._is_full:
            expected = next(self.expected, None)
            if expected is None:
                return None
            self._hold(expected)
            if expected.key == key:
                num_candidates += 1
                if expected.message.log_time_ns == time_ns:
                    return len(held) - 1
        return None

    @property
    def _is_full(self) -> bool:
        return self.num_held_bytes >= _MAX_HELD_BYTES or self._num_held >= _MAX_HELD_MESSAGES

    def _hold(self, expected: ExpectedMessage) -> None:
        self._num_read += 1
        self._num_held += 1
        self.num_held_bytes += len(expected.message.data)
        self._held[expected.key].append(_HeldMessage(self._num_read, expected))

    def _pop(self, key: TopicKey) -> ExpectedMessage:
        number, expected = self._held[key].popleft()
        self._num_held -= 1
        self.num_held_bytes -= len(expected.message.data)
        self._last_matched = max(self._last_matched, number)
        return expected

    def _flush(self, key: TopicKey, count: int) -> Iterator[MatchedPair]:
        """Pair the first ``count`` messages of the input with the pending ones of the output.

        They match nothing better.
        """
        pending = self._pending.pop(key, [])
        for _ in range(count):
            yield self._pop(key), pending.pop(0) if pending else None
        for message in pending:
            yield None, message

    def _flush_passed(self) -> Iterator[MatchedPair]:
        """Flush messages that the output has passed, if too many wait."""
        while (
            self.num_held_bytes > _MAX_HELD_BYTES // 2 or self._num_held > _MAX_HELD_MESSAGES // 2
        ):
            key = min(
                (key for key, held in self._held.items() if held),
                key=lambda key: self._held[key][0].number,
            )
            if self._held[key][0].number > self._last_matched:
                return
            yield from self._flush(key, 1)
