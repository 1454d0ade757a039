"""The layouts for Foxglove and rviz: whole, and for topics that there are."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from sensor_msgs.msg import Image

from helpers.paths import ROOT

CAMERA = "/camera/image_raw"


def read_foxglove() -> dict[str, Any]:
    layout: dict[str, Any] = json.loads((ROOT / "config/foxglove.json").read_text("utf-8"))
    return layout


def list_panels(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
        return
    assert node.keys() == {"direction", "first", "second", "splitPercentage"}
    assert node["direction"] in {"row", "column"}
    assert 0 < node["splitPercentage"] < 100
    yield from (*list_panels(node["first"]), *list_panels(node["second"]))


def list_topics(tree: Any) -> Iterator[str]:
    """Every value that looks like a topic."""
    if isinstance(tree, dict | list):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from list_topics(item)
    elif isinstance(tree, str) and tree.startswith("/"):
        yield tree


def read_rviz() -> dict[str, Any]:
    layout: dict[str, Any] = yaml.safe_load((ROOT / "config/anonymizer.rviz").read_text("utf-8"))
    return layout


def test_foxglove_shows_each_panel_once() -> None:
    layout = read_foxglove()
    assert layout.keys() >= {"configById", "globalVariables", "userNodes", "playbackConfig"}
    assert sorted(list_panels(layout["layout"])) == sorted(layout["configById"])
    kinds = {name.partition("!")[0] for name in layout["configById"]}
    assert kinds == {"Image", "DiagnosticSummary", "RosOut"}


def test_rviz_displays_are_those_of_ros2() -> None:
    manager = read_rviz()["Visualization Manager"]
    assert {panel["Class"] for panel in read_rviz()["Panels"]} == {"rviz_common/Displays"}
    for display in manager["Displays"]:
        assert display["Class"] == "rviz_default_plugins/Image"
        assert display["Enabled"] == display["Value"]
        policies = {display["Topic"][key] for key in display["Topic"] if key.endswith("Policy")}
        assert policies == {"Keep Last", "Reliable", "Volatile"}


def test_layouts_show_topics_of_the_node(peer: Any, start_live_node: Callable[..., Any]) -> None:
    topics = {*list_topics(read_foxglove()), *list_topics(read_rviz())}
    assert len(topics) == 5
    peer.advertise(CAMERA, Image)
    start_live_node()
    for topic in topics:
        assert peer.spin_until(lambda topic=topic: peer.count_publishers(topic) > 0), topic
