"""One image topic and its mirrored topic."""

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage

from anon_ros.ros.camera_info import CameraInfoPairing
from anon_ros.ros.messages import ImageMessage
from anon_ros.ros.topics import camera_info_topic, mirrored_topic

# As image_pipeline does (REP 2003): offer the most, ask for the least.
_PUBLISHED = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
_SUBSCRIBED = qos_profile_sensor_data


class ImageStream:
    """Subscribes to an image topic and its CameraInfo, and publishes both mirrored.

    Args:
        node: owner of subscriptions and publishers.
        topic: name of the image topic as configured; remapping applies.
        message_type: Image or CompressedImage.
        prefix: of the mirrored topics.
        on_image: called in the executor's thread for each image.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        message_type: type[ImageMessage],
        prefix: str,
        on_image: Callable[[ImageMessage], None],
    ) -> None:
        name = node.resolve_topic_name(topic)
        info = camera_info_topic(name, compressed=message_type is CompressedImage)
        self._images = node.create_publisher(message_type, mirrored_topic(name, prefix), _PUBLISHED)
        self.mirrored = str(self._images.topic_name)
        infos = node.create_publisher(CameraInfo, mirrored_topic(info, prefix), _PUBLISHED)
        self._pairing = CameraInfoPairing(infos.publish)
        node.create_subscription(CameraInfo, info, self._pairing.on_info, _SUBSCRIBED)
        node.create_subscription(message_type, topic, on_image, _SUBSCRIBED)

    def publish(self, image: ImageMessage) -> None:
        """Publish an anonymized image and the CameraInfo that belongs to it. Any thread may."""
        self._images.publish(image)
        self._pairing.on_image(image)
