"""Former names of parameters, on a node."""

from collections.abc import Callable
from typing import Any

import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter

from anon_ros.errors import ConfigError

TOPIC = "/cam/image_raw"


def test_former_names_at_start(
    start_live_node: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"topics__images": [TOPIC], "memory__s": 2.5, "topics__trusted": ["/recorder"]}
    node = start_live_node(**options).node
    log = capfd.readouterr().err
    assert node.get_parameter("memory.duration_s").value == 2.5
    assert node.get_parameter("topics.trusted_subscribers").value == ["/recorder"]
    assert "parameter memory.s is now called memory.duration_s" in log
    assert "unknown and has no effect" not in log


def test_both_names_at_start_are_refused(start_live_node: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match=r"give only memory\.duration_s"):
        start_live_node(topics__images=[TOPIC], memory__s=2.5, memory__duration_s=2.5)


def test_former_name_cannot_be_set(peer: Any, start_live_node: Callable[..., Any]) -> None:
    start_live_node(topics__images=[TOPIC])
    change = Parameter("memory.s", value=2.5).to_parameter_msg()
    request = SetParameters.Request(parameters=[change])
    (result,) = peer.call("/anonymizer/set_parameters", SetParameters, request).results
    assert not result.successful
    assert result.reason == "parameter memory.s is now called memory.duration_s; set that one"
