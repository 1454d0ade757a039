"""Person re-identification: the protocol and its scores."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.metrics.intervals import Estimate, bootstrap_ratio, estimate_clustered_proportion
from anon_ros.metrics.protocols import Features
from anon_ros.metrics.validation import validate_array

JUNK_ID = -1
"""The person id of gallery images that count neither as right nor as wrong."""
Numbers = npt.NDArray[np.int64]
# Distances that differ by rounding alone count as equal.
_DISTANCE_DECIMALS = 12
_BATCH = 64


@dataclass(frozen=True)
class FeatureSet:
    """Queries or gallery of a search.

    Attributes:
        vectors: (N, D) float32, one row per image.
        person_ids: (N,) int64; a gallery may hold JUNK_ID.
        camera_ids: (N,) int64.

    Raises:
        ValueError: if the shapes disagree.
    """

    vectors: Features
    person_ids: Numbers
    camera_ids: Numbers

    def __post_init__(self) -> None:
        count = len(self.vectors)
        validate_array("persons", self.person_ids, (count,), np.int64)
        validate_array("cameras", self.camera_ids, (count,), np.int64)


@dataclass(frozen=True)
class ReidResult:
    """The rank and the precision of every query.

    Attributes:
        first_ranks: (N,) int64, the rank from 1 of the nearest image of the right person; 0 for a
            query without a right gallery image, which no score counts.
        average_precisions: (N,) float64 in 0..1; NaN for those queries.
        person_ids: (N,) int64, persons of the queries. Queries of one person are alike, so
            intervals are over persons.
    """

    first_ranks: Numbers
    average_precisions: npt.NDArray[np.float64]
    person_ids: Numbers

    @property
    def is_valid(self) -> npt.NDArray[np.bool_]:
        """The queries that count, (N,) bool."""
        return self.first_ranks > 0

    def cmc(self, k: int) -> Estimate:
        """Return the rank-``k`` accuracy: ratio of queries with a right image among the first k."""
        is_found = self.first_ranks[self.is_valid] <= k
        _, person = np.unique(self.person_ids[self.is_valid], return_inverse=True)
        return estimate_clustered_proportion(np.bincount(person, is_found), np.bincount(person))

    def mean_average_precision(self) -> Estimate:
        """Return the mean average precision, mAP."""
        precisions = self.average_precisions[self.is_valid]
        return bootstrap_ratio(precisions, np.ones(len(precisions)), self.person_ids[self.is_valid])

    def subset(self, is_selected: npt.NDArray[np.bool_]) -> "ReidResult":
        """Return the result of the selected queries, (N,) bool."""
        return ReidResult(
            self.first_ranks[is_selected],
            self.average_precisions[is_selected],
            self.person_ids[is_selected],
        )


@dataclass(frozen=True)
class ChanceLevel:
    """The expected result of an embedder that sees nothing.

    Attributes:
        ranks: by k, rank-k accuracy.
        mean_average_precision: mAP.
    """

    ranks: dict[int, float]
    mean_average_precision: float


def evaluate_reid(query: FeatureSet, gallery: FeatureSet) -> ReidResult:
    """Rank the gallery for every query, the nearest first, by cosine distance.

    The protocol of Market-1501 (Zheng et al., "Scalable Person Re-identification: A Benchmark",
    ICCV 2015): of the query's person, gallery images of the query's own camera do not count, nor
    does junk. Average precision is the mean of the precision at the right images. Among images
    that are equally far away the wrong images come first: an embedder that distinguishes nobody
    finds nobody.

    Raises:
        ValueError: if the vectors differ in length.
    """
    if query.vectors.shape[1:] != gallery.vectors.shape[1:] and len(query.vectors):
        message = f"vectors of {query.vectors.shape[1:]} and {gallery.vectors.shape[1:]} elements"
        raise ValueError(message)
    targets = _normalize(gallery.vectors)
    first_ranks = np.zeros(len(query.vectors), np.int64)
    precisions = np.full(len(query.vectors), np.nan)
    sources = _normalize(query.vectors)
    for start in range(0, len(sources), _BATCH):
        batch = np.round(1 - sources[start : start + _BATCH] @ targets.T, _DISTANCE_DECIMALS)
        for index, distances in enumerate(batch, start):
            is_counted, is_right = _select_candidates(query, index, gallery)
            right = np.sort(distances[is_counted & is_right])
            if not len(right):
                continue
            wrong = np.sort(distances[is_counted & ~is_right])
            hits = np.arange(1, len(right) + 1)
            places = hits + np.searchsorted(wrong, right, side="right")
            first_ranks[index] = places[0]
            precisions[index] = (hits / places).mean()
    return ReidResult(first_ranks, precisions, query.person_ids)


def compute_chance_level(
    query: FeatureSet, gallery: FeatureSet, ranks: tuple[int, ...] = (1, 5, 10)
) -> ChanceLevel:
    """Return the expected result of ``evaluate_reid`` if all orders are equally likely."""
    misses: dict[int, list[float]] = {k: [] for k in ranks}
    precisions = []
    for index in range(len(query.vectors)):
        is_counted, is_right = _select_candidates(query, index, gallery)
        total, right = int(is_counted.sum()), int(is_right[is_counted].sum())
        if not right:
            continue
        precisions.append(_compute_expected_precision(total, right))
        for k, probabilities in misses.items():
            probabilities.append(_compute_miss_probability(k, total, right))
    return ChanceLevel(
        {k: 1 - float(np.mean(values)) if values else 0.0 for k, values in misses.items()},
        float(np.mean(precisions)) if precisions else 0.0,
    )


def _select_candidates(
    query: FeatureSet, index: int, gallery: FeatureSet
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return (M,) bool twice: gallery images that count for a query, and those of its person."""
    is_same_person = gallery.person_ids == query.person_ids[index]
    is_same_camera = gallery.camera_ids == query.camera_ids[index]
    return (gallery.person_ids != JUNK_ID) & ~(is_same_person & is_same_camera), is_same_person


def _compute_miss_probability(k: int, total: int, right: int) -> float:
    """Return the probability that the first ``k`` of ``total`` images hold no right image."""
    positions = np.arange(min(k, total))
    return float(np.prod(np.maximum(total - right - positions, 0) / (total - positions)))


def _compute_expected_precision(total: int, right: int) -> float:
    """Return the average precision of a random order.

    Place k is right in right / total of all orders; then, of the first k, on average
    1 + (k - 1) (right - 1) / (total - 1) are right.
    """
    places = np.arange(1, total + 1)
    ratio = (right - 1) / (total - 1) if total > 1 else 0.0
    return float(((1 + (places - 1) * ratio) / places).mean())


def _normalize(vectors: Features) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float64).tiny))
