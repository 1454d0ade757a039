"""The latched topic that says of a mirrored topic that a model drew persons there."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from anon_ros.images.files.synthetic_mark import DIGITAL_SOURCE_TYPE, XMP_MARK
from helpers.fake_models import NoiseInpainter, SentinelModelProvider
from helpers.hidden_pictures import SKY
from helpers.ros_images import make_jpeg_message
from helpers.ros_streams import LASTING, MIRRORED, TOPIC, publish_frames, record_mirror

MARK = f"{MIRRORED}/mark"


def make_drawing_models() -> SentinelModelProvider:
    """Models that draw persons, as a diffusion does."""
    return SentinelModelProvider(inpainter=NoiseInpainter(draws_persons=True))


def read_marks(peer: Any, topic: str = MARK) -> list[dict[str, Any]]:
    return [json.loads(message.data) for message in peer.received[topic]]


def set_beta_d(peer: Any, beta_d: float) -> None:
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=beta_d)
    request = SetParameters.Request(parameters=[Parameter(name="inpaint.beta_d", value=value)])
    answer = peer.call("/anonymizer/set_parameters", SetParameters, request)
    assert answer.results[0].successful, answer.results[0].reason


def test_late_subscriber_learns_that_a_model_drew(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    images = record_mirror(peer, TOPIC, Image)
    start_live_node(make_drawing_models(), topics__images=[TOPIC], inpaint__beta_d=0.7)
    assert peer.spin_until(peer.is_connected)
    publish_frames(peer, TOPIC)
    assert peer.spin_until(lambda: len(images) > 1)
    peer.record(MARK, String, **LASTING)
    assert peer.spin_until(lambda: bool(read_marks(peer)))
    publish_frames(peer, TOPIC, since=5)
    (mark,) = read_marks(peer)
    assert mark["digital_source_type"] == DIGITAL_SOURCE_TYPE
    assert mark["beta_d"] == 0.7
    assert {*mark} == {"what", "digital_source_type", "software", "version", "beta_d"}
    set_beta_d(peer, 0.8)
    publish_frames(peer, TOPIC, since=10)
    assert peer.spin_until(lambda: len(read_marks(peer)) > 1)
    assert [mark["beta_d"] for mark in read_marks(peer)] == [0.7, 0.8]


def test_mark_precedes_the_first_drawn_image(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    topic = f"{TOPIC}/compressed"
    images = record_mirror(peer, topic, CompressedImage)
    mark = f"/anon{topic}/mark"
    peer.record(mark, String, **LASTING)
    start_live_node(make_drawing_models(), topics__images=[topic])
    assert peer.spin_until(peer.is_connected)
    peer.publish(topic, make_jpeg_message(SKY, 0))
    assert peer.spin_until(lambda: len(images) == 1)
    peer.spin(0.5)
    assert not read_marks(peer, mark), "nobody was drawn yet"
    publish_frames(peer, topic, since=1, count=1, make=make_jpeg_message)
    assert peer.spin_until(lambda: len(images) == 2)
    assert peer.spin_until(lambda: len(read_marks(peer, mark)) == 1)
    assert [XMP_MARK in bytes(image.data) for image in images] == [False, True]


@pytest.mark.parametrize("draws", [False, True])
def test_no_mark_where_no_model_drew(
    peer: Any, start_live_node: Callable[..., Any], *, draws: bool
) -> None:
    """A classical method, or marks turned off: then there is no such topic, either."""
    topic = f"{TOPIC}/compressed"
    images = record_mirror(peer, topic, CompressedImage)
    mark = f"/anon{topic}/mark"
    peer.record(mark, String, **LASTING)
    models = make_drawing_models() if draws else SentinelModelProvider()
    start_live_node(models, topics__images=[topic], output__mark=not draws)
    assert peer.spin_until(lambda: bool(peer.count_subscribers(topic)))
    while not images:
        publish_frames(peer, topic, count=1, make=make_jpeg_message)
    peer.spin(0.5)
    assert peer.count_publishers(mark) == (not draws)
    assert not read_marks(peer, mark)
    assert not any(XMP_MARK in bytes(image.data) for image in images)


def test_own_marks_are_not_relayed(peer: Any, start_live_node: Callable[..., Any]) -> None:
    """A mirrored topic may be remapped out of the prefix, into a pattern of passthrough topics."""
    peer.advertise("/cam/image", Image)
    peer.record("/safe/image", Image)
    rules = ["-r", "/anon/cam/image:=/safe/image"]
    start_live_node(
        make_drawing_models(),
        options={"cli_args": ["--ros-args", *rules]},
        topics__images=["/cam/image"],
        topics__passthrough=["/safe/**"],
    )
    assert peer.spin_until(lambda: bool(peer.count_publishers("/safe/image/mark")))
    peer.spin(2)
    assert not peer.count_publishers("/anon/safe/image/mark")
