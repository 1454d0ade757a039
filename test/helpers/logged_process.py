"""A process whose output a test waits for."""

import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class LoggedProcess:
    """A process with its output, errors included, in ``log``.

    Args:
        name: for messages of failed assertions.
        command: program and arguments.
        environment: all variables.
        folder: to start in; None for this process's.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        self._name = name
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.log += line

    def wait_for(self, text: str, timeout_s: float = 120) -> None:
        deadline_s = time.monotonic() + timeout_s
        while text not in self.log:
            assert self._process.poll() is None, f"{self._name} ended:\n{self.log}"
            assert time.monotonic() < deadline_s, f"no {text!r} in:\n{self.log}"
            time.sleep(0.05)
