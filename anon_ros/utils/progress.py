"""Progress of long work: a bar on a terminal, a line now and then anywhere else."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")
_LINE_PERIOD_S = 10.0


class ProgressListener(Protocol):
    """Receiver of the progress of long work."""

    def start_phase(self, name: str) -> None:
        """Count from 0 again, towards the same total."""
        ...

    def advance(self, persons: int = 0, *, is_new: bool = True) -> None:
        """Count a finished image, with the persons in it.

        Args:
            persons: in the image.
            is_new: False if an earlier run finished it.
        """
        ...

    def add_bytes(self, data_bytes: int) -> None:
        """Count the bytes of a finished message that is no image."""
        ...


class ProgressBar:
    """A ProgressListener that shows what it is told.

    Args:
        total: things to count; less than 0 if unknown.
        phase: name of the work; empty if there is only one kind.
        stream: to write to.
        unit: counted things, in the plural.
    """

    def __init__(
        self, total: int, phase: str = "", stream: TextIO | None = None, unit: str = "frames"
    ) -> None:
        self._total = total if total >= 0 else None
        self._stream = sys.stderr if stream is None else stream
        self._unit = unit
        self._start(phase)

    def start_phase(self, name: str) -> None:
        """Count from 0 again, towards the same total, on a bar of its own."""
        self.close()
        self._start(name)

    def advance(self, persons: int = 0, *, is_new: bool = True) -> None:
        """Count a finished thing, with the persons in it.

        Args:
            persons: in it.
            is_new: False if an earlier run finished it.
        """
        self.count += 1
        self.persons += persons
        self.resumed += not is_new
        if is_new:
            if self.persons:
                self._bar.set_postfix(persons=self.persons, refresh=False)
            self._bar.update()
        elif self._bar.total is not None:  # or the rate would look too high
            self._bar.total -= 1
        self._print_line()

    def add_bytes(self, data_bytes: int) -> None:
        """Count the bytes of a finished message that is no image."""
        self.copied_bytes += data_bytes
        self._print_line()

    def close(self) -> None:
        """End the bar; what it shows stays on the terminal."""
        self._bar.close()

    def status_text(self) -> str:
        """Return the counts, the rate and the remaining time, as a phrase."""
        new, elapsed_s = self.count - self.resumed, time.monotonic() - self._started_s
        rate_hz = new / elapsed_s if elapsed_s else 0.0
        of_total, remaining = "", ""
        if self._total is not None:
            of_total = f" of {self._total}"
            remaining = f", {(self._total - self.count) / rate_hz:.0f} s left" if rate_hz else ""
        persons = f", {self.persons} persons" if self.persons else ""
        copied = f", {self.copied_bytes / 1e6:.0f} MB copied" if self.copied_bytes else ""
        rate = f"{rate_hz:.1f} {self._unit}/s"
        return f"{self.count}{of_total} {self._unit}{persons}, {rate}{copied}{remaining}"

    def _start(self, phase: str) -> None:
        self._phase = phase
        self._bar = tqdm(
            *(None, phase or None, self._total),
            unit=self._unit,
            file=self._stream,
            disable=not self._stream.isatty(),
            smoothing=0.1,
        )
        self._started_s = self._last_line_s = time.monotonic()
        self.count = self.persons = self.resumed = self.copied_bytes = 0

    def _print_line(self) -> None:
        if self._bar.disable and time.monotonic() - self._last_line_s >= _LINE_PERIOD_S:
            self._last_line_s = time.monotonic()
            phase = f"{self._phase}: " if self._phase else ""
            print(f"anon_ros: {phase}{self.status_text()}", file=self._stream, flush=True)


def track_progress(
    items: Iterable[T], phase: str, total: int | None = None, unit: str = "frames"
) -> Iterator[T]:
    """Yield the items, and show their count.

    Args:
        items: to go through.
        phase: name of the work.
        total: their number, if it is known.
        unit: counted things, in the plural.
    """
    bar = ProgressBar(-1 if total is None else total, phase, unit=unit)
    try:
        for item in items:
            yield item
            bar.advance()
    finally:
        bar.close()
