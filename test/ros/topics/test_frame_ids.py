"""Frame ids of relayed messages, in which a picture may hide."""

from collections.abc import Callable
from typing import Any

import pytest
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu
from std_msgs.msg import Header, String

from anon_ros.errors import TextLengthError
from anon_ros.ros.topics.frame_ids import reject_long_frame_ids, reject_long_header

LONG, LONGEST = "x" * 257, "x" * 256


def make_path(frame_id: str) -> Path:
    return Path(poses=[PoseStamped(), PoseStamped(header=Header(frame_id=frame_id))])


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda text: Imu(header=Header(frame_id=text)), "frame_id"),
        (lambda text: Odometry(child_frame_id=text), "child_frame_id"),
        (make_path, "frame_id"),
    ],
)
def test_long_frame_ids_are_rejected(make: Callable[[str], Any], name: str) -> None:
    reject_long_frame_ids(make(LONGEST))
    with pytest.raises(TextLengthError, match=f"{name} of 257 characters"):
        reject_long_frame_ids(make(LONG))


def test_long_header_is_rejected_unread() -> None:
    """Of a large message only the head is read."""
    for text in ("", "map", LONGEST):
        grid = OccupancyGrid(header=Header(frame_id=text), data=[0] * 100)
        reject_long_header(OccupancyGrid, serialize_message(grid))
    grid.header.frame_id = LONG
    with pytest.raises(TextLengthError, match="frame_id of 257 characters"):
        reject_long_header(OccupancyGrid, serialize_message(grid))
    reject_long_header(String, serialize_message(String(data=LONG)))
    reject_long_header(OccupancyGrid, b"\0\1\0\0")


def test_relay_sends_no_long_frame_id(
    peer: Any, start_live_node: Callable[..., Any], wait_for_log: Callable[..., bool]
) -> None:
    peer.advertise("/imu", Imu)
    peer.record("/anon/imu", Imu)
    start_live_node(topics__images=["/cam/image_raw"], topics__passthrough=["/imu"])
    assert peer.spin_until(peer.is_connected)
    for text in (LONG, LONGEST):
        for _ in range(3):
            peer.publish("/imu", Imu(header=Header(frame_id=text)))
            peer.spin(0.2)
    assert wait_for_log("/imu: not relayed", "frame_id of 257 characters")
    assert peer.spin_until(lambda: peer.received["/anon/imu"])
    assert {message.header.frame_id for message in peer.received["/anon/imu"]} == {LONGEST}
