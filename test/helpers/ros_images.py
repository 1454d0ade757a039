"""Image messages made from arrays, and back."""

from array import array
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from anon_ros.core import RgbImage


def set_stamp(message: Any, index: int) -> Any:
    message.header.stamp.sec, message.header.stamp.nanosec = 1000 + index, 5 * index
    message.header.frame_id = f"camera {index}"
    return message


def make_raw_message(image: RgbImage, index: int, padding: int = 4) -> Image:
    """bgr8 with padded rows."""
    height_px, width_px = image.shape[:2]
    rows = np.full((height_px, width_px * 3 + padding), 7, np.uint8)
    rows[:, : width_px * 3] = image[..., ::-1].reshape(height_px, -1)
    message = Image(height=height_px, width=width_px, encoding="bgr8", step=rows.shape[1])
    message.data = array("B", rows.tobytes())
    return set_stamp(message, index)


def make_bayer_message(image: RgbImage, index: int) -> Image:
    """bayer_rggb8: of each pixel one channel."""
    height_px, width_px = image.shape[:2]
    mosaic = image[..., 1].copy()
    mosaic[0::2, 0::2] = image[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = image[1::2, 1::2, 2]
    message = Image(height=height_px, width=width_px, encoding="bayer_rggb8", step=width_px)
    message.data = array("B", mosaic.tobytes())
    return set_stamp(message, index)


def make_jpeg_message(image: RgbImage, index: int) -> CompressedImage:
    data = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    message = CompressedImage(format="bgr8; jpeg compressed bgr8", data=array("B", data))
    return set_stamp(message, index)
