"""The launch file with the real ``ros2 launch``, where ROS is installed, and the real node."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.logged_process import LoggedProcess
from helpers.paths import ROOT

LIMIT_S = 120
PARENT = """\
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

def include(arguments):
    source = PythonLaunchDescriptionSource("LAUNCH_FILE")
    return GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments.items())])

def generate_launch_description():
    leaked = {"model": "yolov8m.pt", "device": "cuda:7", "namespace": "yolo", "name": "yolo"}
    return LaunchDescription(
        [DeclareLaunchArgument(name, default_value=value) for name, value in leaked.items()]
        + [include(arguments) for arguments in INCLUDED]
    )
"""


@pytest.fixture(autouse=True)
def _needs_launch() -> None:
    pytest.importorskip("launch_ros", reason="needs launch_ros, which comes with ROS 2")


class LaunchProcess(LoggedProcess):
    """``ros2 launch`` with a stand-in recorder, in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], words: list[str]) -> None:
        super().__init__("launch", [folder / "bin" / "ros2", "launch", *words], environment, folder)
        self._folder = folder

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        try:
            return self._process.wait(LIMIT_S)
        finally:
            self._process.kill()
            self._reader.join()

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """Parameters of the files that the nodes were started with, by node."""
        files = (self._folder / "log").glob("*/*_parameters.yaml")
        sections: dict[str, Any] = {}
        for file in files:  # launch links the latest folder, so that each is there twice
            sections |= yaml.safe_load(file.read_text())
        return {node: section["ros__parameters"] for node, section in sections.items()}


@pytest.fixture
def idle(tmp_path: Path) -> str:
    """A parameter file with which the node waits, without models."""
    file = tmp_path / "idle.yaml"
    file.write_text(
        "/**: {ros__parameters: {autostart: false, inpaint: {method: fill}}}\n"
        "/driver: {ros__parameters: {gain: 1.0}}\n"
    )
    return str(file)


@pytest.fixture
def run_launch(tmp_path: Path, dds_domain: int) -> Iterator[Callable[..., LaunchProcess]]:
    """Start our launch file, or another that is named first."""
    started: list[LaunchProcess] = []
    prefix = install(tmp_path / "prefix")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ros2"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/test/helpers/recorder.py "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "AMENT_PREFIX_PATH": f"{prefix}:{os.environ.get('AMENT_PREFIX_PATH', '')}",
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "REAL_ROS2": str(shutil.which("ros2")),
        "ROS_DOMAIN_ID": str(dds_domain),
        "ROS_LOG_DIR": str(tmp_path / "log"),
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("FASTRTPS_DEFAULT_PROFILES_FILE", None)

    def run(*arguments: str, **variables: str) -> LaunchProcess:
        is_ours = not arguments or ":=" in arguments[0]
        words = [*(["anon_ros", "anonymize.launch.py"] if is_ours else []), *arguments]
        started.append(LaunchProcess(tmp_path, environment | variables, words))
        return started[-1]

    yield run
    for process in started:
        process.interrupt()
        process.wait()


def install(prefix: Path) -> Path:
    """Make an ament prefix of the checkout, for which colcon would take seconds."""
    index = prefix / "share/ament_index/resource_index/packages"
    executables = prefix / "lib/anon_ros"
    share = prefix / "share/anon_ros"
    for folder in (index, executables, share):
        folder.mkdir(parents=True)
    (index / "anon_ros").touch()
    for name in ("launch", "config"):
        shutil.copytree(ROOT / name, share / name)
    (executables / "anonymizer").symlink_to(Path(sys.executable).with_name("anonymizer"))
    return prefix


def wait_for_node(peer: Any, name: str = "/anonymizer") -> None:
    """Wait until the node is up."""
    assert peer.spin_until(lambda: f"{name}/enable" in peer.list_services(), LIMIT_S)


def test_wrong_argument_ends_launch(run_launch: Callable[..., LaunchProcess]) -> None:
    launch = run_launch("params_file:=absent.yaml")
    assert launch.wait() == 1
    assert launch.log.count("absent.yaml: ") == 1
    assert "process started" not in launch.log


def test_choices_declared(run_launch: Callable[..., LaunchProcess]) -> None:
    launch = run_launch("profile:=fst")
    assert launch.wait() == 1
    assert "'balanced', 'fast', 'paper'" in launch.log
    assert "process started" not in launch.log


def test_including_launch_file_changes_nothing(
    run_launch: Callable[..., LaunchProcess], tmp_path: Path, idle: str
) -> None:
    """Beyond the arguments that it gives, for two nodes on two GPUs."""
    parent = tmp_path / "car.launch.py"
    cuda = {"params_file": idle, "node_namespace": "front", "compute_device": "cuda:1"}
    included = [cuda, {"params_file": idle, "topic_prefix": "/safe"}]
    ours = str(ROOT / "launch/anonymize.launch.py")
    parent.write_text(PARENT.replace("LAUNCH_FILE", ours).replace("INCLUDED", repr(included)))
    launch = run_launch(str(parent))
    launch.wait_for("[anonymizer-2]: process started")
    shared = {"autostart": False, "inpaint.method": "fill"}
    assert launch.parameters == {
        "/front/anonymizer": shared | {"compute.device": "cuda:1"},
        "/anonymizer": shared | {"topics.prefix": "/safe"},
    }
    launch.interrupt()
    launch.wait()
    assert "model is another launch file's; ours is inpaint_model" in launch.log


def test_node_started_as_user_asks(
    run_launch: Callable[..., LaunchProcess], idle: str, peer: Any
) -> None:
    """Under its name and namespace, with its own debug lines and no other's."""
    launch = run_launch(
        f"params_file:={idle}", "namespace:=front", "name:=eyes", "log_level:=debug", "device:=cpu"
    )
    wait_for_node(peer, "/front/eyes")
    launch.interrupt()
    assert launch.wait() == 0, launch.log
    assert launch.parameters["/front/eyes"]["compute.device"] == "cpu"
    assert "[DEBUG] [" not in launch.log.replace("[front.eyes]", "")


def test_end_of_recorder_ends_launch(
    run_launch: Callable[..., LaunchProcess], idle: str, tmp_path: Path
) -> None:
    launch = run_launch(f"params_file:={idle}", "record:=drive", RECORDER_ENDS_AFTER_S="4")
    assert launch.wait() == 1
    assert "the recorder has ended with code 3: the drive is not recorded" in launch.log
    command = (tmp_path / "drive/command").read_text().splitlines()
    assert command[-2:] == ["-e", "^(?:/anon/.*)$"]
    assert (tmp_path / "drive/dds_profile").read_text().endswith("config/fastdds.xml")


def test_end_of_recorder_allowed(
    run_launch: Callable[..., LaunchProcess], idle: str, tmp_path: Path, peer: Any
) -> None:
    (tmp_path / "drive").mkdir()
    launch = run_launch(
        f"params_file:={idle}",
        "record:=drive",
        "record_required:=false",
        RECORDER_ENDS_AFTER_S="0.1",
    )
    launch.wait_for("exit code 3")
    wait_for_node(peer)  # so that it ends cleanly
    launch.interrupt()
    assert launch.wait() == 0, launch.log
    assert (tmp_path / "drive_2/command").exists()


def test_end_of_node_ends_recording(
    run_launch: Callable[..., LaunchProcess], tmp_path: Path
) -> None:
    """The real node without its weights: it cannot work."""
    launch = run_launch("inpainter:=fill", "weights:=absent.pt", "record:=drive")
    assert launch.wait() == 1
    assert "the node has ended with code 1: nothing more is recorded" in launch.log
    assert (tmp_path / "drive/metadata.yaml").exists()


def test_recorder_has_time_to_write(
    run_launch: Callable[..., LaunchProcess], idle: str, tmp_path: Path, peer: Any
) -> None:
    """Longer than launch's own five seconds."""
    launch = run_launch(f"params_file:={idle}", "record:=drive", RECORDER_FLUSHES_FOR_S="6")
    wait_for_node(peer)
    # Written when the recorder handles signals.
    assert peer.spin_until((tmp_path / "drive/dds_profile").exists, LIMIT_S)
    launch.interrupt()
    assert launch.wait() == 0, launch.log
    assert (tmp_path / "drive/metadata.yaml").exists()
