"""Windows that hold still over frames."""

import numpy as np

from anon_ros.tracking.stable_window import StableWindow


def test_stable_window_contains_box() -> None:
    random, steady = np.random.default_rng(0), StableWindow()
    sizes = set()
    for index in range(200):
        x0, y0 = 50 + 2 * index, 100
        box = np.array([x0, y0, x0 + 40, y0 + 120]) + random.uniform(-3, 3, 4)
        roi = steady.update(box)
        assert roi.x0 <= box[0]
        assert roi.y0 <= box[1]
        assert roi.x1 >= box[2]
        assert roi.y1 >= box[3]
        sizes.add((roi.width_px, roi.height_px))
    assert len(sizes) <= 2
    grown = steady.update(np.array([0.0, 0, 400, 600]))
    assert (grown.width_px, grown.height_px) > (400, 600)
    shrunk = steady.update(np.array([0.0, 0, 40, 60]))
    assert shrunk.width_px < 80
