"""Tables and summary of paste orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anon_ros.config import Config
from anon_ros.core import Detections, make_regions
from anon_ros.evaluation.report.model import Table
from anon_ros.evaluation.report.tables import format_estimate
from anon_ros.metrics import (
    MISORDER_CAUSES,
    Estimate,
    PasteOrderResult,
    bootstrap,
    estimate_proportion,
    evaluate_paste_order,
)

EXACT, FOUND, REAL = "synthetic, exact masks", "synthetic, segmenter", "real frames"
COVERAGE, DETECTION, BOTTOM = "coverage", "detection", "box bottom"
NOISY, DEPTH = "depth, 5 % off", "depth map"


class PersonsWithDepth(NamedTuple):
    """Persons to paste, and their true distances."""

    detections: Detections
    depths: Sequence[float]


@dataclass
class PasteOrderStatistics:
    """Results of one kind of scenes by paste order, in the order of the scenes."""

    results: dict[str, list[PasteOrderResult]] = field(default_factory=dict)

    def add(
        self, persons: PersonsWithDepth, orders: Mapping[str, Sequence[int]], config: Config
    ) -> None:
        """Add a scene, pasted in every order (indices of persons, the last on top)."""
        regions = make_regions(persons.detections, config.mask)
        for name, order in orders.items():
            self.results.setdefault(name, []).append(
                evaluate_paste_order(regions, order, persons.depths)
            )

    def estimate_misordered(self, order: str) -> Estimate:
        """Estimate the ratio of misordered pixels in the overlap, %, over scenes."""
        scenes = self.results[order]
        return _estimate_ratio([s.misordered_px for s in scenes], [s.overlap_px for s in scenes])

    def estimate_misordered_pairs(self, order: str) -> Estimate:
        """Estimate the ratio of misordered pairs, %, over scenes."""
        scenes = self.results[order]
        return _estimate_ratio(
            [len(s.misordered_pairs) for s in scenes], [len(s.pairs) for s in scenes]
        )

    def make_row(self, kind: str, order: str) -> list[str | int | Estimate]:
        """Return the row of ``make_paste_order_table`` for an order."""
        scenes = self.results[order]
        overlap_px = [s.overlap_px for s in scenes]
        return [
            f"{kind}: {order}",
            len(scenes),
            _estimate_ratio(overlap_px, [s.replaced_px for s in scenes]),
            self.estimate_misordered(order),
            sum(len(s.pairs) for s in scenes),
            self.estimate_misordered_pairs(order),
        ]


def _estimate_ratio(parts: Sequence[int], totals: Sequence[int]) -> Estimate:
    """Estimate the ratio of the sums in per cent, over scenes."""
    numerators, denominators = np.array(parts), np.array(totals)

    def compute_ratio(chosen: npt.NDArray[np.int64]) -> float | None:
        total = denominators[chosen].sum()
        return float(100 * numerators[chosen].sum() / total) if total else None

    return bootstrap(compute_ratio, len(numerators))


def make_paste_order_table(statistics: Mapping[str, PasteOrderStatistics], cutouts: int) -> Table:
    columns = (
        "persons and paste order",
        "scenes",
        "overlap, % of replaced px",
        "misordered, % of overlap px",
        "overlapping pairs",
        "misordered pairs, %",
    )
    rows = [
        statistic.make_row(kind, order)
        for kind, statistic in statistics.items()
        for order in statistic.results
    ]
    note = (
        f"Scenes of {cutouts} cut-out persons on a plane, at known depths. A pixel is in overlap "
        "if two persons replace it, and misordered if not the nearest of them is on top. Exact "
        "masks have no order of detection: there, a random one stands for it. In real frames the "
        "person whose feet are lower counts as nearer. Intervals: bootstrap over scenes."
    )
    return Table("occlusion", "Paste order", columns, rows, note)


def make_misorder_cause_table(causes: Sequence[tuple[str, bool]]) -> Table:
    num_misordered = sum(is_misordered for _, is_misordered in causes)
    rows: list[list[str | int | float | Estimate | None]] = []
    for cause in MISORDER_CAUSES:
        flags = [is_misordered for name, is_misordered in causes if name == cause]
        ratio = estimate_proportion(sum(flags), len(flags)).scaled(100)
        part = 100 * sum(flags) / num_misordered if num_misordered else None
        rows.append([cause, len(flags), ratio, part])
    return Table(
        "causes",
        "Where coverage order fails",
        ("the nearer person is", "pairs", "misordered, %", "% of all misordered pairs"),
        rows,
        "Synthetic scenes with exact masks. Of several reasons a pair counts for the first. "
        "Intervals: Wilson, as if pairs were independent.",
    )


def summarize_occlusion(
    statistics: Mapping[str, PasteOrderStatistics], causes: Sequence[tuple[str, bool]]
) -> list[str]:
    sentences = []
    for kind, statistic in statistics.items():
        if COVERAGE not in statistic.results:
            continue
        parts = [
            f"{order} order in {format_estimate(statistic.estimate_misordered(order))}"
            for order in (COVERAGE, BOTTOM, DETECTION, NOISY, DEPTH)
            if order in statistic.results
        ]
        sentences.append(
            f"{kind.capitalize()}: of the pixels that two persons claim, the wrong one is on top "
            f"by {', '.join(parts)}."
        )
    misordered = [cause for cause, is_misordered in causes if is_misordered]
    if misordered:
        main_cause = max(MISORDER_CAUSES, key=misordered.count)
        sentences.append(
            f"Coverage order puts {len(misordered)} of {len(causes)} overlapping pairs the wrong "
            f"way round; most often the nearer one is {main_cause} "
            f"({misordered.count(main_cause)} pairs)."
        )
    return sentences


def list_occlusion_limitations(cutouts: int) -> list[str]:
    source = f"The {cutouts} cut-outs come from the frames given, with their clothes and poses."
    plane = (
        "Synthetic persons stand on a plane, where the lower edge of a box tells the depth all but "
        "exactly. On stairs, kerbs and slopes it does not."
    )
    order = "Only the order is judged, not what is drawn. In any order everybody is replaced."
    return [source, plane, order]
