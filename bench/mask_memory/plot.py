"""Plot of the mask memory experiment."""

from collections import defaultdict
from pathlib import Path

from anon_ros.metrics import TemporalRecall
from bench.mask_memory.tables import MODES, PLOTTED_TOLERANCE, Results, compute_uncovered_ratios

_BIN_S = 4
_COLORS = {"off": "#c44e52", "past": "#dd9a3c", "both": "#3f6fb0"}


def draw_plot(results: Results, confidence: float, output: Path) -> None:
    """Draw uncovered persons over time and in total, as a PNG file."""
    import matplotlib as mpl  # noqa: PLC0415 - only here, it takes a second

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    plt.rcParams["font.size"] = 12
    figure, (through, total) = plt.subplots(2, 1, figsize=(9, 7), height_ratios=(3, 2))
    for mode in MODES:
        times_s, shares = _bin_ratios(results[confidence, mode])
        through.stairs(shares, times_s, label=f"memory {mode}", color=_COLORS[mode], linewidth=2)
    through.set(
        xlabel="time in the video (s)",
        ylabel=f"uncovered persons (%)\nper {_BIN_S} s",
        title=f"Persons of whom more than {100 * PLOTTED_TOLERANCE:.0f} % is uncovered, "
        f"confidence {confidence}",
    )
    confidences = list(dict.fromkeys(confidence for confidence, _ in results))
    for offset, mode in enumerate(MODES):
        bars = total.bar(
            [place + 0.27 * (offset - 1) for place in range(len(confidences))],
            [
                100 * compute_uncovered_ratios(results[value, mode], [PLOTTED_TOLERANCE])[0]
                for value in confidences
            ],
            0.25,
            label=f"memory {mode}",
            color=_COLORS[mode],
        )
        total.bar_label(bars, fmt="%.1f", padding=2)
    total.set_xticks(range(len(confidences)), [str(value) for value in confidences])
    total.set(
        xlabel="lowest score of a detection (confidence)",
        ylabel="uncovered persons (%)\nwhole video",
    )
    total.margins(y=0.15)
    for axes in (through, total):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
    through.legend(frameon=False, ncols=3, loc="upper right")
    figure.tight_layout()
    figure.savefig(output, dpi=130)
    plt.close(figure)


def _bin_ratios(recall: TemporalRecall) -> tuple[list[int], list[float]]:
    """Return edges in s, and the uncovered ratio between them in percent."""
    frames: dict[int, int] = defaultdict(int)
    uncovered: dict[int, float] = defaultdict(float)
    for entry in recall.compute(PLOTTED_TOLERANCE).seconds:
        frames[entry.second // _BIN_S] += entry.frames
        uncovered[entry.second // _BIN_S] += entry.frames * entry.uncovered_ratio
    last = max(frames)
    ratios = [100 * uncovered[index] / max(frames[index], 1) for index in range(last + 1)]
    return [index * _BIN_S for index in range(last + 2)], ratios
