"""Publishing CameraInfo together with the image that it describes."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from sensor_msgs.msg import CameraInfo

from anon_ros.ros.messages import ImageMessage

# Ten seconds of a 30 Hz camera: as long as a slow inpainter may take for one frame.
_KEPT = 300


class CameraInfoPairing:
    """Holds CameraInfo messages back until their image has been published.

    An image leaves long after its CameraInfo came. Published at once, the infos would have left a
    subscriber's synchronising queue when their image arrives.
    """

    def __init__(self, publish: Callable[[CameraInfo], None]) -> None:
        self._publish = publish
        self._waiting: OrderedDict[tuple[int, int], CameraInfo] = OrderedDict()
        self._newest: CameraInfo | None = None
        self._due: tuple[int, int] | None = None
        self._synchronised = False
        self._lock = Lock()

    def on_info(self, info: CameraInfo) -> None:
        """Take a CameraInfo: publish it if its image was the last one published, else keep it."""
        with self._lock:
            self._newest = info
            stamp = _stamp(info)
            if stamp == self._due:
                self._send(info)
                return
            self._waiting[stamp] = info
            if len(self._waiting) > _KEPT:
                self._waiting.popitem(last=False)

    def on_image(self, image: ImageMessage) -> None:
        """Publish the info with the stamp of an image that was just published.

        A driver whose infos never carry its images' stamps gets the newest info with each image.
        """
        with self._lock:
            self._due = _stamp(image)
            info = self._waiting.pop(self._due, None)
            if info is not None:
                self._send(info)
            elif self._newest is not None and not self._synchronised:
                self._publish(self._newest)

    def _send(self, info: CameraInfo) -> None:
        self._synchronised = True
        self._due = None
        self._publish(info)


def _stamp(message: ImageMessage | CameraInfo) -> tuple[int, int]:
    stamp = message.header.stamp
    return stamp.sec, stamp.nanosec
