"""How far a loop is: a bar on a terminal, a line now and then anywhere else."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
_LINE_EVERY_S = 10.0


def track_progress(
    items: Iterable[T], doing: str, total: int | None = None, unit: str = "frames"
) -> Iterator[T]:
    """The items, while it is shown how many have been given.

    Args:
        items: to go through.
        doing: what is done with them.
        total: how many there are, if that is known.
        unit: what they are, in the plural.
    """
    told_s = time.monotonic()
    for count, item in enumerate(tqdm(items, doing, total, unit=unit, disable=None), start=1):
        yield item
        if not sys.stderr.isatty() and time.monotonic() - told_s >= _LINE_EVERY_S:
            told_s = time.monotonic()
            of = f" of {total}" if total else ""
            print(f"anon_ros: {doing}: {count}{of} {unit}", file=sys.stderr, flush=True)
