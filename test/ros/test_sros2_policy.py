"""The SROS2 policy: as its schema wants it, enough for the node, and the cameras for it alone."""

from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from helpers.paths import ROOT

POLICY = ET.parse(ROOT / "config/sros2_policy.xml").getroot()  # noqa: S314 - our own file
# By sros2's policy.xsd: element, its attributes, and what may lie in it.
RULES: dict[str, tuple[set[str], set[str]]] = {
    "policy": ({"version"}, {"enclaves"}),
    "enclaves": (set(), {"enclave"}),
    "enclave": ({"path"}, {"profiles"}),
    "profiles": (set(), {"profile"}),
    "profile": ({"ns", "node"}, {"topics", "services"}),
    "topics": (set(), {"topic"}),
    "services": (set(), {"service"}),
    "topic": (set(), set()),
    "service": (set(), set()),
}
ACTIONS = {"topics": {"publish", "subscribe"}, "services": {"reply", "request"}}
CAMERA = ["/camera/image_raw", "/camera/image_raw/compressed", "/camera/camera_info"]


def list_allowed(enclave: str, action: str) -> Iterator[str]:
    """Yield the full names, with *, that an enclave's node may publish, subscribe and so on."""
    for profile in POLICY.findall(f".//enclave[@path='{enclave}']/profiles/profile"):
        own = f"{profile.get('ns').rstrip('/')}/{profile.get('node')}"
        for group in profile:
            if group.get(action) == "ALLOW":
                yield from (f"{own}{e.text[1:]}" if e.text[0] == "~" else e.text for e in group)


def is_allowed(enclave: str, action: str, name: str) -> bool:
    """Compare as DDS Security does: * also stands for /."""
    return any(fnmatchcase(name, pattern) for pattern in list_allowed(enclave, action))


def test_policy_follows_its_schema() -> None:
    assert POLICY.tag == "policy"
    assert POLICY.get("version") == "0.2.0"
    for element in POLICY.iter():
        attributes, children = RULES[element.tag]
        actions = ACTIONS.get(element.tag, set())
        assert attributes <= element.attrib.keys() <= attributes | actions, element.attrib
        assert {element.get(action, "ALLOW") for action in actions} <= {"ALLOW", "DENY"}
        assert not actions or element.attrib
        assert {child.tag for child in element} <= children
        if children:
            assert len(element)
        else:
            assert element.text[0] in "/~"


def test_cameras_are_for_the_anonymizer_alone() -> None:
    paths = {enclave.get("path") for enclave in POLICY.iter("enclave")}
    assert paths == {"/anonymizer", "/camera", "/recorder"}
    for topic in CAMERA:
        assert [p for p in sorted(paths) if is_allowed(p, "subscribe", topic)] == ["/anonymizer"]
        assert [p for p in sorted(paths) if is_allowed(p, "publish", topic)] == ["/camera"]
        mirrored = f"/anon{topic}"
        assert [p for p in sorted(paths) if is_allowed(p, "publish", mirrored)] == ["/anonymizer"]
        assert is_allowed("/recorder", "subscribe", mirrored)


@pytest.mark.parametrize("with_jpeg", [False, True])
def test_policy_is_enough_for_the_node(
    peer: Any, start_live_node: Callable[..., Any], *, with_jpeg: bool
) -> None:
    peer.advertise("/camera/image_raw", Image)
    peer.advertise("/camera/camera_info", CameraInfo)
    peer.record("/anon/camera/image_raw", Image)
    peer.record("/anon/camera/camera_info", CameraInfo)
    node: Node = start_live_node(output__compressed=with_jpeg, use_sim_time=True).node
    assert peer.spin_until(peer.is_connected)
    name, namespace = node.get_name(), node.get_namespace()
    used = {
        "publish": node.get_publisher_names_and_types_by_node(name, namespace),
        "subscribe": node.get_subscriber_names_and_types_by_node(name, namespace),
        "reply": node.get_service_names_and_types_by_node(name, namespace),
    }
    assert len(used["reply"]) >= 12
    for action, topics in used.items():
        names = [topic for topic, _ in topics]
        assert names
        assert [topic for topic in names if not is_allowed("/anonymizer", action, topic)] == []
    if with_jpeg:
        assert "/anon/camera/image_raw/compressed" in dict(used["publish"])
