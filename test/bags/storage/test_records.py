"""Losses name their message or place, and end a run that is not to be salvaged."""

from pathlib import Path

import pytest

from anon_ros.bags.storage.records import Channel, DamageLog, Loss, Message
from anon_ros.errors import BagDamageError

FILE = Path("/data/run/run_0.mcap")
CHANNEL = Channel(1, "/camera/image", "sensor_msgs/msg/Image", "cdr")
MESSAGE = Message(CHANNEL, 123, b"", 123, 0)


def test_loss_of_message_names_topic_and_time() -> None:
    loss = Loss.of_message(FILE, MESSAGE, "JPEG is cut short")
    assert loss == Loss("run_0.mcap", "/camera/image", 123, "JPEG is cut short")
    assert str(loss) == "run_0.mcap, /camera/image at 123 ns: JPEG is cut short"


def test_loss_of_place_has_no_message() -> None:
    loss = Loss.of_place(FILE, "byte 8", "bad chunk")
    assert (loss.topic, loss.log_time_ns) == ("", None)
    assert str(loss) == "/data/run/run_0.mcap, byte 8: bad chunk"


def test_damage_log_raises_without_salvage() -> None:
    log = DamageLog()
    with pytest.raises(BagDamageError, match=r"byte 8: bad chunk; --salvage leaves it out"):
        log.record(Loss.of_place(FILE, "byte 8", "bad chunk"))
    assert not log.losses


def test_damage_log_counts_beyond_its_limit() -> None:
    log = DamageLog(salvage=True)
    for number in range(1001):
        log.record(Loss.of_place(FILE, f"byte {number}", "bad chunk"))
    assert (log.count, len(log.losses)) == (1001, 1000)
