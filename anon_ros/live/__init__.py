"""Processing a live stream with one worker thread; no ROS."""

from anon_ros.live.inbox import Counts, Fate, Inbox
from anon_ros.live.skip import SkipPolicy
from anon_ros.live.worker import Process, Worker

__all__ = ["Counts", "Fate", "Inbox", "Process", "SkipPolicy", "Worker"]
