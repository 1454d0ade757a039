"""Iteration with a background thread that computes the next items in advance."""

from collections.abc import Generator, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_JOIN_TIMEOUT_S = 5.0


class _End:
    """End of the items, with the error that caused it; None if they ran out."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetcher(Generic[T]):
    """Iterator over ``items`` that a thread computes, up to ``depth`` of them in advance.

    An error in that thread is raised here. A context manager: on leaving, the thread ends.
    """

    def __init__(
        self,
        items: Generator[T, None, None],
        depth: int,
        name: str,
        source: "Prefetcher[Any] | None" = None,
    ) -> None:
        """Prepare the thread; it starts when the context is entered.

        Args:
            items: computed in the thread.
            depth: max number of items that wait.
            name: of the thread.
            source: prefetcher that ``items`` reads from; it stops together with this one.
        """
        self._items = items
        self._source = source
        self._ready: Queue[T | _End] = Queue(depth)
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> "Prefetcher[T]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._source is not None:
            self._source._stop.set()  # noqa: SLF001 - of this class
        self._thread.join(_JOIN_TIMEOUT_S)  # no more items are needed

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self._ready.get(timeout=0.1)
            except Empty:
                if self._stop.is_set():
                    return
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_End(None))
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            self._put(_End(error))
        finally:
            self._items.close()

    def _put(self, item: T | _End) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False
