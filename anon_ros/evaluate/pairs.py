"""Which of one side belongs to which of the other."""

import numpy as np
import numpy.typing as npt


def cheapest_pairs(costs: npt.NDArray[np.float64], limit: float) -> list[tuple[int, int]]:
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
