"""A second participant on the bus, and the node: as a process of its own or in a thread."""

import gc
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from anon_ros.ros.node import AnonymizerNode
from helpers.locks import claim_dds_domain
from helpers.logged_process import LoggedProcess
from helpers.paths import HELPERS, ROOT, SHARED_MEMORY

ANONYMIZER = (Path(sys.executable).with_name("anonymizer"),)
SENTINEL_NODE = (sys.executable, "-m", "helpers.sentinel_node")  # seconds to load follow


class Peer:
    """Publishes and records from the test's own process."""

    def __init__(self, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = Node("peer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._publishers: dict[str, Any] = {}
        self._subscriptions: dict[str, Any] = {}
        self.order: list[str] = []
        self.received: dict[str, list[Any]] = defaultdict(list)
        self._connected_since_s: float | None = None

    def advertise(self, topic: str, message_type: type, **qos: Any) -> None:
        profile = QoSProfile(depth=10, **qos)
        self._publishers[topic] = self._node.create_publisher(message_type, topic, profile)

    def rename(self, name: str) -> None:
        """Go on as another node."""
        self._executor.remove_node(self._node)
        self._node.destroy_node()
        self._node = Node(name, context=self._context)
        self._executor.add_node(self._node)

    def stop_advertising(self, topic: str) -> None:
        self._node.destroy_publisher(self._publishers.pop(topic))

    def record(self, topic: str, message_type: type, *, raw: bool = False, **qos: Any) -> None:
        received = self.received[topic]

        def receive(message: Any) -> None:
            received.append(message)
            self.order.append(topic)

        self._subscriptions[topic] = self._node.create_subscription(
            message_type, topic, receive, QoSProfile(depth=500, **qos), raw=raw
        )

    def stop_recording(self, topic: str) -> None:
        self._node.destroy_subscription(self._subscriptions.pop(topic))

    def count_subscribers(self, topic: str) -> int:
        """Return how many there are; of a topic that we advertise those that get our messages."""
        if topic in self._publishers:
            return int(self._publishers[topic].get_subscription_count())
        return int(self._node.count_subscribers(topic))

    def list_services(self) -> list[str]:
        return [name for name, _ in self._node.get_service_names_and_types()]

    def count_publishers(self, topic: str) -> int:
        return int(self._node.count_publishers(topic))

    def call(self, service: str, service_type: Any, request: Any) -> Any:
        """Call a service and return its answer."""
        client = self._node.create_client(service_type, service)
        assert self.spin_until(client.service_is_ready), service
        future = client.call_async(request)
        assert self.spin_until(future.done), service
        self._node.destroy_client(client)
        return future.result()

    def has_logged(self, *words: str) -> bool:
        """Return whether a line of the log holds all words; needs ``record("/rosout", Log)``."""
        return any(all(word in line.msg for word in words) for line in self.received["/rosout"])

    def publish(self, topic: str, message: object) -> None:
        self._publishers[topic].publish(message)

    def is_connected(self) -> bool:
        """Return whether each topic has a subscriber, and each recorded topic a publisher.

        For half a second: the other side matches on its own, a little earlier or later, and what
        it publishes before is lost.
        """
        endpoints = [p.get_subscription_count() for p in self._publishers.values()]
        endpoints += [s.get_publisher_count() for s in self._subscriptions.values()]
        if not all(endpoints):
            self._connected_since_s = None
        elif self._connected_since_s is None:
            self._connected_since_s = time.monotonic()
        return all(endpoints) and time.monotonic() - self._connected_since_s > 0.5

    def spin(self, duration_s: float) -> None:
        self.spin_until(lambda: False, duration_s)

    def spin_until(self, condition: Callable[[], bool], timeout_s: float = 120) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            if condition():
                return True
            self._executor.spin_once(timeout_sec=0.02)
        return condition()

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


class NodeProcess(LoggedProcess):
    """The executable ``anonymizer``, started with the arguments that launch_ros builds."""

    def __init__(
        self, domain: int, parameters: dict[str, str], command: Sequence[str | Path] = ANONYMIZER
    ) -> None:
        pairs = [("-p", f"{name}:={value}") for name, value in parameters.items()]
        overrides = [word for pair in pairs for word in pair]
        arguments = ["-r", "__node:=anonymizer", "-r", "__ns:=/", *overrides]
        environment = os.environ | {
            "ROS_DOMAIN_ID": str(domain),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")]),
        }
        super().__init__("the node", [*command, "--ros-args", *arguments], environment)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait_for_handlers(self) -> None:
        """Wait until SIGTERM no longer ends Python as it does by default (proc_pid_status(5))."""
        deadline_s = time.monotonic() + 60
        while not int(self._read_proc("status", r"SigCgt:\s+(\w+)")[0], 16) >> 14 & 1:
            assert time.monotonic() < deadline_s
            time.sleep(0.005)

    def list_shared_memory(self) -> set[str]:
        """Return the segments of DDS that it has opened; none once it ended.

        Not its ports, which all processes of this machine share.
        """
        return set(self._read_proc("maps", rf"{SHARED_MEMORY}/fast[a-z]+_[0-9a-f]{{16}}"))

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def _read_proc(self, name: str, pattern: str) -> list[str]:
        path = Path(f"/proc/{self._process.pid}/{name}")
        try:
            return re.findall(pattern, path.read_text(encoding="ascii"))
        except OSError:  # it ended
            return []

    def wait(self, timeout_s: float = 120) -> int:
        try:
            return self._process.wait(timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process, which would leave 70 MB in /dev/shm if it were killed at once."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()


class LiveNode:
    """The node in a thread of this process, with models of the test's own."""

    def __init__(
        self, domain: int, models: Any, options: dict[str, Any], **parameters: Any
    ) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        named = {name.replace("__", "."): value for name, value in parameters.items()}
        overrides = [rclpy.Parameter(name, value=value) for name, value in named.items()]
        self.models = models
        self.node = AnonymizerNode(
            models, context=self._context, parameter_overrides=overrides, **options
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        if self.node.autostart:
            self.node.configure_and_activate()
        while not self._stop.is_set():
            self._executor.spin_once(timeout_sec=0.05)
            self.node.check_worker()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.node.stop(5)
        self._executor.shutdown()
        self.node.destroy_node()
        # The services of rclpy's lifecycle are gone from the network when it is collected.
        del self.node, self._executor
        gc.collect()
        rclpy.shutdown(context=self._context)


@contextmanager
def isolate_dds() -> Iterator[int]:
    """Yield a DDS domain that nobody else on this machine uses, with whole images let through."""
    with claim_dds_domain() as domain, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "config/fastdds.xml"))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield domain
