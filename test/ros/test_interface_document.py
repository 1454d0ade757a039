"""docs/ros_interface.md against what the node really has."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image, Imu

from anon_ros.core import InpaintFailure, RgbImage
from helpers.fake_models import NoiseInpainter, SentinelModelProvider
from helpers.paths import ROOT
from helpers.ros_images import set_stamp
from helpers.ros_streams import MIRRORED, TOPIC, publish_frames

INFO, IMU = "/cam/camera_info", "/car/imu"
OWN_WORDS = {
    f"/anon{IMU}": "PREFIX/ + each of topics.passthrough",
    f"/anon{INFO}": "PREFIX/.../camera_info",
    IMU: "each of topics.passthrough",
    INFO: "camera_info beside CAMERA",
}
FALLBACK = "out of GPU memory for 8 persons: 4 at once"


class FailingInpainter(NoiseInpainter):
    def inpaint(self, crops: Any) -> list[RgbImage | InpaintFailure]:
        return [InpaintFailure("injected") for _ in crops]


def read_section(title: str) -> dict[str, str]:
    """The names in the first cells of the tables below a headline, with their rows."""
    page = (ROOT / "docs/ros_interface.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^#+ {title}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (`.*?|camera_info.*?|each of.*?) \|(.*)$", section, re.MULTILINE)
    return {name: row for cell, row in rows for name in cell.replace("`", "").split(", ")}


def shorten(name: str) -> str:
    """Return a name as the page has it."""
    if name in OWN_WORDS:
        return OWN_WORDS[name]
    name = name.replace("/anonymizer/", "~/")
    return name.replace(MIRRORED, "PREFIX/CAMERA").replace(TOPIC, "CAMERA")


def assert_documented(title: str, names: set[str]) -> None:
    """Every name has its row; a row may be for other installations and configurations."""
    rows = read_section(title)
    assert names <= rows.keys(), names - rows.keys()
    optional = {name for name, row in rows.items() if "only where" in row or "with `" in row}
    assert rows.keys() - names <= optional, rows.keys() - names - optional


@pytest.fixture
def node(peer: Any, start_live_node: Callable[..., Any]) -> Any:
    """The node with all that it has, and a frame whose person could not be drawn."""
    for topic, message_type in ((TOPIC, Image), (INFO, CameraInfo), (IMU, Imu)):
        peer.advertise(topic, message_type)
        peer.record(f"/anon{topic}", message_type)
    peer.record("/diagnostics", DiagnosticArray)
    models = SentinelModelProvider(
        inpainter=FailingInpainter(), gpu_memory_bytes=(1, 2), fallbacks={FALLBACK: 1}
    )
    topics = {"topics__images": [TOPIC], "topics__passthrough": [IMU]}
    node = start_live_node(models, **topics, inpaint__min_person_px=0)
    assert peer.spin_until(peer.is_connected)
    peer.publish(INFO, set_stamp(CameraInfo(), 0))
    publish_frames(peer, TOPIC)
    assert peer.spin_until(lambda: len(peer.received[MIRRORED]) > 1)
    peer.received["/diagnostics"].clear()
    assert peer.spin_until(lambda: bool(peer.received["/diagnostics"]))
    return node


def test_page_lists_all_that_the_node_has(peer: Any, node: Any) -> None:
    graph, name = peer._node, ("anonymizer", "/")  # noqa: SLF001 - the graph
    for title, pairs in (
        ("Published topics", graph.get_publisher_names_and_types_by_node(*name)),
        ("Subscribed topics", graph.get_subscriber_names_and_types_by_node(*name)),
        ("Services", graph.get_service_names_and_types_by_node(*name)),
    ):
        assert_documented(title, {shorten(topic) for topic, _ in pairs})
    documented = re.findall(r"`([\w.]+)`", " ".join(read_section("Names").values()))
    assert set(documented) == set(node.node.list_parameters([], 0).names)
    statuses = peer.received["/diagnostics"][-1].status
    names = {
        status.name.removeprefix("/anonymizer: ").replace(TOPIC, "CAMERA") for status in statuses
    }
    assert_documented("Statuses", names)
    keys = {value.key for status in statuses for value in status.values}
    worker = {re.sub(r"^(?!latency)\w+(?= p\d\d \[ms\])", "STAGE", key) for key in keys}
    words = {re.sub(r"(?<=^persons covered: ).*", "REASON", key) for key in worker}
    assert_documented("Keys", {"FALLBACK" if word == FALLBACK else word for word in words})
