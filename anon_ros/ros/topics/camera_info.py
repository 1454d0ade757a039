"""Publication of CameraInfo together with the images that it describes."""

from collections import OrderedDict
from threading import Lock
from typing import Any, TypeVar

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from anon_ros.errors import format_error
from anon_ros.live import GateClosed, OutputGate
from anon_ros.ros.topics.image_messages import ImageMessage, reject_hidden_info, stamp_ns
from anon_ros.ros.topics.qos import (
    default_profiles,
    is_latched,
    latched_profile,
    publisher_options,
    subscription_options,
)

# Ten seconds of a 30 Hz camera: as long as a slow inpainter may take for a frame.
_MAX_ENTRIES = 300

# Smaller steps back are reordering, not a clock that was set back or a bag that starts again.
TIME_JUMP_NS = 500_000_000

MIN_IMAGES = 5
"""Images of a camera after which its calibration is missed."""

T = TypeVar("T")


class CameraInfoPairing:
    """Queue that holds CameraInfo back until an image with the same stamp has been published.

    An image is published long after its CameraInfo arrived. Published at once, the info would have
    left a subscriber's synchronizing queue when the image arrives.

    Any thread may call it. It returns messages instead of publishing them, because the publisher's
    side holds a lock.

    Args:
        is_latched: True if an info may have been published long before the images. The first is
            then returned at once, and none is returned twice.
    """

    def __init__(self, *, is_latched: bool = False) -> None:
        self._lock = Lock()
        self._is_latched = is_latched
        self._sent: CameraInfo | None = None
        self._waiting: OrderedDict[int, CameraInfo] = OrderedDict()
        self._due: OrderedDict[int, None] = OrderedDict()
        self._newest: CameraInfo | None = None
        self._is_synchronized = False

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            self._forget()

    def on_jump(self, stamp: int) -> None:
        """Forget what came before the images' stamps jumped back to ``stamp``."""
        with self._lock:
            # Infos that have jumped before the image are those of the images to come.
            if self._newest is not None and stamp_ns(self._newest) > stamp + TIME_JUMP_NS:
                self._forget()

    def on_info(self, info: CameraInfo) -> CameraInfo | None:
        """Return a CameraInfo if its image has been published; else store it and return None."""
        with self._lock:
            stamp = stamp_ns(info)
            if self._newest is not None and stamp < stamp_ns(self._newest) - TIME_JUMP_NS:
                self._forget()
            is_first, self._newest = self._newest is None, info
            if stamp not in self._due:
                _store(self._waiting, stamp, info)
                return self._select_unsent(info) if is_first and self._is_latched else None
            del self._due[stamp]
            self._is_synchronized = True
            return info

    def on_image(self, image: ImageMessage) -> CameraInfo | None:
        """Return the info to publish with an image that was just published, None without one.

        An info is returned once, for the first of several image topics of the camera. If a driver's
        infos never carry the stamps of its images, the newest info is returned for every image.
        """
        with self._lock:
            stamp = stamp_ns(image)
            info = self._waiting.pop(stamp, None)
            if info is not None:
                self._is_synchronized = True
                return self._select_unsent(info)
            _store(self._due, stamp, None)
            return None if self._is_synchronized else self._select_unsent(self._newest)

    def _select_unsent(self, info: CameraInfo | None) -> CameraInfo | None:
        if self._is_latched and info is self._sent:
            return None
        self._sent = info
        return info

    def _forget(self) -> None:
        self._waiting.clear()
        self._due.clear()
        self._newest = None
        self._is_synchronized = False


class CameraInfoMirror:
    """CameraInfo topic and its mirrored topic, shared by all image topics of the camera.

    Both are latched (transient local) while all publishers of the topic are.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: name of the mirrored topic.
        gate: passed by every info.
    """

    def __init__(self, node: Node, topic: str, mirrored: str, gate: OutputGate) -> None:
        self._node = node
        self.topic = topic
        self._mirrored = mirrored
        self._subscription: object = None
        self._gate = gate
        self._is_latched = is_latched(node, topic)
        self._has_received = False
        self.publisher = self._create_publisher()
        self.pairing = CameraInfoPairing(is_latched=self._is_latched)

    def update_durability(self) -> None:
        """Open both topics anew if the publishers have become latched, or are no longer."""
        latched = is_latched(self._node, self.topic)
        if latched == self._is_latched or not self._node.count_publishers(self.topic):
            return
        self.set_subscribed(wanted=False)
        self._is_latched = latched
        self.pairing = CameraInfoPairing(is_latched=latched)
        previous, self.publisher = self.publisher, self._create_publisher()
        self._node.destroy_publisher(previous)

    def find_problem(self, num_images: int) -> str:
        """Return the reason why a camera has no calibration; empty if it has one.

        Args:
            num_images: received images of the camera.
        """
        if not self._node.count_publishers(self.topic):
            return f"nobody publishes {self.topic}"
        if num_images > MIN_IMAGES and not self._has_received:
            return f"{self.topic} has a publisher, but sends nothing"
        return ""

    def set_subscribed(self, *, wanted: bool) -> None:
        """Subscribe, or end the subscription.

        A latched topic is not subscribed while the gate is closed: its last message would be lost.
        """
        wanted = wanted and (self._gate.is_open or not self._is_latched)
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                CameraInfo,
                self.topic,
                self._receive,
                latched_profile() if self._is_latched else default_profiles()[0],
                **subscription_options(self._node, self.topic),
            )
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self.pairing.reset()

    def on_image(self, image: ImageMessage) -> None:
        """Publish the info of an image that was just published. Any thread may call it."""
        self._publish(self.pairing.on_image(image))

    def _create_publisher(self) -> Any:
        profile = latched_profile() if self._is_latched else default_profiles()[1]
        options = publisher_options(self._node, self._mirrored)
        return self._node.create_publisher(CameraInfo, self._mirrored, profile, **options)

    def _receive(self, info: CameraInfo) -> None:
        self._has_received = True
        self._publish(self.pairing.on_info(info))

    def _publish(self, info: CameraInfo | None) -> None:
        if info is None:
            return
        try:
            reject_hidden_info(info)
            self._gate.send(lambda: self.publisher.publish(info))
        except GateClosed:
            pass
        except Exception as error:  # noqa: BLE001 - its image is out already
            self._node.get_logger().error(
                f"{self.topic}: not published: {format_error(error)}", throttle_duration_sec=1.0
            )

    def close(self) -> None:
        self.set_subscribed(wanted=False)
        self._node.destroy_publisher(self.publisher)


def _store(entries: "OrderedDict[int, T]", stamp: int, value: T) -> None:
    entries[stamp] = value
    if len(entries) > _MAX_ENTRIES:
        entries.popitem(last=False)
