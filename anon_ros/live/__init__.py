"""Processing live streams with one worker thread; no ROS."""

from anon_ros.live.gate import Gate, Withheld
from anon_ros.live.inbox import Counts, Fate, Inbox, Taken
from anon_ros.live.latencies import Latencies
from anon_ros.live.pipeline import EXPECTED_REASONS, Models, Pipeline, Ports
from anon_ros.live.worker import Processor, Worker

__all__ = [
    "EXPECTED_REASONS",
    "Counts",
    "Fate",
    "Gate",
    "Inbox",
    "Latencies",
    "Models",
    "Pipeline",
    "Ports",
    "Processor",
    "Taken",
    "Withheld",
    "Worker",
]
