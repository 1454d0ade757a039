"""Work that runs ahead in a thread of its own."""

from collections.abc import Generator, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_PATIENCE_S = 5.0


class _Failed:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetcher(Generic[T]):
    """Iterates over ``items``, which a thread computes up to ``depth`` of them in advance.

    What that thread raises is raised here. A context manager: on leaving, the thread ends.
    """

    def __init__(
        self,
        items: Generator[T, None, None],
        depth: int,
        name: str,
        source: "Prefetcher[Any] | None" = None,
    ) -> None:
        """Prepare; nothing runs before it is entered.

        Args:
            items: computed in the thread.
            depth: most of them that wait.
            name: of the thread.
            source: that ``items`` takes from, and that is to end with this one.
        """
        self._items = items
        self._upstream = source
        self._ready: Queue[T | _Failed] = Queue(depth)
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> "Prefetcher[T]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self, self._upstream):
            if each is not None:
                each._stop.set()  # noqa: SLF001 - of this class
        self._thread.join(_PATIENCE_S)  # what it still does is of no use to anybody

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self._ready.get(timeout=0.1)
            except Empty:
                if self._stop.is_set():
                    return
                continue
            if isinstance(item, _Failed):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_Failed(None))
        except BaseException as error:  # noqa: BLE001 - raised again where the items are wanted
            self._put(_Failed(error))
        finally:
            self._items.close()

    def _put(self, item: T | _Failed) -> bool:
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except Full:
                continue
            return True
        return False
