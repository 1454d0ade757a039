"""The launch file's decisions, which are made without launch."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from anon_ros.config import load_config
from anon_ros.errors import ConfigError
from anon_ros.ros.launch_arguments import SHORT_NAMES, collect_arguments, declare_arguments
from anon_ros.ros.launch_plan import LaunchPlan, format_parameter_file, plan_launch
from helpers.paths import ROOT

ARGUMENTS = declare_arguments(ROOT / "config")
DEFAULTS = {name: argument.default for name, argument in ARGUMENTS.items()}
OURS = ["ros2", "launch", "anon_ros", "anonymize.launch.py"]


def make_plan(parent: dict[str, Any] | None = None, **values: str) -> LaunchPlan:
    return plan_launch(ARGUMENTS, DEFAULTS | values, parent or {}, {})


def write_file(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults_are_those_of_node() -> None:
    plan = make_plan()
    assert plan.node == "/anonymizer"
    assert plan.ros_arguments == ["--log-level", "info"]
    assert plan.environment == {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(ROOT / "config/fastdds.xml"),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(ROOT / "config/fastdds.xml"),
    }
    assert not plan.respawn
    assert not plan.recorder
    assert load_config(overrides=plan.parameters) == load_config()


def test_profile_and_arguments_win_over_file(tmp_path: Path) -> None:
    """Also over a section that names the node; ROS itself would let that one win."""
    file = write_file(
        tmp_path / "car.yaml",
        "/driver: {ros__parameters: {gain: 3}}\n"
        "/anonymizer: {ros__parameters: {inpaint: {steps: 3, seed: 4}, use_sim_time: true}}\n",
    )
    plan = make_plan(params_file=file, profile="fast", inpainter="fill", image_topics="/a/image")
    expected = load_config(ROOT / "config/profiles/fast.yaml")
    own = {name: value for name, value in plan.parameters.items() if name != "use_sim_time"}
    config = load_config(overrides=own)
    assert (config.inpaint.steps, config.inpaint.seed) == (expected.inpaint.steps, 4)
    assert config.inpaint.method == "fill"
    assert config.topics.images == ("/a/image",)
    assert plan.parameters["use_sim_time"] is True
    assert "gain" not in plan.parameters


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"params_file": "absent.yaml"}, "absent.yaml: .*No such file"),
        ({"profile": "fst"}, "profile 'fst' is unknown, expected one of balanced, fast"),
        ({"dds_profile": "absent.xml"}, "argument dds_profile: absent.xml is not a file"),
        ({"image_topics": "[/a, "}, r"argument image_topics: \[/a,  is not a list of topics"),
        ({"image_topics": "/a,/b"}, "argument image_topics: /a,/b is not a list of topics"),
        ({"image_topics": "[1, 2]"}, "is not a list of topics"),
        ({"image_topics": "[]"}, "topics.images: .* is not allowed, expected not empty"),
        ({"record": "bag", "record_topics": "{a: b}"}, "argument record_topics: {a: b} is not"),
        ({"record_topics": "[/tf]"}, "argument record_topics needs record, the path of a bag"),
        ({"record_args": "-d 60"}, "argument record_args needs record, the path of a bag"),
        (
            {"record": "bag", "topic_prefix": "/camera"},
            "topics.prefix: /camera/ is above /camera/image_raw, .* would be recorded",
        ),
        ({"record": "true"}, "argument record: true is not a path of a bag"),
        ({"topic_prefix": "/"}, "parameter topics.prefix: '/' is not a namespace"),
        ({"node_name": "a/b"}, "node_name and node_namespace: /a/b is not"),
        ({"node_namespace": "/2nd"}, "/2nd/anonymizer is not a name"),
        ({"record": "bag", "record_args": "'"}, "argument record_args: .*No closing quotation"),
    ],
)
def test_wrong_value_ends_launch_with_line(values: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        make_plan(**values)
    assert "\n" not in str(caught.value)


def test_file_without_section_for_node_refused(tmp_path: Path) -> None:
    file = write_file(tmp_path / "car.yaml", "/anonymizer: {ros__parameters: {inpaint.seed: 2}}")
    assert make_plan(params_file=file).parameters["inpaint.seed"] == 2
    with pytest.raises(ConfigError, match="no section is for /front/anonymizer"):
        make_plan(params_file=file, node_namespace="front")


@pytest.mark.parametrize(
    ("namespace", "parent", "node"),
    [
        ("", None, "/second"),
        ("front", None, "/front/second"),
        ("/front/", None, "/front/second"),
        ("", "/car", "/car/second"),
        ("front", "/car", "/car/front/second"),
        ("/front", "/car", "/front/second"),
    ],
)
def test_node_gets_name_and_namespace(namespace: str, parent: str | None, node: str) -> None:
    pushed = {"ros_namespace": parent} if parent else {}
    plan = make_plan(pushed, node_namespace=namespace, node_name="second", log_level="debug")
    assert plan.node == node
    logger = node.strip("/").replace("/", ".")
    assert plan.ros_arguments == ["--log-level", f"{logger}:=debug"]


@pytest.mark.parametrize(
    ("prefix", "pattern"), [("safe", "^(?:/front/safe/.*)$"), ("/safe", "^(?:/safe/.*)$")]
)
def test_recorder_follows_relative_prefix(tmp_path: Path, prefix: str, pattern: str) -> None:
    values = {"topic_prefix": prefix, "node_namespace": "front"}
    assert make_plan(record=str(tmp_path / "drive"), **values).recorder[-1] == pattern


def test_parameter_file_keeps_types() -> None:
    """Text that looks like a number or a switch stays text, and a list may be empty."""
    plan = make_plan(inpaint_model="1e3", detect_weights="off")
    written = yaml.safe_load(format_parameter_file(plan))["/anonymizer"]["ros__parameters"]
    assert written == {
        n: list(v) if isinstance(v, tuple) else v for n, v in plan.parameters.items()
    }
    assert (written["inpaint.model"], written["detect.weights"]) == ("1e3", "off")
    assert '"1e3"' in format_parameter_file(plan)


def test_weights_may_be_several() -> None:
    assert make_plan(detect_weights="[a.pt, off.pt]").parameters["detect.weights"] == [
        "a.pt",
        "off.pt",
    ]
    for text in ("[a.pt", "[1]"):
        with pytest.raises(ConfigError, match=r"detect.weights"):
            make_plan(detect_weights=text)


def collect(argv: list[str], **leaked: str) -> tuple[dict[str, str], list[str]]:
    typed = dict(word.split(":=", 1) for word in argv if ":=" in word)
    return collect_arguments(list(ARGUMENTS), DEFAULTS | leaked | typed, argv)


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_short_name_counts_when_typed(name: str) -> None:
    values, ignored = collect([*OURS, f"{name}:=mine"])
    assert values == DEFAULTS | {SHORT_NAMES[name]: "mine"}
    assert not ignored


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_value_of_including_launch_file_ignored(name: str) -> None:
    """As yolo_ros has them: model, device, namespace."""
    for argv in (["ros2", "launch", "car", "car.launch.py", f"{name}:=yolov8m.pt"], OURS):
        values, ignored = collect(argv, **{name: "yolov8m.pt"})
        assert values == DEFAULTS
        assert ignored == [name]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["image_topic:=[/a]"], "argument image_topic is unknown; did you mean image_topics"),
        (["quux:=1"], r"argument quux is unknown \("),
        (["model:=a", "inpaint_model:=b"], "model and inpaint_model are the same"),
    ],
)
def test_mistyped_argument_refused(words: list[str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        collect([*OURS, *words])
    assert collect(["ros2", "launch", "car", "car.launch.py", "quux:=1"])[0] == DEFAULTS


def test_existing_bag_gets_number(tmp_path: Path) -> None:
    bag = tmp_path / "drive"
    assert make_plan(record=str(bag)).notes == [f"recording to {bag}"]
    bag.mkdir()
    (tmp_path / "drive_2").mkdir()
    plan = make_plan(record=str(bag))
    assert plan.notes == [f"recording to {bag}_3, because {bag} exists"]
    assert plan.recorder[:3] == ["ros2", "bag", "record"]
    assert plan.recorder[-3] == f"{bag}_3"


def test_bag_that_cannot_be_written_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"argument record: nothing can be written to .*file"):
        make_plan(record=str(tmp_path / "file" / "drive"))


def test_recorder_takes_time_of_parameters(tmp_path: Path) -> None:
    bag = str(tmp_path / "drive")
    assert "--use-sim-time" not in make_plan(record=bag).recorder
    assert "--use-sim-time" in make_plan(record=bag, use_sim_time="True").recorder
    pushed = {"global_params": [("use_sim_time", True), "/a/file.yaml"]}
    assert "--use-sim-time" in make_plan(pushed, record=bag).recorder
    assert "--use-sim-time" not in make_plan(pushed, record=bag, use_sim_time="false").recorder
