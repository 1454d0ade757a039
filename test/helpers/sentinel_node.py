"""The node with the models of a test: ``sentinel_node.py LOAD_S --ros-args ...``."""

import sys
import time
from typing import Any

from anon_ros.ros.main import main
from helpers.fake_models import SentinelModelProvider


class SlowModelProvider(SentinelModelProvider):
    """Takes its time to load."""

    def __init__(self, load_s: float) -> None:
        super().__init__()
        self._load_s = load_s

    def anonymizer(self, config: Any) -> Any:
        time.sleep(self._load_s)
        return super().anonymizer(config)


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    sys.exit(main(lambda: SlowModelProvider(seconds)))
