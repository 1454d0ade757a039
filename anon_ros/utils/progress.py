"""How far a long run is: a bar on a terminal, a line now and then anywhere else."""

import sys
import time
from typing import TextIO

from tqdm import tqdm

_LINE_EVERY_S = 10.0


class ProgressBar:
    """Counts image messages and the persons in them.

    Args:
        total: image messages; less than 0 if unknown.
        phase: what is being done; empty if there is but one thing.
        stream: to write to.
        unit: what is counted.
    """

    def __init__(
        self, total: int, phase: str = "", stream: TextIO = sys.stderr, unit: str = "frame"
    ) -> None:
        self._total = total if total >= 0 else None
        self._phase = phase
        self._stream = stream
        self._unit = unit
        self._bar = tqdm(
            *(None, phase or None, self._total),
            unit=unit,
            file=stream,
            disable=not stream.isatty(),
            smoothing=0.1,
        )
        self._started_s = self._told_s = time.monotonic()
        self.frames = self.persons = self.resumed = self.copied_bytes = 0

    def advance(self, persons: int, *, is_new: bool) -> None:
        """One more is done, now or by an earlier run."""
        self.frames += 1
        self.persons += persons
        self.resumed += not is_new
        if is_new:
            self._bar.set_postfix(persons=self.persons, refresh=False)
            self._bar.update()
        elif self._bar.total is not None:  # it must not look fast
            self._bar.total -= 1
        self._tell()

    def add_bytes(self, data_bytes: int) -> None:
        """A message that is no image was written."""
        self.copied_bytes += data_bytes
        self._tell()

    def close(self) -> None:
        self._bar.close()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def status_text(self) -> str:
        """Where it stands, in words."""
        new, elapsed_s = self.frames - self.resumed, self.elapsed_s
        of = f" of {self._total}" if self._total is not None else ""
        rate_hz = new / elapsed_s if elapsed_s else 0.0
        left = ""
        if self._total is not None and rate_hz:
            left = f", {(self._total - self.frames) / rate_hz:.0f} s left"
        mb = f", {self.copied_bytes / 1e6:.0f} MB copied" if self.copied_bytes else ""
        persons = f", {self.persons} persons" if self._unit == "frame" else ""
        unit = self._unit
        return f"{self.frames}{of} {unit}s{persons}, {rate_hz:.1f} {unit}s/s{mb}{left}"

    def _tell(self) -> None:
        if self._bar.disable and time.monotonic() - self._told_s >= _LINE_EVERY_S:
            self._told_s = time.monotonic()
            phase = f"{self._phase}: " if self._phase else ""
            print(f"anon_ros: {phase}{self.status_text()}", file=self._stream, flush=True)
