"""Matching of two sets by cost or overlap."""

import numpy as np
import numpy.typing as npt


def match_greedily(costs: npt.NDArray[np.float64], max_cost: float) -> list[tuple[int, int]]:
    """Return pairs of a row and a column, the cheapest first, each row and column used once.

    Among equal costs the first row wins, then the first column.

    Args:
        costs: (N, M) float64.
        max_cost: the highest cost of a pair.
    """
    pairs: list[tuple[int, int]] = []
    rows, columns = set(range(costs.shape[0])), set(range(costs.shape[1]))
    for flat in np.argsort(costs, axis=None, kind="stable").tolist():
        row, column = divmod(flat, costs.shape[1])
        if row in rows and column in columns and costs[row, column] <= max_cost:
            pairs.append((row, column))
            rows.remove(row)
            columns.remove(column)
    return pairs


def match_masks(
    references: npt.NDArray[np.bool_], candidates: npt.NDArray[np.bool_], min_iou: float
) -> dict[int, int]:
    """Match masks by overlap, the best first; return candidate indices by reference index.

    Args:
        references: (N, H, W) bool.
        candidates: (M, H, W) bool.
        min_iou: smallest intersection over union of a match.
    """
    overlaps = np.array(
        [
            [_compute_iou(reference, candidate) for candidate in candidates]
            for reference in references
        ]
    )
    pairs = match_greedily(1 - overlaps.reshape(len(references), len(candidates)), 1 - min_iou)
    return dict(pairs)


def _compute_iou(reference: npt.NDArray[np.bool_], candidate: npt.NDArray[np.bool_]) -> float:
    union_px = np.count_nonzero(reference | candidate)
    return np.count_nonzero(reference & candidate) / union_px if union_px else 0.0
