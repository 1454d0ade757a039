"""Names of CameraInfo topics."""

import pytest

from anon_ros.ros.topics.topic_names import camera_info_topic


@pytest.mark.parametrize(
    ("topic", "compressed", "info"),
    [
        ("/cam/image_raw", False, "/cam/camera_info"),
        ("/image", False, "/camera_info"),
        ("/cam/image_raw/compressed", True, "/cam/camera_info"),
        ("/cam/image_raw/compressedDepth", True, "/cam/camera_info"),
        ("/cam/image_raw/zstd", True, "/cam/camera_info"),
        ("/cam/image_compressed", True, "/cam/camera_info"),
        ("/cam/compressed", False, "/cam/camera_info"),
    ],
)
def test_camera_info_topic_name(topic: str, compressed: bool, info: str) -> None:  # noqa: FBT001
    assert camera_info_topic(topic, compressed=compressed) == info
