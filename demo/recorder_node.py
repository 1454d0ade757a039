"""The last process of the demo: writes topics to an mcap bag, byte for byte, as rosbag2 does."""

import argparse
import contextlib
import time
from functools import partial
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image

TYPES = {"Image": Image, "CameraInfo": CameraInfo}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("bag", type=Path)
    parser.add_argument("topics", nargs="+", metavar="TOPIC=TYPE")
    arguments = parser.parse_args()
    rclpy.init()
    node = Node("recorder")
    typestore = get_typestore(Stores.ROS2_JAZZY)
    with Writer(arguments.bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:

        def write(connection: object, data: bytes) -> None:
            writer.write(connection, time.time_ns(), data)

        for topic, _, name in (argument.partition("=") for argument in arguments.topics):
            connection = writer.add_connection(
                topic, f"sensor_msgs/msg/{name}", typestore=typestore
            )
            received = partial(write, connection)
            node.create_subscription(TYPES[name], topic, received, QoSProfile(depth=50), raw=True)
        with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
            rclpy.spin(node)


if __name__ == "__main__":
    main()
