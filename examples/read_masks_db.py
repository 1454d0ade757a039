"""Read the masks beside an anonymized bag: python examples/read_masks_db.py OUT/masks.db.

The table ``frames`` has one row per image message. ``mask`` is a PNG with one bit per pixel: white
where the image was replaced, NULL where nothing was.
"""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

_QUERY = "SELECT topic, log_time_ns, outcome, boxes, mask FROM frames ORDER BY topic, log_time_ns"


def main(path: str) -> int:
    """Print, for each image, its persons' boxes and the ratio of its pixels that was replaced."""
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as database:
        for topic, log_time_ns, outcome, boxes, png in database.execute(_QUERY):
            replaced = "nothing"
            if png is not None:
                mask = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
                assert mask is not None, "damaged mask"
                replaced = f"{np.count_nonzero(mask) / mask.size:.1%}"
            boxes_xyxy = [[round(edge_px) for edge_px in box] for box in json.loads(boxes)]
            print(f"{topic} {log_time_ns} {outcome}: {replaced} replaced, persons {boxes_xyxy}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
