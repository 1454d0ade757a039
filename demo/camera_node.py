"""The first process of the demo: a camera that publishes real pedestrians."""

import argparse
import time
from array import array
from pathlib import Path

import rclpy
from camera_frames import HEIGHT_PX, LIVE_PERIOD_S, WIDTH_PX, open_camera, stamp_ns
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from anon_ros.utils.units import NS_PER_S


def make_header(index: int) -> Header:
    message = Header(frame_id="camera_optical_frame")
    message.stamp.sec, message.stamp.nanosec = divmod(stamp_ns(index), NS_PER_S)
    return message


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--video", type=Path)
    arguments = parser.parse_args()
    camera = open_camera(arguments.video)
    rclpy.init()
    node = Node("camera")
    images = node.create_publisher(Image, "camera/image_raw", qos_profile_sensor_data)
    infos = node.create_publisher(CameraInfo, "camera/camera_info", QoSProfile(depth=5))
    while images.get_subscription_count() == 0:
        time.sleep(0.1)
    for index in range(arguments.frames):
        pixels = array("B")
        pixels.frombytes(camera.frame(index).tobytes())
        infos.publish(CameraInfo(header=make_header(index), height=HEIGHT_PX, width=WIDTH_PX))
        images.publish(
            Image(
                header=make_header(index),
                height=HEIGHT_PX,
                width=WIDTH_PX,
                encoding="bgr8",
                step=WIDTH_PX * 3,
                data=pixels,
            )
        )
        time.sleep(LIVE_PERIOD_S)
    # The last image may still be on its way to the subscriber.
    time.sleep(1)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
