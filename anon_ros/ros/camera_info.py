"""Publishing CameraInfo together with the images that it describes."""

from collections import OrderedDict
from threading import Lock
from typing import TypeVar

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from anon_ros.errors import format_error
from anon_ros.live import GateClosed, OutputGate
from anon_ros.ros.image_messages import ImageMessage, stamp_ns
from anon_ros.ros.qos import default_profiles, publisher_options, subscription_options

# Ten seconds of a 30 Hz camera: as long as a slow inpainter may take for one frame.
_KEPT = 300

# Less is disorder on the way, not a clock that was set back or a bag that begins anew.
TIME_JUMP_NS = 500_000_000

T = TypeVar("T")


class CameraInfoPairing:
    """Holds CameraInfo messages back until an image with their stamp has been published.

    An image leaves long after its CameraInfo came. Published at once, the infos would have left a
    subscriber's synchronising queue when their image arrives.

    Any thread may call it. It returns what is to be published: who publishes holds a lock of its
    own.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: OrderedDict[int, CameraInfo] = OrderedDict()
        self._due: OrderedDict[int, None] = OrderedDict()
        self._newest: CameraInfo | None = None
        self._synchronised = False

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
        """Take a CameraInfo: publish it if its image has been published, else keep it."""
        with self._lock:
            stamp = stamp_ns(info)
            if self._newest is not None and stamp < stamp_ns(self._newest) - TIME_JUMP_NS:
                self._forget()
            self._newest = info
            if stamp not in self._due:
                _keep(self._waiting, stamp, info)
                return None
            del self._due[stamp]
            self._synchronised = True
            return info

    def on_image(self, image: ImageMessage) -> CameraInfo | None:
        """The info to publish with an image that was just published.

        It goes out once, with the first of several image topics of the camera. A driver whose
        infos never carry its images' stamps gets the newest info with each image.
        """
        with self._lock:
            stamp = stamp_ns(image)
            info = self._waiting.pop(stamp, None)
            if info is not None:
                self._synchronised = True
                return info
            _keep(self._due, stamp, None)
            return None if self._synchronised else self._newest

    def _forget(self) -> None:
        self._waiting.clear()
        self._due.clear()
        self._newest = None
        self._synchronised = False


class CameraInfoMirror:
    """A CameraInfo topic and its mirrored topic, shared by all image topics of the camera.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: of the mirrored topic.
        gate: that every info has to pass.
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

    def listen(self, *, wanted: bool) -> None:
        """Subscribe, or stop."""
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
        """Publish the info that belongs to an image that was just published. Any thread may."""
        self._publish(self.pairing.on_image(image))

    def _receive(self, info: CameraInfo) -> None:
        self._publish(self.pairing.on_info(info))

    def _publish(self, info: CameraInfo | None) -> None:
        if info is None:
            return
        try:
            self._gate.send(lambda: self.publisher.publish(info))
        except GateClosed:
            pass
        except Exception as error:  # noqa: BLE001 - its image is out already
            self._node.get_logger().error(
                f"{self.topic}: not published: {format_error(error)}", throttle_duration_sec=1.0
            )

    def close(self) -> None:
        self.listen(wanted=False)
        self._node.destroy_publisher(self.publisher)


def _keep(kept: "OrderedDict[int, T]", stamp: int, value: T) -> None:
    kept[stamp] = value
    if len(kept) > _KEPT:
        kept.popitem(last=False)
