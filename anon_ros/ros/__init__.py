"""The ROS 2 node; the only home of rclpy and of message packages."""
