"""Processing live streams with one worker thread; no ROS."""

from anon_ros.live.cover_counter import Cover
from anon_ros.live.frame_io import FrameIO, ModelProvider
from anon_ros.live.latency_stats import LatencyStats
from anon_ros.live.mailbox import FrameCounts, FrameStatus, Mailbox, QueuedFrame
from anon_ros.live.output_gate import GateClosed, OutputGate
from anon_ros.live.pipeline import FramePipeline
from anon_ros.live.worker import BatchProcessor, InferenceWorker

__all__ = [
    "BatchProcessor",
    "Cover",
    "FrameCounts",
    "FrameIO",
    "FramePipeline",
    "FrameStatus",
    "GateClosed",
    "InferenceWorker",
    "LatencyStats",
    "Mailbox",
    "ModelProvider",
    "OutputGate",
    "QueuedFrame",
]
