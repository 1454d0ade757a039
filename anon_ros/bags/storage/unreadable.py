"""Reader of a storage file that cannot be opened."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from anon_ros.bags.storage.records import (
    MAX_TIME_NS,
    Channel,
    DamageLog,
    MetadataRecord,
    PrivateRecord,
    Record,
)


class UnreadableFile:
    """StorageReader of a file that is lost as a whole: it has nothing."""

    channels: Sequence[Channel] = ()
    message_counts: Mapping[int, int] = {}
    start_ns, end_ns = MAX_TIME_NS, 0
    attachments: Sequence[tuple[str, str]] = ()
    compression = ""

    def __init__(self, path: Path) -> None:
        """Remember ``path``."""
        self.path = path

    def records(self, losses: DamageLog, start_ns: int, stop_ns: int) -> Iterator[Record]:  # noqa: ARG002 - the protocol's
        """Read nothing."""
        return iter(())

    def iter_extras(self) -> Iterator[MetadataRecord | PrivateRecord]:
        """Read nothing: the storage has no such records."""
        return iter(())

    def read_samples(self, channels: Collection[Channel], count: int) -> dict[int, list[bytes]]:  # noqa: ARG002 - the protocol's
        """Read nothing."""
        return {}

    def close(self) -> None:
        """Close nothing."""
