"""Locks between processes: the workers of a test run, and runs beside each other."""

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DOMAINS = range(1, 102)  # beyond these, DDS would use ports that Linux hands out itself


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Wait for a lock file, and hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def claim_dds_domain() -> Iterator[int]:
    """Yield a DDS domain that no other test on this machine uses meanwhile."""
    folder = Path(tempfile.gettempdir()) / f"anon_ros_dds_domains.{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for domain in random.sample(_DOMAINS, len(_DOMAINS)):
        with (folder / str(domain)).open("w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    message = f"all DDS domains are in use, says {folder}"
    raise RuntimeError(message)
