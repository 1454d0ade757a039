"""The node as a process that has no Ultralytics."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sensor_msgs.msg import Image

from anon_ros.core import RgbImage
from helpers.detectors import load_segmenter, save_person_finder
from helpers.paths import WITHOUT_ULTRALYTICS
from helpers.ros_images import make_raw_message


def test_node_needs_no_ultralytics(
    peer: Any,
    start_node_process: Callable[..., Any],
    vtest_rgb: dict[str, RgbImage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = np.ascontiguousarray(vtest_rgb["vtest0120"][100:340, 200:520])
    weights = save_person_finder(tmp_path, image, 3, 96)
    mask = load_segmenter(weights, inference_px=96).segment(image).masks.any(axis=0)
    folders = (str(WITHOUT_ULTRALYTICS), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    topic = "/cam/image_raw"
    peer.advertise(topic, Image)
    peer.record(f"/anon{topic}", Image)
    options = {"detect__weights": weights, "detect__inference_px": "96", "inpaint__method": "fill"}
    node = start_node_process(topics__images=f"[{topic}]", **options)
    node.wait_for("models loaded")
    assert peer.spin_until(peer.is_connected)
    sent, received = make_raw_message(image, 0), peer.received[f"/anon{topic}"]
    for _ in range(30):
        peer.publish(topic, sent)
        peer.spin(0.1)
    assert peer.spin_until(lambda: received)
    node.signal(signal.SIGINT)
    assert node.wait() == 0
    before, after = (np.frombuffer(m.data, np.uint8) for m in (sent, received[0]))
    changed = (before != after).reshape(sent.height, sent.step)[:, : 3 * sent.width]
    assert changed.reshape(*mask.shape, 3).any(axis=2)[mask].mean() > 0.9
