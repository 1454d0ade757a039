"""Debug topics for rviz, rqt and Foxglove: mask, overlay and detections."""

import logging
from array import array
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from anon_ros.config import PERSON
from anon_ros.core import AnonymizedFrame, Detections
from anon_ros.ros.overlay import draw_overlay

_LOGGER = logging.getLogger(__name__)
_DEPTH = 5
_WHITE = 255


class DebugTopics:
    """Publishers of mask, overlay and detections, active while they have subscribers.

    The messages have the header of their image. They show the place of a person, no pixel of them.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._masks = node.create_publisher(Image, "~/debug/mask", QoSProfile(depth=_DEPTH))
        self._overlays = node.create_publisher(Image, "~/debug/overlay", QoSProfile(depth=_DEPTH))
        self._vision = _import_vision_msgs()
        self._detections = (
            node.create_publisher(
                self._vision.Detection2DArray, "~/detections", QoSProfile(depth=_DEPTH)
            )
            if self._vision
            else None
        )

    def publish(self, header: Any, result: AnonymizedFrame) -> None:
        """Publish mask and detections of a frame. Any thread may call it.

        A failure is only logged: the image itself is already published.
        """
        try:
            if self._masks.get_subscription_count():
                self._masks.publish(make_mask_message(header, result))
            if self._overlays.get_subscription_count():
                self._overlays.publish(make_image_message(header, draw_overlay(result), "rgb8"))
            if self._detections and self._detections.get_subscription_count():
                names = [outcome.target for outcome in result.outcomes]
                message = make_detections_message(
                    self._vision, header, result.detections, result.track_ids, names
                )
                self._detections.publish(message)
        except Exception as error:  # noqa: BLE001 - see above
            self._node.get_logger().warning(f"debug topics: {error}", throttle_duration_sec=10.0)


def make_mask_message(header: Any, result: AnonymizedFrame) -> Image:
    """Return the replaced pixels as mono8: 255 where replaced, else 0."""
    white = result.replaced_mask.view(np.uint8) * np.uint8(_WHITE)
    return make_image_message(header, white, "mono8")


def make_image_message(header: Any, image: NDArray[np.uint8], encoding: str) -> Image:
    """Return ``image`` as a message: by cv_bridge where it is installed, else by ourselves.

    Args:
        header: of the message.
        image: (H, W) or (H, W, C) in the order of ``encoding``.
        encoding: of 8 bits per channel, as in sensor_msgs: "mono8", "rgb8", "bgr8".
    """
    if bridge := _make_cv_bridge():
        message = bridge.cv2_to_imgmsg(image, encoding)
        message.header = header
        return message
    data = array("B")
    data.frombytes(image.tobytes())
    height_px, width_px = image.shape[:2]
    step = len(data) // height_px
    return Image(
        header=header, height=height_px, width=width_px, encoding=encoding, step=step, data=data
    )


def make_detections_message(
    vision: Any,
    header: Any,
    detections: Detections,
    track_ids: Sequence[int | None] = (),
    names: Sequence[str] = (),
) -> Any:
    """Return a vision_msgs/Detection2DArray: boxes in pixels, targets as class, scores and tracks.

    Args:
        vision: module of the message types.
        header: of the image.
        detections: of the image.
        track_ids: (N,) numbers of the tracks, None for no track; or empty.
        names: (N,) of the targets; or empty for persons.
    """
    message = vision.Detection2DArray(header=header)
    boxes, scores = detections.boxes_xyxy.tolist(), detections.scores.tolist()
    tracks = track_ids or [None] * len(detections)
    targets = names or [PERSON] * len(detections)
    rows = zip(boxes, scores, tracks, targets, strict=True)
    for (x0, y0, x1, y1), score, track, target in rows:
        detection = vision.Detection2D(header=header, id="" if track is None else str(track))
        detection.bbox.center.position.x = (x0 + x1) / 2
        detection.bbox.center.position.y = (y0 + y1) / 2
        detection.bbox.size_x, detection.bbox.size_y = x1 - x0, y1 - y0
        hypothesis = vision.ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = target, score
        detection.results.append(hypothesis)
        message.detections.append(detection)
    return message


@cache
def _make_cv_bridge() -> Any:
    """Return a CvBridge, None if it is not installed or does not fit the installed numpy."""
    try:
        bridge = import_module("cv_bridge").CvBridge()
        bridge.cv2_to_imgmsg(np.zeros((1, 1), np.uint8), "mono8")  # imports its compiled part
    except Exception as error:  # noqa: BLE001 - numpy's own errors are of several types
        _LOGGER.debug("cv_bridge is not used: %s", error)
        return None
    return bridge


def _import_vision_msgs() -> ModuleType | None:
    """Return vision_msgs 4 (ROS 2 Humble and later), None if it is not installed."""
    try:
        return import_module("vision_msgs.msg")
    except ImportError:
        return None
