"""CameraInfo messages that follow their images."""

import pytest
from sensor_msgs.msg import CameraInfo, Image

from anon_ros.ros.topics.camera_info import CameraInfoPairing


def make_camera_info(message: CameraInfo | Image, second: int) -> CameraInfo | Image:
    message.header.stamp.sec = second
    return message


def list_sent_s(events: str) -> list[int]:
    """Seconds of the infos published.

    "i3" is an info of second 3, "p3" a published image, "j3" a jump of the images' stamps to 3.
    """
    sent: list[CameraInfo | None] = []
    pairing = CameraInfoPairing()
    for event in events.split():
        second = int(event[1:])
        if event[0] == "i":
            sent.append(pairing.on_info(make_camera_info(CameraInfo(), second)))
        elif event[0] == "j":
            pairing.on_jump(second * 10**9)
        else:
            sent.append(pairing.on_image(make_camera_info(Image(), second)))
    return [info.header.stamp.sec for info in sent if info is not None]


@pytest.mark.parametrize(
    ("events", "sent"),
    [
        ("i1 i2 i3 p1 p3", [1, 3]),  # each with its image, those of skipped images never
        ("i1 p1 p2 i2", [1, 2]),  # an info that comes late
        ("i1 p1 p1", [1]),  # once
        ("p1", []),  # a camera without infos
        ("i1 p5 p6 i7 p8", [1, 1, 7]),  # a driver that stamps its infos on its own
        ("i1 p1 i2 p3 i3", [1, 3]),  # once stamps were equal, no other info goes with an image
        ("i1 i2 p1 i9 i1 j1 p1 p2", [1, 1]),  # a loop: what waited is forgotten, the new is not
        ("i1 p1 i9 j1 i1 p1", [1, 1]),  # the same, the image first
    ],
)
def test_camera_info_follows_image(events: str, sent: list[int]) -> None:
    assert list_sent_s(events) == sent


def test_unused_camera_infos_bounded() -> None:
    infos = " ".join(f"i{second}" for second in range(400))
    assert list_sent_s(f"{infos} p399 p0") == [399]
