"""Print how fast copied messages are searched for pictures, per second of CPU time, as a table.

Every message that is copied, and may hold bytes or text, is searched as a whole.

usage: python bench/media_search.py [BYTES]
"""

import sys
import time
from collections.abc import Mapping

import numpy as np

from anon_ros.images.content.media import find_media

NUM_BYTES, NUM_SMALL = 64_000_000, 20_000  # bytes at once, messages one by one
SMALL_BYTES = 400  # of an Imu, Odometry or short status


def make_data(num_bytes: int) -> Mapping[str, bytes]:
    random = np.random.default_rng(0)
    line = b'{"stamp": 123.456, "name": "wheel_front_left", "speed": 3.25}\n'
    return {
        "noise": random.integers(0, 256, num_bytes, np.uint8).tobytes(),
        "float32": random.normal(0, 20, num_bytes // 4).astype("<f4").tobytes(),
        "zeros": bytes(num_bytes),
        "JSON": line * (num_bytes // len(line)),
    }


def main() -> None:
    data = make_data(int(sys.argv[1]) if sys.argv[1:] else NUM_BYTES)
    print("| data | MB/s |\n| --- | --- |")
    for name, content in data.items():
        started_s = time.process_time()
        if media := find_media(content):
            print(f"{name}: {media}, where there is none")
        elapsed_s = time.process_time() - started_s
        print(f"| {name} | {len(content) / 1e6 / elapsed_s:.0f} |")
    small = data["float32"][:SMALL_BYTES]
    started_s = time.process_time()
    for _ in range(NUM_SMALL):
        find_media(small)
    each_us = (time.process_time() - started_s) / NUM_SMALL * 1e6
    print(f"\n{each_us:.0f} us per message of {SMALL_BYTES} bytes")


if __name__ == "__main__":
    main()
