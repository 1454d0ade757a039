"""The order in which persons cover each other."""

import numpy as np

from anon_ros.core.coverage import coverage_order


def test_coverage_order_is_stable() -> None:
    assert coverage_order(np.array([5, 3, 9, 3, 5])) == [1, 3, 0, 4, 2]
