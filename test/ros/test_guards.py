"""The answer to "is this drive being recorded safely?"."""

from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image

from helpers.ros_diagnostics import StatusRecorder
from helpers.ros_images import set_stamp
from helpers.ros_streams import MIRRORED, TOPIC, publish_frames

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
SUMMARY = "/anonymizer: recording"
INFO = "/cam/camera_info"


def test_summary_follows_the_drive(
    peer: Any, third_peer: Any, start_sentinel_process: Callable[..., Any]
) -> None:
    statuses = StatusRecorder(peer)
    third_peer.rename("rosbag2_recorder")
    start_sentinel_process(load_s=1, topics__images=f"[{TOPIC}]")
    statuses.wait(SUMMARY, WARN, f"worker: nobody publishes {TOPIC}")
    peer.advertise(TOPIC, Image)
    peer.advertise(INFO, CameraInfo)
    statuses.wait(SUMMARY, WARN, f"to be checked: no recorder subscribes to {MIRRORED}")
    third_peer.record(MIRRORED, Image)
    statuses.wait(SUMMARY, OK, "safe: all mirrored images go to /rosbag2_recorder")
    peer.publish(INFO, set_stamp(CameraInfo(), 0))
    publish_frames(peer, TOPIC)
    third_peer.record(TOPIC, Image)
    statuses.wait(SUMMARY, ERROR, "not safe: the original images go to /rosbag2_recorder")
    third_peer.stop_recording(TOPIC)
    statuses.wait(SUMMARY, OK, "safe")
    peer.stop_advertising(INFO)
    statuses.wait(SUMMARY, WARN, f"nobody publishes {INFO}")
    peer.stop_advertising(TOPIC)
    statuses.wait(SUMMARY, WARN, f"{TOPIC}: nobody publishes it")
