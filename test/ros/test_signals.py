"""Signals at any moment, and what is left in shared memory."""

import signal
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("moment", ["at once", "importing", "loading", "idle"])
def test_signals_leave_nothing(start_sentinel_process: Callable[..., Any], moment: str) -> None:
    """SIGTERM and SIGINT in turn, until Python has ended."""
    node = start_sentinel_process(load_s=60 if moment == "loading" else 0)
    node.wait_for_handlers()
    if moment == "importing":
        time.sleep(0.4)
    elif moment != "at once":
        node.wait_for("loading models" if moment == "loading" else "models loaded")
        time.sleep(0.2)
    opened: set[str] = set()
    for number in cycle([signal.SIGTERM, signal.SIGINT]):
        opened |= node.list_shared_memory()
        if not node.is_running:
            break
        node.signal(number)
        time.sleep(0.005)
    assert node.wait() == 0, node.log
    assert "Traceback" not in node.log
    assert [path for path in opened if Path(path).exists()] == []
    assert opened or moment in {"at once", "importing"}


def test_wrong_parameter_leaves_nothing(start_sentinel_process: Callable[..., Any]) -> None:
    node = start_sentinel_process(inpaint__beta_d="7.0")
    opened: set[str] = set()
    while node.is_running:
        opened |= node.list_shared_memory()
        time.sleep(0.005)
    assert node.wait() == 1
    assert opened
    assert [path for path in opened if Path(path).exists()] == []
