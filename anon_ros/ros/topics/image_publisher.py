"""Publisher of a mirrored image topic, and the JPEG that goes out beside a raw one."""

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from anon_ros.config import OutputConfig
from anon_ros.core import AnonymizedFrame
from anon_ros.images import encode_jpeg, is_gray_encoding
from anon_ros.ros.topics.image_messages import ImageMessage, make_byte_array
from anon_ros.ros.topics.mark_topic import MarkPublisher, mark_topic
from anon_ros.ros.topics.qos import publisher_options

_COMPRESSED_SUFFIX = "/compressed"
_KEPT_ENCODINGS = {"rgb8", "bgr8", "mono8"}


class ImagePublisher:
    """Publisher of anonymized images, and of the marks beside them.

    Args:
        node: owner of the publishers.
        message_type: Image or CompressedImage.
        topic: name of the mirrored topic.
        profile: offered; rclpy writes overrides into it.
        has_mark: publish marks, too.

    Attributes:
        topic: fully qualified, remapping applied.
    """

    def __init__(
        self,
        node: Node,
        message_type: type[ImageMessage],
        topic: str,
        profile: QoSProfile,
        *,
        has_mark: bool,
    ) -> None:
        self._node = node
        self._images = node.create_publisher(
            message_type, topic, profile, **publisher_options(node, topic)
        )
        self.topic = str(self._images.topic_name)
        self._marks = MarkPublisher(node, self.topic) if has_mark else None

    @property
    def topics(self) -> Sequence[str]:
        """The topic and that of its marks."""
        return self.topic, mark_topic(self.topic)

    @property
    def num_subscribers(self) -> int:
        """Number of subscribers of the images."""
        return int(self._images.get_subscription_count())

    def publish(self, image: ImageMessage, drawn_beta_d: float | None) -> None:
        """Publish an anonymized image, its mark before it. Any thread may call it.

        Args:
            image: to publish.
            drawn_beta_d: lowest noise level of the model that drew in it; None if none did.
        """
        if self._marks is not None:
            self._marks.update(drawn_beta_d)
        self._images.publish(image)

    def close(self) -> None:
        self._node.destroy_publisher(self._images)
        if self._marks is not None:
            self._marks.close()


def compressed_topic(raw: str) -> str:
    """Return the name that image_transport gives the compressed images of a raw image topic."""
    return f"{raw}{_COMPRESSED_SUFFIX}"


def make_jpeg_message(
    original: Image, result: AnonymizedFrame, output: OutputConfig
) -> CompressedImage:
    """Return the anonymized image as a JPEG like those of image_transport.

    Nothing but the header and the name of the encoding comes from ``original``.
    """
    is_gray = is_gray_encoding(original.encoding)
    stored = "mono8" if is_gray else "bgr8"
    # A subscriber converts the picture to the first name; bayer and the like it would get wrong.
    encoding = original.encoding if original.encoding in _KEPT_ENCODINGS else stored
    data = encode_jpeg(
        result.image,
        output.jpeg_quality,
        is_gray=is_gray,
        has_mark=output.mark and result.drawn_beta_d is not None,
    )
    message: Any = CompressedImage(
        header=original.header,
        format=f"{encoding}; jpeg compressed {stored}",
        data=make_byte_array(data),
    )
    return message
