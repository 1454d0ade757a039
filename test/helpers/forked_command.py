"""The command ``anon_ros`` in a process that starts at once: what it imports is there already."""

import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path

from helpers import cli_driver

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["anon_ros.cli.bag", "ultralytics.trackers.byte_tracker"])


class ForkedCommand:
    """A command with the fake models of ``cli_driver``; a part of subprocess.Popen's interface.

    Args:
        words: its command line.
        environment: variables that ``cli_driver`` reads.
        log: file for what it writes to stderr.
        max_file_bytes: no file may grow beyond that; None for no limit.
    """

    def __init__(
        self,
        words: list[str],
        environment: dict[str, str],
        log: Path,
        max_file_bytes: int | None = None,
    ) -> None:
        self._log = log
        self._process = _CONTEXT.Process(
            target=_run, args=(words, environment, log, max_file_bytes)
        )
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code; minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def communicate(self, timeout: float = 200) -> tuple[None, str]:
        """Wait for its end and return nothing of stdout, and stderr."""
        self._process.join(timeout)
        assert self.returncode is not None, "it still runs"
        return None, self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def kill(self) -> None:
        self._process.kill()

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself by SIGSTOP (proc_pid_stat(5))."""
        stat = Path(f"/proc/{self._process.pid}/stat")
        while stat.read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
            assert self.returncode is None, "it ended"
            time.sleep(0.01)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)


def _run(
    words: list[str], environment: dict[str, str], log: Path, max_file_bytes: int | None
) -> None:
    os.environ.update(environment)
    with log.open("w", encoding="utf-8") as stderr, Path(os.devnull).open("w") as stdout:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
        os.dup2(stdout.fileno(), sys.stdout.fileno())
    if max_file_bytes is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
    sys.argv = ["anon_ros", *words]
    sys.exit(cli_driver.run())
