"""Work on the persons of a frame side by side: OpenCV and NumPy free the interpreter meanwhile."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
# Four also bounds the memory of persons who fill large images.
_MAX_WORKERS = 4


def map_persons(work: Callable[..., T], *columns: Iterable[Any]) -> list[T]:
    """Return ``work`` of each person, in their order; the error of the first one that fails.

    Args:
        work: must not change what others read, nor call this function.
        columns: its arguments, one of each per person.
    """
    rows = list(zip(*columns, strict=True))
    if len(rows) <= 1:
        return [work(*row) for row in rows]
    return list(_make_pool().map(lambda row: work(*row), rows))


@cache
def _make_pool() -> ThreadPoolExecutor:
    workers = min(os.cpu_count() or 1, _MAX_WORKERS)
    return ThreadPoolExecutor(workers, thread_name_prefix="persons")


os.register_at_fork(after_in_child=_make_pool.cache_clear)  # a child has none of its threads
