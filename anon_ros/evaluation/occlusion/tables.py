"""What became of stacked persons, told in tables and sentences."""

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
    evaluate_paste_order,
    wilson_proportion,
)

EXACT, FOUND, REAL = "synthetic, exact masks", "synthetic, segmenter", "real frames"
COVERAGE, DETECTION, BOTTOM = "coverage", "detection", "box bottom"
NOISY, DEPTH = "depth, 5 % off", "depth map"


class PersonsWithDepth(NamedTuple):
    """Persons to paste, and how far away they really are."""

    found: Detections
    depths: Sequence[float]


@dataclass
class PasteOrderStatistics:
    """What became of one kind of scenes: by order of pasting, one Stacking per scene."""

    stackings: dict[str, list[PasteOrderResult]] = field(default_factory=dict)

    def add(
        self, known: PersonsWithDepth, orders: Mapping[str, Sequence[int]], config: Config
    ) -> None:
        found = known.found
        regions = make_regions(found, config.mask)
        for name, order in orders.items():
            self.stackings.setdefault(name, []).append(
                evaluate_paste_order(regions, order, known.depths)
            )

    def wrong(self, order: str) -> Estimate:
        """Share of contested pixels, %, over scenes."""
        each = self.stackings[order]
        return _share([s.misordered_px for s in each], [s.overlap_px for s in each])

    def wrong_pairs(self, order: str) -> Estimate:
        each = self.stackings[order]
        return _share([len(s.misordered_pairs) for s in each], [len(s.pairs) for s in each])

    def row(self, kind: str, order: str) -> list[str | int | Estimate]:
        each = self.stackings[order]
        contested = [s.overlap_px for s in each]
        return [
            f"{kind}: {order}",
            len(each),
            _share(contested, [s.replaced_px for s in each]),
            self.wrong(order),
            sum(len(s.pairs) for s in each),
            self.wrong_pairs(order),
        ]


def _share(parts: Sequence[int], wholes: Sequence[int]) -> Estimate:
    """In per cent, over scenes."""
    part, whole = np.array(parts), np.array(wholes)

    def statistic(chosen: npt.NDArray[np.int64]) -> float | None:
        total = whole[chosen].sum()
        return float(100 * part[chosen].sum() / total) if total else None

    return bootstrap(statistic, len(part))


def paste_order_table(tallies: Mapping[str, PasteOrderStatistics], cutouts: int) -> Table:
    columns = (
        "persons and paste order",
        "scenes",
        "overlap, % of replaced px",
        "misordered, % of overlap px",
        "overlapping pairs",
        "misordered pairs, %",
    )
    rows = [tally.row(kind, order) for kind, tally in tallies.items() for order in tally.stackings]
    note = (
        f"Scenes of {cutouts} cut-out persons on a plane, at known depths. A pixel is in overlap "
        "if two persons replace it, and misordered if not the nearest of them is on top. Exact "
        "masks have no order of detection: there, a random one stands for it. In real frames the "
        "person whose feet are lower counts as nearer. Intervals: bootstrap over scenes."
    )
    return Table("occlusion", "Paste order", columns, rows, note)


def misorder_cause_table(why: Sequence[tuple[str, bool]]) -> Table:
    wrong_ones = sum(is_wrong for _, is_wrong in why)
    rows: list[list[str | int | float | Estimate | None]] = []
    for cause in MISORDER_CAUSES:
        flags = [is_wrong for each, is_wrong in why if each == cause]
        share = 100 * sum(flags) / wrong_ones if wrong_ones else None
        rows.append(
            [cause, len(flags), wilson_proportion(sum(flags), len(flags)).scaled(100), share]
        )
    return Table(
        "causes",
        "Where coverage order fails",
        ("the nearer person is", "pairs", "misordered, %", "% of all misordered pairs"),
        rows,
        "Synthetic scenes with exact masks. Of several reasons a pair counts for the first. "
        "Intervals: Wilson, as if pairs were independent.",
    )


def summarize_occlusion(
    tallies: Mapping[str, PasteOrderStatistics], why: Sequence[tuple[str, bool]]
) -> list[str]:
    told = []
    for kind, tally in tallies.items():
        if COVERAGE not in tally.stackings:
            continue
        parts = [
            f"{order} order in {format_estimate(tally.wrong(order))}"
            for order in (COVERAGE, BOTTOM, DETECTION, NOISY, DEPTH)
            if order in tally.stackings
        ]
        told.append(
            f"{kind.capitalize()}: of the pixels that two persons claim, the wrong one is on top "
            f"by {', '.join(parts)}."
        )
    wrong = [cause for cause, is_wrong in why if is_wrong]
    if wrong:
        most = max(MISORDER_CAUSES, key=wrong.count)
        told.append(
            f"Coverage order puts {len(wrong)} of {len(why)} overlapping pairs the wrong way "
            f"round; most often the nearer one is {most} ({wrong.count(most)} pairs)."
        )
    return told


def occlusion_limitations(cutouts: int) -> list[str]:
    source = f"The {cutouts} cut-outs come from the frames given, with their clothes and poses."
    plane = (
        "Synthetic persons stand on a plane, where the lower edge of a box tells the depth all but "
        "exactly. On stairs, kerbs and slopes it does not."
    )
    order = "Only the order is judged, not what is drawn. In any order everybody is replaced."
    return [source, plane, order]
