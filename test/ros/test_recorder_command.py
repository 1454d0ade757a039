"""The recorder's command line: everything below the prefix, and no original."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from anon_ros.errors import ConfigError
from anon_ros.ros.recorder_command import make_recorder_command, split_options

IMAGES = ["/camera/image_raw", "/rear/image_raw/compressed", "/surround/*/image_raw"]


def make_command(*topics: str, options: Sequence[str] = (), prefix: str = "/anon") -> list[str]:
    return make_recorder_command(Path("/data/drive"), [prefix], IMAGES, topics, options)


def is_recorded(command: Sequence[str], topic: str) -> bool:
    """As rosbag2 does: std::regex_search in the name."""
    return re.search(command[command.index("-e") + 1], topic) is not None


def test_only_mirrored_topics_recorded() -> None:
    command = make_command()
    assert command[:3] == ["ros2", "bag", "record"]
    assert command[command.index("-o") + 1] == "/data/drive"
    for topic in ("/anon/camera/image_raw", "/anon/camera/camera_info", "/anon/a/b/c/mark"):
        assert is_recorded(command, topic)
    for topic in (*IMAGES[:1], "/anonymous/image", "/x/anon/camera/image_raw", "/tf", "/anon"):
        assert not is_recorded(command, topic)
    assert is_recorded(make_command(prefix="/safe"), "/safe/camera/image_raw")


def test_other_topics_recorded_under_own_names() -> None:
    command = make_command("/tf", "/lidar/*", "/can/**")
    for topic in ("/tf", "/lidar/points", "/can/a/b", "/anon/camera/image_raw"):
        assert is_recorded(command, topic)
    for topic in ("/tf_static", "/lidar", "/lidar/a/b", "/camera/image_raw"):
        assert not is_recorded(command, topic)


def test_pattern_never_records_originals() -> None:
    """The last of the images is a pattern: which topics it will find is not known before."""
    command = make_command("/surround/**")
    assert is_recorded(command, "/surround/left/imu")
    for topic in ("/surround/left/image_raw", "/surround/left/image_raw/theora"):
        assert not is_recorded(command, topic)


@pytest.mark.parametrize(
    "topic",
    [
        "/camera/image_raw",
        "/camera/image_raw/compressed",
        "/rear/image_raw",
        "/rear/image_raw/compressed",
        "/surround/left/image_raw",
        "/surround/left/image_raw/compressed",
        "/camera/*",
        "/rear/**",
        "/**",
    ],
)
def test_originals_refused(topic: str) -> None:
    with pytest.raises(ConfigError, match="would record originals"):
        make_command("/tf", topic)


@pytest.mark.parametrize("prefix", ["/rear", "/surround"])
def test_prefix_above_originals_refused(prefix: str) -> None:
    """Everything below the prefix is recorded."""
    with pytest.raises(ConfigError, match="is above"):
        make_command(prefix=prefix)


def test_prefixes_of_all_cameras_recorded() -> None:
    command = make_recorder_command(Path("drive"), ["/anon", "/safe"], IMAGES, [], [])
    for topic in ("/anon/camera/image_raw", "/safe/rear/image_raw"):
        assert is_recorded(command, topic)
    assert not is_recorded(command, "/camera/image_raw")


def test_pattern_of_all_topics_is_not_below_prefix() -> None:
    """The node leaves out what is below the prefix; that is recorded."""
    command = make_recorder_command(Path("drive"), ["/anon"], ["/**/image_raw"], [], [])
    assert is_recorded(command, "/anon/camera/image_raw")


def test_options_passed_on() -> None:
    options = split_options(
        "--storage mcap --compression-mode file -d 60 --node-name 'my recorder'"
    )
    assert options[-1] == "my recorder"
    assert make_command(options=options)[3 : 3 + len(options)] == options


@pytest.mark.parametrize(
    "options",
    [
        *("-a", "--all", "--al", "--all-topics", "-e x", "--regex=.*", "--topics /a", "-o x"),
        *("--output=x", "--outp x", "--exclude-regex x", "-x anon", "/tf --storage mcap"),
        *("--storage mcap /camera/image_raw", "--topic-types sensor_msgs/msg/Image"),
    ],
)
def test_options_that_choose_topics_refused(options: str) -> None:
    with pytest.raises(ConfigError, match="record and record_topics choose"):
        make_command(options=split_options(options))
