"""Whether somebody can be found again: the protocol of person re-identification."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anon_ros.metrics.intervals import Estimate, bootstrap_ratio, clustered_proportion
from anon_ros.metrics.protocols import Features
from anon_ros.metrics.validation import validate_array

JUNK_ID = -1
"""The person of gallery images that count neither as right nor as wrong."""
Numbers = npt.NDArray[np.int64]
# Vectors that differ by rounding alone are equally far away.
_DISTANCE_DECIMALS = 12
_BATCH = 64


@dataclass(frozen=True)
class FeatureSet:
    """One side of the search.

    Attributes:
        vectors: (N, D) float32, one row per image.
        person_ids: (N,) int64, who it shows; JUNK in a gallery.
        camera_ids: (N,) int64, which camera saw it.

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
    """How well each query found its person.

    Attributes:
        first_ranks: (N,) int64, the rank from 1 of the nearest image of the right person; 0 for a
            query that no gallery image could answer, which no figure counts.
        average_precisions: (N,) float64 in 0..1; NaN for those queries.
        persons: (N,) int64, whom they search for. Queries of one person are alike, so intervals
            are over persons.
    """

    first_ranks: Numbers
    average_precisions: npt.NDArray[np.float64]
    persons: Numbers

    @property
    def is_valid(self) -> npt.NDArray[np.bool_]:
        """(N,) bool, the queries that count."""
        return self.first_ranks > 0

    def cmc(self, most: int) -> Estimate:
        """Rank-``most`` accuracy: the share of queries with a right answer among the first ones."""
        is_found = self.first_ranks[self.is_valid] <= most
        _, person = np.unique(self.persons[self.is_valid], return_inverse=True)
        return clustered_proportion(np.bincount(person, is_found), np.bincount(person))

    def mean_average_precision(self) -> Estimate:
        """Mean average precision, mAP."""
        precisions = self.average_precisions[self.is_valid]
        return bootstrap_ratio(precisions, np.ones(len(precisions)), self.persons[self.is_valid])

    def subset(self, which: npt.NDArray[np.bool_]) -> "ReidResult":
        """Of some queries alone."""
        return ReidResult(
            self.first_ranks[which], self.average_precisions[which], self.persons[which]
        )


@dataclass(frozen=True)
class ChanceLevel:
    """What an embedder that sees nothing would reach, in expectation.

    Attributes:
        ranks: by k, rank-k accuracy.
        mean_average_precision: mAP.
    """

    ranks: dict[int, float]
    mean_average_precision: float


def evaluate_reid(query: FeatureSet, gallery: FeatureSet) -> ReidResult:
    """Rank the gallery for each query, the nearest first, by cosine distance.

    The protocol of Market-1501 (Zheng et al., "Scalable Person Re-identification: A Benchmark",
    ICCV 2015): of the query's person, gallery images of the query's own camera do not count, nor
    does junk. Average precision is the mean over right images of the precision at each. Among
    images that are equally far away the wrong ones come first: an embedder that cannot tell
    anybody apart finds nobody.

    Raises:
        ValueError: if the vectors differ in length.
    """
    if query.vectors.shape[1:] != gallery.vectors.shape[1:] and len(query.vectors):
        message = f"vectors of {query.vectors.shape[1:]} and {gallery.vectors.shape[1:]} elements"
        raise ValueError(message)
    targets = _normal(gallery.vectors)
    first_ranks = np.zeros(len(query.vectors), np.int64)
    precisions = np.full(len(query.vectors), np.nan)
    sources = _normal(query.vectors)
    for start in range(0, len(sources), _BATCH):
        batch = np.round(1 - sources[start : start + _BATCH] @ targets.T, _DISTANCE_DECIMALS)
        for index, distances in enumerate(batch, start):
            counts, is_right = _candidates(query, index, gallery)
            right = np.sort(distances[counts & is_right])
            if not len(right):
                continue
            wrong = np.sort(distances[counts & ~is_right])
            hits = np.arange(1, len(right) + 1)
            places = hits + np.searchsorted(wrong, right, side="right")
            first_ranks[index] = places[0]
            precisions[index] = (hits / places).mean()
    return ReidResult(first_ranks, precisions, query.person_ids)


def chance_level(
    query: FeatureSet, gallery: FeatureSet, ranks: tuple[int, ...] = (1, 5, 10)
) -> ChanceLevel:
    """What ``search`` gives in expectation when every order of the gallery is as likely."""
    missed: dict[int, list[float]] = {most: [] for most in ranks}
    precisions = []
    for index in range(len(query.vectors)):
        counts, is_right = _candidates(query, index, gallery)
        whole, right = int(counts.sum()), int(is_right[counts].sum())
        if not right:
            continue
        precisions.append(_expected_precision(whole, right))
        for most, values in missed.items():
            values.append(_none_among(most, whole, right))
    return ChanceLevel(
        {most: 1 - float(np.mean(values)) if values else 0.0 for most, values in missed.items()},
        float(np.mean(precisions)) if precisions else 0.0,
    )


def _candidates(
    query: FeatureSet, index: int, gallery: FeatureSet
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(M,) bool: which gallery images count for a query, and which show its person."""
    is_right = gallery.person_ids == query.person_ids[index]
    is_same_camera = gallery.camera_ids == query.camera_ids[index]
    return (gallery.person_ids != JUNK_ID) & ~(is_right & is_same_camera), is_right


def _none_among(most: int, whole: int, right: int) -> float:
    """The probability that none of the first ``most`` of ``whole`` is one of ``right``."""
    drawn = np.arange(min(most, whole))
    return float(np.prod(np.maximum(whole - right - drawn, 0) / (whole - drawn)))


def _expected_precision(whole: int, right: int) -> float:
    """Average precision of a random order.

    Place k is right in right / whole of all orders; then, of the first k, on average
    1 + (k - 1) (right - 1) / (whole - 1) are.
    """
    places = np.arange(1, whole + 1)
    others = (right - 1) / (whole - 1) if whole > 1 else 0.0
    return float(((1 + (places - 1) * others) / places).mean())


def _normal(vectors: Features) -> npt.NDArray[np.float64]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float64).tiny))
