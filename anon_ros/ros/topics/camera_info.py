"""Publication of CameraInfo together with the images that it describes."""

from collections import OrderedDict
from threading import Lock
from typing import TypeVar

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from anon_ros.errors import format_error
from anon_ros.live import GateClosed, OutputGate
from anon_ros.ros.topics.image_messages import ImageMessage, reject_hidden_info, stamp_ns
from anon_ros.ros.topics.qos import default_profiles, publisher_options, subscription_options

# Ten seconds of a 30 Hz camera: as long as a slow inpainter may take for a frame.
_MAX_ENTRIES = 300

# Smaller steps back are reordering, not a clock that was set back or a bag that starts again.
TIME_JUMP_NS = 500_000_000

T = TypeVar("T")


class CameraInfoPairing:
    """Queue that holds CameraInfo back until an image with the same stamp has been published.

    An image is published long after its CameraInfo arrived. Published at once, the info would have
    left a subscriber's synchronizing queue when the image arrives.

    Any thread may call it. It returns messages instead of publishing them, because the publisher's
    side holds a lock.
    """

    def __init__(self) -> None:
        self._lock = Lock()
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
            self._newest = info
            if stamp not in self._due:
                _store(self._waiting, stamp, info)
                return None
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
                return info
            _store(self._due, stamp, None)
            return None if self._is_synchronized else self._newest

    def _forget(self) -> None:
        self._waiting.clear()
        self._due.clear()
        self._newest = None
        self._is_synchronized = False


class CameraInfoMirror:
    """CameraInfo topic and its mirrored topic, shared by all image topics of the camera.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: name of the mirrored topic.
        gate: passed by every info.
    """

    def __init__(self, node: Node, topic: str, mirrored: str, gate: OutputGate) -> None:
        self._node = node
        self.topic = topic
        self._subscription: object = None
        self.publisher = node.create_publisher(
            CameraInfo, mirrored, default_profiles()[1], **publisher_options(node, mirrored)
        )
        self._gate = gate
        self.pairing = CameraInfoPairing()

    def set_subscribed(self, *, wanted: bool) -> None:
        """Subscribe, or end the subscription."""
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                CameraInfo,
                self.topic,
                self._receive,
                default_profiles()[0],
                **subscription_options(self._node, self.topic),
            )
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self.pairing.reset()

    def on_image(self, image: ImageMessage) -> None:
        """Publish the info of an image that was just published. Any thread may call it."""
        self._publish(self.pairing.on_image(image))

    def _receive(self, info: CameraInfo) -> None:
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
