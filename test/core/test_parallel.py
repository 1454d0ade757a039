"""Work on the persons of a frame side by side."""

import os
import threading
import time

import pytest

from anon_ros.core.parallel import map_persons


def test_results_in_order_of_persons() -> None:
    def wait(seconds: float, name: str) -> str:
        time.sleep(seconds)
        return name

    assert map_persons(wait, [0.05, 0.0, 0.02], ["a", "b", "c"]) == ["a", "b", "c"]
    assert map_persons(wait, [], []) == []


def test_error_of_first_person_that_fails() -> None:
    def fail(index: int) -> int:
        time.sleep(0.05 - 0.01 * index)
        if index:
            message = f"person {index}"
            raise ValueError(message)
        return index

    with pytest.raises(ValueError, match="person 1"):
        map_persons(fail, range(4))


def test_no_person_is_dropped_with_columns_of_other_lengths() -> None:
    with pytest.raises(ValueError, match="shorter"):
        map_persons(max, [1, 2], [1])


def test_one_person_needs_no_other_thread() -> None:
    assert map_persons(lambda _: threading.get_ident(), [0]) == [threading.get_ident()]


def test_works_in_forked_process() -> None:
    assert map_persons(abs, [-1, 2]) == [1, 2]  # starts the threads, which a child lacks
    child = os.fork()
    if child == 0:
        os._exit(0 if map_persons(abs, [-1, 2]) == [1, 2] else 1)
    deadline = time.monotonic() + 120
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended[0] == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended == (child, 0)
