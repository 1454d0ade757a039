"""Publishing CameraInfo together with the images that it describes."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import TypeVar

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from anon_ros.live import Gate, Withheld
from anon_ros.ros.messages import ImageMessage
from anon_ros.ros.qos import publisher_options, subscription_options, usual

# Ten seconds of a 30 Hz camera: as long as a slow inpainter may take for one frame.
_KEPT = 300

_NS_PER_S = 1_000_000_000
# Less is disorder on the way, not a clock that was set back or a bag that begins anew.
JUMP_NS = 500_000_000

T = TypeVar("T")


class CameraInfoPairing:
    """Holds CameraInfo messages back until an image with their stamp has been published.

    An image leaves long after its CameraInfo came. Published at once, the infos would have left a
    subscriber's synchronising queue when their image arrives.
    """

    def __init__(self, publish: Callable[[CameraInfo], None]) -> None:
        self._publish = publish
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
            if self._newest is not None and stamp_ns(self._newest) > stamp + JUMP_NS:
                self._forget()

    def on_info(self, info: CameraInfo) -> None:
        """Take a CameraInfo: publish it if its image has been published, else keep it."""
        with self._lock:
            stamp = stamp_ns(info)
            if self._newest is not None and stamp < stamp_ns(self._newest) - JUMP_NS:
                self._forget()
            self._newest = info
            if stamp in self._due:
                del self._due[stamp]
                self._send(info)
            else:
                _keep(self._waiting, stamp, info)

    def on_image(self, image: ImageMessage) -> None:
        """Publish the info with the stamp of an image that was just published.

        It goes out once, with the first of several image topics of the camera. A driver whose
        infos never carry its images' stamps gets the newest info with each image.
        """
        with self._lock:
            stamp = stamp_ns(image)
            info = self._waiting.pop(stamp, None)
            if info is not None:
                self._send(info)
                return
            _keep(self._due, stamp, None)
            if self._newest is not None and not self._synchronised:
                self._publish(self._newest)

    def _forget(self) -> None:
        self._waiting.clear()
        self._due.clear()
        self._newest = None
        self._synchronised = False

    def _send(self, info: CameraInfo) -> None:
        self._synchronised = True
        self._publish(info)


class CameraInfoMirror:
    """A CameraInfo topic and its mirrored topic, shared by all image topics of the camera.

    Args:
        node: owner of subscription and publisher.
        topic: fully qualified.
        mirrored: of the mirrored topic.
        gate: that every info has to pass.
    """

    def __init__(self, node: Node, topic: str, mirrored: str, gate: Gate) -> None:
        self._node = node
        self.topic = topic
        self._subscription: object = None
        self.publisher = node.create_publisher(
            CameraInfo, mirrored, usual()[1], **publisher_options(node, mirrored)
        )
        self._gate = gate
        self.pairing = CameraInfoPairing(self._publish)

    def listen(self, *, wanted: bool) -> None:
        """Subscribe, or stop."""
        if wanted and self._subscription is None:
            self._subscription = self._node.create_subscription(
                CameraInfo,
                self.topic,
                self.pairing.on_info,
                usual()[0],
                **subscription_options(self._node, self.topic),
            )
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self.pairing.reset()

    def _publish(self, info: CameraInfo) -> None:
        with suppress(Withheld):
            self._gate.run(lambda: self.publisher.publish(info))

    def close(self) -> None:
        self.listen(wanted=False)
        self._node.destroy_publisher(self.publisher)


def stamp_ns(message: ImageMessage | CameraInfo) -> int:
    """The header's stamp in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * _NS_PER_S + int(stamp.nanosec)


def _keep(kept: "OrderedDict[int, T]", stamp: int, value: T) -> None:
    kept[stamp] = value
    if len(kept) > _KEPT:
        kept.popitem(last=False)
