"""Report of an experiment: summary, tables, plots, limitations, provenance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from anon_ros.metrics.intervals import Estimate

Cell: TypeAlias = str | int | float | Estimate | None


@dataclass(frozen=True)
class Table:
    """Some figures.

    Attributes:
        name: of its CSV file, without suffix.
        title: for people.
        columns: with units; the first one names the rows.
        rows: one cell per column.
        note: explanation below the table.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """A drawing.

    Attributes:
        name: of its file, without suffix.
        title: for people.
        svg: content of the file.
    """

    name: str
    title: str
    svg: bytes


@dataclass(frozen=True)
class Report:
    """Result of an experiment.

    Attributes:
        title: name of what was evaluated.
        summary: the result in sentences, the most important one first.
        tables: the figures behind them.
        plots: drawn from the tables.
        limitations: caveats of the figures.
        provenance: command, versions, machine, models, parameters.
    """

    title: str
    summary: Sequence[str]
    tables: Sequence[Table]
    plots: Sequence[Plot] = ()
    limitations: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
