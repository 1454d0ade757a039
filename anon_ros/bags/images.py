"""The images of a recording, for who wants nothing else of it."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from anon_ros.bags.bag import Bag
from anon_ros.bags.frames import read_frame
from anon_ros.bags.plan import Decision, Wishes
from anon_ros.bags.records import MAX_TIME_NS, Channel, Losses, Message
from anon_ros.bags.survey import plain_data, survey
from anon_ros.core import RgbImage
from anon_ros.errors import BagError


class RecordedImage(NamedTuple):
    """One image message, decoded.

    Attributes:
        topic: it was recorded on.
        log_time_ns: when.
        image: (H, W, 3) uint8 RGB.
    """

    topic: str
    log_time_ns: int
    image: RgbImage


def read_images(bag: Bag, topics: Collection[str], scratch: Path) -> Iterator[RecordedImage]:
    """Every image that ``anon_ros bag`` would anonymize, in the order of the recording.

    Args:
        bag: the recording.
        topics: of these alone; empty for all.
        scratch: folder in which files may be decompressed for the moment.

    Raises:
        BagError: if there are none, or a topic has none.
        BagDamageError: at a damaged place.
        ImageFormatError: if one cannot be decoded.
        OSError: if a file cannot be read.
    """
    plan = survey(bag, Wishes(), 0, 0, salvage=False, scratch=scratch).plan
    found = {entry.topic for entry in plan.entries if entry.decision is Decision.ANONYMIZE}
    if missing := sorted(set(topics) - found) or ([] if found else ["image"]):
        message = f"{bag.path}: no images on {', '.join(missing)}; it has {sorted(found)}"
        raise BagError(message)
    wanted = set(topics) or found

    def is_wanted(channel: Channel) -> bool:
        entry = plan.entry_of(channel.topic, channel.type_name)
        is_image = entry is not None and entry.decision is Decision.ANONYMIZE
        return is_image and channel.topic in wanted

    for file in bag.files:
        with ExitStack() as stack:
            unpacked_to = stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".anon_ros-"))
            opened = stack.enter_context(closing(bag.open(file, Losses(), Path(unpacked_to))))
            for record in opened.records(Losses(), 0, MAX_TIME_NS):
                if isinstance(record, Message) and is_wanted(record.channel):
                    frame = read_frame(record.channel, plain_data(bag, record.data))
                    yield RecordedImage(record.channel.topic, record.log_time_ns, frame.decode())
