"""The node and its peers, in a DDS domain of the test's own."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rcl_interfaces.msg import Log

from helpers.fake_models import (
    SentinelModelProvider,
)
from helpers.ros_nodes import SENTINEL_NODE, LiveNode, NodeProcess, Peer, isolate_dds
from helpers.ros_streams import LASTING


@pytest.fixture
def start_live_node(dds_domain: int) -> Iterator[Callable[..., LiveNode]]:
    """Start a LiveNode: models, rclpy's node options, parameters (a__b for a.b)."""
    started: list[LiveNode] = []

    def run(models: Any = None, options: Any = None, **parameters: Any) -> LiveNode:
        fast = {"inpaint__method": "fill"} | parameters
        started.append(
            LiveNode(dds_domain, models or SentinelModelProvider(), options or {}, **fast)
        )
        return started[-1]

    yield run
    for node in started:
        node.close()


@pytest.fixture
def dds_domain() -> Iterator[int]:
    """A DDS domain for this test alone."""
    with isolate_dds() as domain:
        yield domain


@pytest.fixture(scope="module", autouse=True)
def frozen_heap() -> Iterator[None]:
    """Spare LiveNode's collections the heap of torch and earlier tests: a second for each node."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def start_node_process(dds_domain: int) -> Iterator[Callable[..., NodeProcess]]:
    started: list[NodeProcess] = []

    def run(**parameters: str) -> NodeProcess:
        named = {name.replace("__", "."): value for name, value in parameters.items()}
        started.append(NodeProcess(dds_domain, named))
        return started[-1]

    yield run
    for process in started:
        process.kill()


@pytest.fixture
def start_sentinel_process(dds_domain: int) -> Iterator[Callable[..., NodeProcess]]:
    """Start the node with fake models as a process of its own: parameters (a__b for a.b)."""
    started: list[NodeProcess] = []

    def run(load_s: float = 0.0, **parameters: str) -> NodeProcess:
        fast = {"inpaint__method": "fill"} | parameters
        named = {name.replace("__", "."): value for name, value in fast.items()}
        started.append(NodeProcess(dds_domain, named, (*SENTINEL_NODE, str(load_s))))
        return started[-1]

    yield run
    for process in started:
        process.kill()


@pytest.fixture
def peer(dds_domain: int) -> Iterator[Peer]:
    peer = Peer(dds_domain)
    yield peer
    peer.close()


@pytest.fixture
def third_peer(dds_domain: int) -> Iterator[Peer]:
    """A third participant."""
    third_peer = Peer(dds_domain)
    yield third_peer
    third_peer.close()


@pytest.fixture
def wait_for_log(peer: Any) -> Callable[..., bool]:
    """Wait until one line of the log holds all these words."""
    peer.record("/rosout", Log, **LASTING)
    return lambda *words, timeout_s=120: peer.spin_until(lambda: peer.has_logged(*words), timeout_s)
