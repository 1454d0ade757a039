"""The node with the models of a test, which load at once: ``sentinel_node.py --ros-args ...``."""

import sys

from anon_ros.ros.main import main
from helpers.fake_models import SentinelModelProvider

if __name__ == "__main__":
    sys.exit(main(SentinelModelProvider))
