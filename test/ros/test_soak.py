"""Mixed streams with faults in every stage; ``make soak`` lets it run for 20 minutes."""

import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import SetBool

from anon_ros.ros.topics.image_messages import decode_message
from helpers.fake_models import find_sentinel_pixels, make_street_image
from helpers.node_log import parse_frame_counts
from helpers.paths import HELPERS
from helpers.ros_images import make_bayer_message, make_jpeg_message, make_raw_message

DURATION_S = float(os.environ.get("SOAK_S", "25"))
PERIOD_S = 0.1
SEED = int(os.environ.get("SOAK_SEED", "0"))
STREAMS = {
    "/front/image_raw": (Image, make_raw_message, (320, 240)),
    "/left/image_raw/compressed": (CompressedImage, make_jpeg_message, (256, 192)),
    "/rear/image_raw": (Image, make_bayer_message, (400, 304)),
}
ARGUMENTS = {
    "topics.images": f"[{', '.join(STREAMS)}]",
    "inpaint.method": "fill",
    "fail.max_consecutive": "0",
}


@pytest.fixture
def faulty_node(dds_domain: int, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    words = [word for name, value in ARGUMENTS.items() for word in ("-p", f"{name}:={value}")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "helpers.faulty_node", str(SEED), "--ros-args", *words],
            env=os.environ | {"ROS_DOMAIN_ID": str(dds_domain), "PYTHONPATH": str(HELPERS)},
            stdout=log,
            stderr=log,
        )
        yield process
        process.kill()
        process.wait()


def read_memory_mb(process: "subprocess.Popen[bytes]") -> float:
    """Resident, without what is mapped from files and shared (proc_pid_status(5))."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / 1024


def make_damaged_message(message: Any, chance: random.Random) -> Any:
    """Damage a message as a broken camera, driver or network may."""
    fault = chance.choice(["cut", "encoding", "empty", "huge"])
    if fault == "cut":
        message.data = message.data[: len(message.data) // 2]
    elif fault == "empty":
        message.data = message.data[:0]
    elif isinstance(message, CompressedImage):
        message.format = "bgr8; compressedDepth"
    elif fault == "encoding":
        message.encoding = "32FC1"
    else:
        message.height = 2**31
    return message


def change_at_random(peer: Any, chance: random.Random) -> None:
    """Do what an operator may do meanwhile."""
    what = chance.choice(["skip", "confidence", "disable", "enable", "enable", "enable"])
    if what in {"disable", "enable"}:
        peer.call("/anonymizer/enable", SetBool, SetBool.Request(data=what == "enable"))
        return
    value = Parameter("skip.on_skipped", value=chance.choice(["drop", "cover"]))
    if what == "confidence":
        value = Parameter("detect.confidence", value=chance.uniform(0.01, 0.1))
    request = SetParameters.Request(parameters=[value.to_parameter_msg()])
    (result,) = peer.call("/anonymizer/set_parameters", SetParameters, request).results
    assert result.successful, result.reason


def count_safe_frames(peer: Any) -> Counter[str]:
    """Count the mirrored frames that came, none of which may show anybody."""
    counts: Counter[str] = Counter()
    for topic in STREAMS:
        received = peer.received[f"/anon{topic}"]
        assert not any(
            find_sentinel_pixels(decode_message(message)).any() for message in received
        ), topic
        counts[topic] += len(received)
        received.clear()
    return counts


@pytest.mark.timeout(DURATION_S + 120)
def test_node_never_leaks(
    peer: Any, faulty_node: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - nothing secret
    for topic, (message_type, _, _) in STREAMS.items():
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type)
    assert peer.spin_until(peer.is_connected)
    images = {
        topic: [make_street_image(*size, seed) for seed in range(4)]
        for topic, (_, _, size) in STREAMS.items()
    }
    sent: Counter[str] = Counter()
    mirrored: Counter[str] = Counter()
    memory: list[float] = []
    started_s = time.monotonic()
    while (passed_s := time.monotonic() - started_s) < DURATION_S:
        for topic, (_, make, _) in STREAMS.items():
            message = make(chance.choice(images[topic]), sent[topic])
            if chance.random() < 0.05:
                message = make_damaged_message(message, chance)
            peer.publish(topic, message)
            sent[topic] += 1
        if chance.random() < 0.02:
            change_at_random(peer, chance)
        peer.spin(PERIOD_S)
        mirrored += count_safe_frames(peer)
        if passed_s > DURATION_S / 5:
            memory.append(read_memory_mb(faulty_node))
        assert faulty_node.poll() is None
    peer.spin(1)
    mirrored += count_safe_frames(peer)
    faulty_node.send_signal(signal.SIGINT)
    assert faulty_node.wait() == 0

    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Traceback" not in log
    total: Counter[str] = Counter()
    for topic in STREAMS:
        counts = parse_frame_counts(log, topic)
        total.update(counts)
        assert counts.pop("received") == sum(counts.values())
        assert 0.9 * sent[topic] <= sum(counts.values()) <= sent[topic]
        # What failed while it was published may be missing; nothing more may have come.
        assert mirrored[topic] == counts["processed"]
        assert min(counts["processed"], counts["failed"]) > 0
    third = len(memory) // 3
    early, late = statistics.median(memory[:third]), statistics.median(memory[-third:])
    print(f"{dict(total)}; memory {early:.1f} MB, then {late:.1f} MB")  # noqa: T201 - for make soak
    assert late < 1.05 * early
