"""Two recordings side by side: which message of the one became which of the other."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from anon_ros.bags.run_files.journal import ImageRecord
from anon_ros.bags.run_files.report import TopicReport
from anon_ros.bags.storage.records import Message

# How far the input is searched for a message of the output: messages of its topic.
_AHEAD = 8
# What is held at most of the input.
_MOST_BYTES = 256 * 2**20
_MOST_MESSAGES = 20_000
# Messages of one topic in a row that fit nothing.
_MOST_PENDING = 100

TopicKey: TypeAlias = tuple[str, str]
"""Topic and type in the output."""


class ExpectedMessage(NamedTuple):
    """A message of the input that the output must have.

    Attributes:
        message: as recorded.
        kept: what became of its topic.
        row: what masks.db says of an image; None if it says nothing.
        is_optional: it may be among what was lost.
    """

    message: Message
    kept: TopicReport
    row: ImageRecord | None
    is_optional: bool

    @property
    def key(self) -> TopicKey:
        return self.kept.output_topic, self.kept.type_name


MatchedPair: TypeAlias = tuple[ExpectedMessage | None, Message | None]
"""What belongs together; with different log times, if nothing fits better. None: there is none."""


class _Held(NamedTuple):
    number: int
    expected: ExpectedMessage


@dataclass
class MessageMatcher:
    """Walks through both in the order of their files, which is the same, topic by topic.

    Each message of the output is looked for by its log time among those of the input that come
    next. One that is missing, added or moved so spoils nothing behind it. What is held is bounded.

    Attributes:
        expected: of the input.
        output: of the output.
        held_bytes: of the input's messages that wait for theirs.
    """

    expected: Iterator[ExpectedMessage]
    output: Iterable[Message]
    held_bytes: int = 0
    _held: dict[TopicKey, deque[_Held]] = field(default_factory=lambda: defaultdict(deque))
    _pending: dict[TopicKey, list[Message]] = field(default_factory=lambda: defaultdict(list))
    _messages: int = 0
    _read: int = 0
    _reached: int = 0

    def pairs(self) -> Iterator[MatchedPair]:
        for message in self.output:
            key = message.channel.topic, message.channel.type_name
            index = self._search(key, message.log_time_ns)
            if index is None:
                self._pending[key].append(message)
                if len(self._pending[key]) >= _MOST_PENDING:
                    yield from self._flush(key, min(_MOST_PENDING, len(self._held[key])))
            else:
                yield from self._flush(key, index)
                yield self._taken(key), message
            yield from self._flush_passed()
        for key in [*self._held, *self._pending]:
            yield from self._flush(key, len(self._held[key]))
        for expected in self.expected:
            yield expected, None

    def _search(self, key: TopicKey, time_ns: int) -> int | None:
        """Where the message lies among those held, after reading on if need be."""
        held = self._held[key]
        for index, each in enumerate(held):
            if each.expected.message.log_time_ns == time_ns:
                return index
        seen = 0
        while seen < _AHEAD and self.held_bytes < _MOST_BYTES and self._messages < _MOST_MESSAGES:
            expected = next(self.expected, None)
            if expected is None:
                return None
            self._hold(expected)
            if expected.key == key:
                seen += 1
                if expected.message.log_time_ns == time_ns:
                    return len(held) - 1
        return None

    def _hold(self, expected: ExpectedMessage) -> None:
        self._read += 1
        self._messages += 1
        self.held_bytes += len(expected.message.data)
        self._held[expected.key].append(_Held(self._read, expected))

    def _taken(self, key: TopicKey) -> ExpectedMessage:
        number, expected = self._held[key].popleft()
        self._messages -= 1
        self.held_bytes -= len(expected.message.data)
        self._reached = max(self._reached, number)
        return expected

    def _flush(self, key: TopicKey, count: int) -> Iterator[MatchedPair]:
        """The first ``count`` of the input and all pending of the output fit nothing else."""
        pending = self._pending.pop(key, [])
        for _ in range(count):
            yield self._taken(key), pending.pop(0) if pending else None
        for message in pending:
            yield None, message

    def _flush_passed(self) -> Iterator[MatchedPair]:
        """What the output has passed by, when there is too much of it to wait any longer."""
        while self.held_bytes > _MOST_BYTES // 2 or self._messages > _MOST_MESSAGES // 2:
            key = min(
                (key for key, held in self._held.items() if held),
                key=lambda key: self._held[key][0].number,
            )
            if self._held[key][0].number > self._reached:
                return
            yield from self._flush(key, 1)
