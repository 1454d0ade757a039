"""`ros2 param` on a running node, through the real services."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter as RosParameter
from rclpy.parameter import get_parameter_value, parameter_value_to_python
from sensor_msgs.msg import Image

from anon_ros.config import Config, all_parameters, configure_camera, get_value, list_targets
from anon_ros.errors import ConfigError
from anon_ros.models import ModelCache
from helpers.fake_models import SentinelModelProvider, make_street_image
from helpers.ros_images import make_raw_message
from helpers.ros_nodes import LiveNode, Peer, isolate_dds
from helpers.ros_streams import count_received

TOPIC, MIRRORED = "/cam/image_raw", "/anon/cam/image_raw"
LIVE = {name: p for name, p in all_parameters().items() if p.spec.reconfigurable}


def make_parameter_message(name: str, value: Any) -> Parameter:
    return RosParameter(name, value=value).to_parameter_msg()


def set_parameters(peer: Any, **values: Any) -> list[Any]:
    named = {name.replace("__", "."): value for name, value in values.items()}
    request = SetParameters.Request(
        parameters=[make_parameter_message(*pair) for pair in named.items()]
    )
    return list(peer.call("/anonymizer/set_parameters", SetParameters, request).results)


def get_parameter(peer: Any, name: str) -> Any:
    request = GetParameters.Request(names=[name])
    (value,) = peer.call("/anonymizer/get_parameters", GetParameters, request).values
    return parameter_value_to_python(value)


def choose_other_value(name: str) -> Any:
    """An allowed value that is not the default."""
    parameter = LIVE[name]
    if parameter.spec.choices:
        # sdxl needs a model, which is not here.
        allowed = [c for c in parameter.spec.choices if c not in {parameter.default, "fill"}]
        return allowed[0]
    if parameter.type is str:
        return "somebody else"
    step = 1 if parameter.type is int else 0.125
    return (
        parameter.default - step
        if parameter.default == parameter.spec.maximum
        else (parameter.default + step)
    )


@pytest.fixture
def node(start_live_node: Callable[..., Any]) -> Any:
    return start_live_node(topics__images=[TOPIC])


def get_config(node: Any) -> Config:
    config: Config = node.node._config  # noqa: SLF001 - what the next frame is processed with
    return config


def test_live_parameters_can_change(peer: Any, start_live_node: Callable[..., Any]) -> None:
    node = start_live_node(topics__images=[TOPIC], allow_weaker=True)
    assert {"inpaint.beta_d", "inpaint.steps", "inpaint.prompt", "inpaint.method"} <= LIVE.keys()
    assert {"detect.confidence", "skip.on_skipped", "skip.every_nth"} <= LIVE.keys()
    for name in LIVE:
        value = choose_other_value(name)
        (result,) = set_parameters(peer, **{name: value})
        assert result.successful, (name, value, result.reason)
        assert get_parameter(peer, name) == value
        assert get_value(get_config(node), name) == value


def test_off_of_the_command_line_is_off(peer: Any, start_live_node: Callable[..., Any]) -> None:
    """`-p memory.mode:=off` and `ros2 param set` make it false, as YAML does."""
    node = start_live_node(topics__images=[TOPIC], memory__mode=False, allow_weaker=True)
    assert get_config(node).memory.mode == "off"
    for value, expected in (("past", "past"), (False, "off")):
        (result,) = set_parameters(peer, memory__mode=value)
        assert result.successful
        assert get_config(node).memory.mode == expected


@pytest.fixture(scope="module")
def unchanged_node() -> Iterator[tuple[Peer, LiveNode]]:
    """A node that rejects every change, so that many cases can share it."""
    options = {"inpaint__method": "fill", "topics__images": [TOPIC]}
    with isolate_dds() as domain:
        peer, node = Peer(domain), LiveNode(domain, SentinelModelProvider(), {}, **options)
        yield peer, node
        node.close()
        peer.close()


@pytest.mark.parametrize("name", LIVE)
def test_values_out_of_range_rejected(name: str, unchanged_node: tuple[Peer, LiveNode]) -> None:
    peer, node = unchanged_node
    before = get_config(node)
    spec, kind = LIVE[name].spec, LIVE[name].type
    wrong: list[Any] = [True if kind is str else "many"]
    told = ["str" if kind is str else kind.__name__]
    if spec.choices:
        wrong, told = [5, "magic"], ["str", spec.choices[-1]]
    if spec.minimum is not None:
        wrong += [kind(spec.minimum - 1)]
        told += [f"{spec.minimum:g}"]
    if spec.maximum is not None and spec.maximum < 2**62:
        wrong += [kind(spec.maximum + 1)]
        told += [str(int(spec.maximum))]
    for value, text in zip(wrong, told, strict=True):
        (result,) = set_parameters(peer, **{name: value})
        assert not result.successful, (name, value)
        assert name in result.reason
        assert text in result.reason, result.reason
    assert get_config(node) == before


def choose_different_value(peer: Any, name: str) -> Any:
    value = get_parameter(peer, name)
    if isinstance(value, bool):
        return not value
    return [*value, "x"] if isinstance(value, list) else value + type(value)(1)


@pytest.mark.usefixtures("node")
def test_fixed_parameters_read_only(peer: Any) -> None:
    fixed = all_parameters().keys() - LIVE.keys()
    assert {"detect.weights", "topics.images", "compute.device", "autostart"} <= fixed
    request = DescribeParameters.Request(names=sorted(all_parameters()))
    descriptors = peer.call(
        "/anonymizer/describe_parameters", DescribeParameters, request
    ).descriptors
    assert {d.name for d in descriptors if d.read_only} == fixed
    assert all(d.description for d in descriptors)
    for name in sorted(fixed):
        (result,) = set_parameters(peer, **{name: choose_different_value(peer, name)})
        assert not result.successful
        assert f"{name} is read-only" in result.reason
        assert "restart the node" in result.reason


def load_dump(peer: Any) -> dict[str, str]:
    """Do what `ros2 param load` does with the output of `ros2 param dump`; return the refusals."""
    listed = peer.call("/anonymizer/list_parameters", ListParameters, ListParameters.Request())
    dump = {name: get_parameter(peer, name) for name in listed.result.names}
    request = SetParameters.Request(
        parameters=[Parameter(name=n, value=get_parameter_value(str(v))) for n, v in dump.items()]
    )
    results = peer.call("/anonymizer/set_parameters", SetParameters, request).results
    pairs = zip(dump, results, strict=True)
    return {name: result.reason for name, result in pairs if not result.successful}


def test_own_dump_loads(peer: Any, start_live_node: Callable[..., Any]) -> None:
    node = start_live_node(
        topics__images=[TOPIC, "/other/**"],
        inpaint__beta_d=1,
        memory__mode=False,
        **{"qos_overrides./cam/image_raw.subscription.depth": 3},
    )
    before = get_config(node)
    assert load_dump(peer) == {}
    assert get_config(node) == before


def change_state(peer: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(peer.call("/anonymizer/change_state", ChangeState, request).success)


def test_unconfigured_node_takes_read_only_parameters(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    node = start_live_node(autostart=False)
    for topic in (TOPIC, "/cam/other"):
        (result,) = set_parameters(peer, topics__images=[topic])
        assert result.successful, result.reason
        assert change_state(peer, Transition.TRANSITION_CONFIGURE)
        assert list(node.node._topics._names) == [topic]  # noqa: SLF001 - nothing shows it yet
        (result,) = set_parameters(peer, topics__images=["/cam/third"])
        assert "read-only" in result.reason
        assert "ros2 lifecycle set /anonymizer cleanup" in result.reason
        assert change_state(peer, Transition.TRANSITION_CLEANUP)


START_ONLY: dict[str, Any] = {
    "autostart": True,
    "allow_weaker": True,
    "topics.trusted_subscribers": ["/**"],
    "topics.trusted_publishers": ["/**"],
    "detect.weights": "/tmp/blind.pt",  # noqa: S108 - nobody opens it
    "detect.classes": ["cat"],
    "mask.join": ["cat"],
    "regions.always": ["/tmp/mask.png"],  # noqa: S108 - nobody opens it
    "regions.never": ["0,0 1,0 1,1 0,1"],
    "targets.preset": "person+face",
    "inpaint.model": "/tmp/copy",  # noqa: S108 - nobody opens it
    "inpaint.revision": "main",
    "inpaint.small_model": "generator",
    "inpaint.vae": "/tmp/copy",  # noqa: S108 - nobody opens it
    "inpaint.lora": "/tmp/copy",  # noqa: S108 - nobody opens it
    "output.mark": False,
}


def test_unconfigured_node_cannot_be_weakened(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    """Anybody on the graph can clean a node up, and then configure it."""
    assert set(START_ONLY) == {n for n, p in all_parameters().items() if p.spec.start_only}
    node = start_live_node(autostart=False)
    before = get_config(node)
    for name, value in {**START_ONLY, "detect.confidence": 0.9}.items():
        (result,) = set_parameters(peer, **{name: value})
        assert not result.successful, name
        assert "restart the node" in result.reason
    assert get_config(node) == before


def test_unconfigured_node_may_be_weakened_by_its_owner(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    node = start_live_node(autostart=False, allow_weaker=True)
    (result,) = set_parameters(peer, detect__classes=["cat"])
    assert result.successful, result.reason
    assert get_config(node).detect.classes == ("cat",)


def test_atomic_change_all_or_nothing(peer: Any, node: Any) -> None:
    def put_all(**values: Any) -> Any:
        named = {name.replace("__", "."): value for name, value in values.items()}
        request = SetParametersAtomically.Request(
            parameters=[make_parameter_message(*pair) for pair in named.items()]
        )
        service = "/anonymizer/set_parameters_atomically"
        return peer.call(service, SetParametersAtomically, request).result

    before = get_config(node)
    assert not put_all(inpaint__seed=5, inpaint__beta_d=0.001).successful
    assert not put_all(inpaint__seed=5, detect__weights="x.pt").successful
    assert get_config(node) == before
    # Together they run no denoising step, though each is in its range.
    result = put_all(inpaint__steps=1, inpaint__beta_d=0.05)
    assert not result.successful
    assert "inpaint.steps" in result.reason
    assert put_all(inpaint__seed=5, inpaint__beta_d=0.8).successful
    assert (get_config(node).inpaint.seed, get_config(node).inpaint.beta_d) == (5, 0.8)


# By anybody on the graph, as published attacks tried it, and what nobody tried yet.
WEAKER: dict[str, Any] = {
    "detect.confidence": 1.0,
    "detect.inference_px": 32,
    "detect.nms_iou": 0.5,
    "detect.tiles": "off",
    "mask.dilate_ratio": 0.0,
    "track.low_confidence": 1.0,
    "memory.mode": "off",
    "memory.duration_s": 0.01,
    "memory.growth_ratio": 0.0,
    "inpaint.method": "blur",
    "inpaint.beta_d": 0.05,
    "inpaint.init": "original",
}


def test_weaker_values_refused(
    peer: Any, start_live_node: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    declared = {n for n, p in LIVE.items() if p.spec.weaker or p.spec.weak_choices}
    assert set(WEAKER) == declared
    node = start_live_node(topics__images=[TOPIC], inpaint__init="covered")
    before = get_config(node)
    for name, value in WEAKER.items():
        (result,) = set_parameters(peer, **{name: value})
        assert not result.successful, name
        start = repr(get_value(before, name))
        assert f"{name}: {value!r}, not {start}, would anonymize less" in result.reason
        assert "allow_weaker" in result.reason
    assert get_config(node) == before
    assert "refused: parameter detect.confidence: 1.0, not 0.1" in capfd.readouterr().err
    (result,) = set_parameters(peer, allow_weaker=True)
    assert not result.successful, "nobody may allow it to themselves"


def test_stricter_values_taken_back(peer: Any, start_live_node: Callable[..., Any]) -> None:
    """Up to the values at start, not beyond, in however many steps."""
    node = start_live_node(topics__images=[TOPIC], detect__confidence=0.3)
    for value, is_taken in ((0.1, True), (0.3, True), (0.31, False), (0.2, True), (0.31, False)):
        (result,) = set_parameters(peer, detect__confidence=value)
        assert result.successful == is_taken, value
    assert get_config(node).detect.confidence == 0.2


def test_allowed_weaker_value_warns(
    peer: Any, start_live_node: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    start_live_node(topics__images=[TOPIC], allow_weaker=True)
    (result,) = set_parameters(peer, detect__confidence=0.9)
    assert result.successful
    assert "weaker anonymization: detect.confidence = 0.9, not 0.1" in capfd.readouterr().err


def test_int_becomes_float(peer: Any, start_live_node: Callable[..., Any]) -> None:
    """At the start as later; a client that reads doubles gets one."""
    node = start_live_node(topics__images=[TOPIC], skip__max_age_s=2)
    assert type(get_parameter(peer, "skip.max_age_s")) is float
    (result,) = set_parameters(peer, skip__max_rate_hz=5)
    assert result.successful
    assert type(get_parameter(peer, "skip.max_rate_hz")) is float
    assert get_config(node).skip.max_rate_hz == 5.0
    (result,) = set_parameters(peer, inpaint__strength=0.5)
    assert not result.successful
    names = peer.call("/anonymizer/list_parameters", ListParameters, ListParameters.Request())
    assert set(all_parameters()) <= set(names.result.names)


def test_unknown_parameter_refused(start_live_node: Callable[..., Any]) -> None:
    """At start, as by ``anon_ros config check``: a mistyped name must not lose a setting."""
    for name in ("inpaint__strength", "inpain__method", "allow_weakr"):
        with pytest.raises(ConfigError, match="is unknown"):
            start_live_node(topics__images=[TOPIC], **{name: 0.5})


def test_parameters_of_ros_and_others_accepted(
    start_live_node: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """One file may be for all nodes of a car."""
    start_live_node(
        topics__images=[TOPIC],
        use_sim_time=True,
        start_type_description_service=False,
        **{f"qos_overrides.{TOPIC}.subscription.depth": 1, "robot.radius": 0.5},
    )
    assert "no effect here: robot.radius\n" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("prefix", "mirrored"),
    [("safe", "/front/safe/cam/image_raw"), ("/safe", "/safe/front/cam/image_raw")],
)
def test_relative_names_follow_namespace(
    peer: Any, start_live_node: Callable[..., Any], prefix: str, mirrored: str
) -> None:
    peer.advertise("/front/cam/image_raw", Image)
    options = {"namespace": "/front"}
    start_live_node(None, options, topics__images=["cam/image_raw"], topics__prefix=prefix)
    assert peer.spin_until(lambda: peer.count_publishers(mirrored) == 1)


def test_missing_model_rejected(peer: Any, start_live_node: Any) -> None:
    node = start_live_node(topics__images=[TOPIC], inpaint__model="/nowhere/sdxl")
    (result,) = set_parameters(peer, inpaint__method="sdxl")
    assert not result.successful
    assert "/nowhere/sdxl" in result.reason
    assert get_config(node).inpaint.method == "fill"


def test_change_applies_between_frames(
    peer: Any,
    start_live_node: Callable[..., Any],
    demo_weights: Path,
    tiny_sdxl: Path,
    bus_rgb: Any,
) -> None:
    """Real models: from the fill to a tiny SDXL, another chain, another prompt, and back."""
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    models = ModelCache()
    node = start_live_node(
        models,
        topics__images=[TOPIC],
        allow_weaker=True,
        detect__weights=str(demo_weights),
        detect__inference_px=320,
        inpaint__model=str(tiny_sdxl),
        inpaint__steps=5,
        inpaint__generate_px=64,
    )
    assert peer.spin_until(peer.is_connected)
    image = bus_rgb[360:960:2, ::2].copy()

    def mirrored() -> bytes:
        """The next image that comes after this call, of the frame after the change."""
        peer.received[MIRRORED].clear()
        while len(peer.received[MIRRORED]) < 2:
            peer.publish(TOPIC, make_raw_message(image, 1))
            peer.spin(0.3)
        return bytes(peer.received[MIRRORED][-1].data)

    shown = [mirrored()]
    for change in (
        {"inpaint__method": "sdxl"},
        {"inpaint__beta_d": 1.0},
        {"inpaint__prompt": "a robot"},
        {"inpaint__seed": 3},
        {"detect__confidence": 1.0, "memory__mode": "off"},  # else tracks go on
        {"inpaint__method": "pixelate", "detect__confidence": 0.1},
    ):
        for result in set_parameters(peer, **change):
            assert result.successful, result.reason
        shown.append(mirrored())
    assert len(set(shown)) == len(shown), "each change shows"
    inpainter = node.node._session.pipeline._anonymizer.inpainter  # noqa: SLF001 - freed?
    assert type(inpainter).__name__ == "ClassicalInpainter"
    assert not any(c.failed for c in node.node._session.mailbox.counts().values())  # noqa: SLF001


def test_skip_policy_can_change(peer: Any, start_live_node: Callable[..., Any]) -> None:
    peer.advertise(TOPIC, Image)
    peer.record(MIRRORED, Image)
    node = start_live_node(SentinelModelProvider(), topics__images=[TOPIC], skip__every_nth=1000)
    assert peer.spin_until(peer.is_connected)
    image = make_street_image(160, 120)
    for index in range(60):
        if index == 30:
            (result,) = set_parameters(peer, skip__on_skipped="cover")
            assert result.successful
        peer.publish(TOPIC, make_raw_message(image, index))
        assert peer.spin_until(lambda i=index: count_received(node, TOPIC) > i)
    mirrored = peer.received[MIRRORED]
    assert peer.spin_until(lambda: len(mirrored) == 31)
    stamps = [message.header.stamp.sec - 1000 for message in mirrored]
    assert stamps == [0, *range(30, 60)]


def test_targets_and_regions_are_parameters_of_the_start(
    peer: Any, start_live_node: Callable[..., Any]
) -> None:
    """By any name for a target; nobody on the graph changes them."""
    corner = "0,0 0.5,0 0,0.5"
    values = {"targets.sign.classes": ["stop sign"], "cameras.cam.regions.always": [corner]}
    node = start_live_node(topics__images=[TOPIC], **values)
    config = get_config(node)
    assert list_targets(config)["sign"].classes == ("stop sign",)
    assert configure_camera(config, TOPIC).regions.always == (corner,)
    names = peer.call("/anonymizer/list_parameters", ListParameters, ListParameters.Request())
    assert set(values) <= set(names.result.names)
    for name, value in (("targets__sign__classes", ["cat"]), ("targets__sign__action", "blur")):
        (result,) = set_parameters(peer, **{name: value})
        assert not result.successful
    assert get_config(node) == config
    with pytest.raises(ConfigError, match=r"expected targets.NAME and then one of classes"):
        start_live_node(topics__images=[TOPIC], targets__sign__kind="blur")


@pytest.mark.parametrize("value", ["a.pt", ["a.pt", "b.pt"]])
def test_weights_are_text_or_list(
    peer: Any, start_live_node: Callable[..., Any], value: Any
) -> None:
    node = start_live_node(topics__images=[TOPIC], detect__weights=value)
    expected = [value] if isinstance(value, str) else value
    assert get_config(node).detect.weights == tuple(expected)
    request = GetParameters.Request(names=["detect.weights"])
    (read,) = peer.call("/anonymizer/get_parameters", GetParameters, request).values
    assert list(read.string_array_value) == expected
    (result,) = set_parameters(peer, detect__weights="c.pt")
    assert not result.successful
