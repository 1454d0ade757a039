"""Which of one side belongs to which of the other."""

import numpy as np
import numpy.typing as npt


def greedy_match(costs: npt.NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
    """Pairs of rows and columns, the cheapest first, none of them twice and none above ``limit``.

    Of equal costs the first row's, then the first column's counts.

    Args:
        costs: (N, M) float64.
        limit: the highest cost of a pair.
    """
    pairs: list[tuple[int, int]] = []
    rows, columns = set(range(costs.shape[0])), set(range(costs.shape[1]))
    for flat in np.argsort(costs, axis=None, kind="stable").tolist():
        row, column = divmod(flat, costs.shape[1])
        if row in rows and column in columns and costs[row, column] <= limit:
            pairs.append((row, column))
            rows.remove(row)
            columns.remove(column)
    return pairs


def match_masks(
    ones: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_], least_iou: float
) -> dict[int, int]:
    """Which masks show the same: by index of one, that of the other; best overlap first.

    Args:
        ones: (N, H, W) bool.
        others: (M, H, W) bool.
        least_iou: intersection over union below which two do not.
    """
    overlaps = np.array([[_iou(one, other) for other in others] for one in ones])
    pairs = greedy_match(1 - overlaps.reshape(len(ones), len(others)), 1 - least_iou)
    return dict(pairs)


def _iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    union_px = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union_px if union_px else 0.0
