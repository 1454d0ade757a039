"""What a recording holds, looked at before anything is decided."""

from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard

from anon_ros.bags.messages import DESERIALIZED_TYPES
from anon_ros.bags.plan.topic_plan import (
    NUM_SAMPLES,
    TopicAction,
    TopicPlan,
    TopicRules,
    plan_topics,
)
from anon_ros.bags.storage.bag import Bag
from anon_ros.bags.storage.records import MAX_TIME_NS, Channel, DamageLog
from anon_ros.utils.units import NS_PER_S


@dataclass(frozen=True)
class BagPlan:
    """The plan, and the part of the recording that it is for.

    Attributes:
        topics: of all topics.
        channels: of the topics that are not dropped, the first of each name.
        start_ns: first log time that is taken over.
        stop_ns: first log time that is not any more.
        num_images: image messages to anonymize, or -1 if only a part of the recording is taken.
    """

    topics: TopicPlan
    channels: tuple[Channel, ...]
    start_ns: int
    stop_ns: int
    num_images: int


def inspect_bag(  # noqa: PLR0913 - the flags of the command
    bag: Bag, wishes: TopicRules, start_s: float, duration_s: float, *, salvage: bool, scratch: Path
) -> BagPlan:
    """Look into every file and plan.

    Args:
        bag: the recording.
        wishes: of the user.
        start_s: from the beginning of the recording, s.
        duration_s: from there, s; 0 for all of it.
        salvage: go on where something is damaged.
        scratch: folder in which files may be decompressed for the moment.

    Raises:
        BagError: if a wish cannot be followed.
        BagDamageError: if a file is damaged so that it cannot be opened.
        OSError: if a file cannot be read.
    """
    counts: Counter[Channel] = Counter()
    samples: dict[Channel, list[bytes]] = {}
    attachments: list[tuple[str, str]] = []
    first_ns = MAX_TIME_NS
    for file in bag.files:
        with ExitStack() as stack:
            folder = scratch
            if bag.needs_scratch:
                unpacked_to = TemporaryDirectory(dir=scratch, prefix=".anon_ros-")
                folder = Path(stack.enter_context(unpacked_to))
            opened = stack.enter_context(
                closing(bag.open(file, DamageLog(salvage=salvage), folder))
            )
            for channel in opened.channels:
                counts[channel] += opened.message_counts.get(channel.id, 0)
                if channel.type_name in DESERIALIZED_TYPES and not samples.get(channel):
                    found = opened.read_samples(channel, NUM_SAMPLES)
                    samples[channel] = [decompress(bag, data) for data in found]
            attachments += opened.attachments
            first_ns = min(first_ns, opened.start_ns)
    plan = plan_topics(counts, samples, attachments, wishes)
    kept: dict[str, Channel] = {}
    for channel in counts:
        entry = plan.get(channel.topic, channel.type_name)
        if entry is not None and entry.decision is not TopicAction.DROP:
            kept.setdefault(channel.topic, channel)
    start_ns, stop_ns = 0, MAX_TIME_NS
    if start_s:
        start_ns = min(first_ns + _ns(start_s), MAX_TIME_NS)
    if duration_s:
        stop_ns = min(max(start_ns, first_ns) + _ns(duration_s), MAX_TIME_NS)
    frames = sum(e.count for e in plan.entries if e.decision is TopicAction.ANONYMIZE)
    is_part = start_s or duration_s
    return BagPlan(plan, tuple(kept.values()), start_ns, stop_ns, -1 if is_part else frames)


def _ns(duration_s: float) -> int:
    return round(min(duration_s * NS_PER_S, MAX_TIME_NS))


def decompress(bag: Bag, data: bytes) -> bytes:
    """A message's data, decompressed if the bag is compressed by message; damaged as it is."""
    if bag.compression != "message":
        return data
    try:
        return decompress_message(data)
    except ValueError:
        return b""


def decompress_message(data: bytes) -> bytes:
    """Decompress one message.

    Raises:
        ValueError: if it is damaged.
    """
    packed = zstandard.ZstdDecompressor().decompressobj()
    try:
        plain = packed.decompress(data)
    except zstandard.ZstdError as error:
        message = f"cannot be decompressed: {error}"
        raise ValueError(message) from error
    if not packed.eof:
        message = "cannot be decompressed: it is cut off"
        raise ValueError(message)
    return plain
