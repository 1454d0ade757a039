"""Stand-in for ``ros2 bag record``: it makes the bag, and writes its metadata when it is ended.

Only its process matters to the tests: it records nothing. As a program it is ``ros2``: all other
verbs go to the real one, ``$REAL_ROS2``.
"""

import os
import signal
import sys
import time
from pathlib import Path


def record(arguments: list[str]) -> int:
    """Run until SIGINT, or until ``$RECORDER_ENDS_AFTER_S`` with code 3 as without space."""
    stopped: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    bag = Path(arguments[arguments.index("-o") + 1])
    bag.mkdir()
    (bag / "command").write_text("\n".join(arguments), encoding="utf-8")
    profile = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE", "")
    (bag / "dds_profile").write_text(profile, encoding="utf-8")
    ends_s = time.monotonic() + float(os.environ.get("RECORDER_ENDS_AFTER_S", "inf"))
    while not stopped:
        if time.monotonic() > ends_s:
            return 3
        time.sleep(0.02)
    time.sleep(float(os.environ.get("RECORDER_FLUSHES_FOR_S", "0")))
    (bag / "metadata.yaml").write_text("", encoding="utf-8")
    return 0


if __name__ == "__main__":
    if sys.argv[1:3] == ["bag", "record"]:
        sys.exit(record(sys.argv[3:]))
    real = os.environ["REAL_ROS2"]
    os.execv(real, [real, *sys.argv[1:]])  # noqa: S606 - the program that it stands for
