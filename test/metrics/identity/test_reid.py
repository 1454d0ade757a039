"""Finding persons again: by hand, by brute force, and what chance gives."""

import numpy as np
import pytest

from anon_ros.metrics import JUNK_ID, FeatureSet, ReidResult, compute_chance_level, evaluate_reid


def make_side(vectors: object, persons: object, cameras: object) -> FeatureSet:
    return FeatureSet(
        np.array(vectors, np.float32).reshape(len(np.array(persons)), -1),
        np.array(persons, np.int64),
        np.array(cameras, np.int64),
    )


def make_unit_vector(degrees: float) -> tuple[float, float]:
    return float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))


def test_ranking_of_known_case() -> None:
    query = make_side([make_unit_vector(0)], [7], [1])
    # By distance: own camera (out), junk (out), wrong, right, wrong, right.
    gallery = make_side(
        [make_unit_vector(a) for a in (1, 2, 10, 20, 30, 40)],
        [7, JUNK_ID, 3, 7, 0, 7],
        [1, 2, 1, 2, 2, 3],
    )
    found = evaluate_reid(query, gallery)
    assert found.first_ranks.tolist() == [2]
    assert found.average_precisions[0] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found.cmc(1).value == 0
    assert found.cmc(5).value == 1


def test_unanswerable_query_excluded() -> None:
    query = make_side([make_unit_vector(0), make_unit_vector(90)], [1, 2], [1, 1])
    gallery = make_side(
        [make_unit_vector(0), make_unit_vector(80)], [2, 1], [1, 2]
    )  # person 2 by her own camera only
    found = evaluate_reid(query, gallery)
    assert found.is_valid.tolist() == [True, False]
    assert found.cmc(1).value == 0  # person 2's image is nearer to person 1
    assert np.isnan(found.average_precisions[1])
    nobody = evaluate_reid(make_side([make_unit_vector(0)], [9], [1]), gallery)
    assert nobody.cmc(1).value is None
    assert nobody.mean_average_precision().value is None


def test_equal_features_never_match() -> None:
    query = make_side([[1, 1]] * 3, [1, 2, 3], [1, 1, 1])
    gallery = make_side(np.full((9, 2), 0.3), [1, 2, 3] * 3, [2] * 9)
    assert evaluate_reid(query, gallery).first_ranks.tolist() == [7, 7, 7]
    blank = make_side(np.zeros((9, 2)), [1, 2, 3] * 3, [2] * 9)
    assert evaluate_reid(query, blank).first_ranks.tolist() == [7, 7, 7]


def test_small_differences_count() -> None:
    """Networks whose vectors lie far from the origin."""
    random = np.random.default_rng(0)
    persons = np.arange(40)
    there = random.normal(size=(40, 64))
    query = make_side(1000 + there, persons, np.zeros(40))
    gallery = make_side(1000 + there + 0.01 * random.normal(size=(40, 64)), persons, np.ones(40))
    assert evaluate_reid(query, gallery).first_ranks.tolist() == [1] * 40


def test_intervals_are_over_persons() -> None:
    firsts = np.array([1, 2, 1, 2, 2])
    once = ReidResult(firsts, 1 / firsts, np.arange(5))
    often = ReidResult(firsts.repeat(50), 1 / firsts.repeat(50), np.arange(5).repeat(50))
    assert once.cmc(1).high == pytest.approx(often.cmc(1).high)
    one, other = once.mean_average_precision(), often.mean_average_precision()
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    nobody = ReidResult(np.full(5, 9), np.full(5, 0.1), np.arange(5)).cmc(1)
    assert nobody.value == 0
    assert nobody.high is not None
    assert nobody.high > 0.3


def rank_by_definition(query: FeatureSet, gallery: FeatureSet, index: int) -> tuple[int, float]:
    """Straight from the definition, one gallery image at a time."""
    left = []
    for vector, person, camera in zip(
        gallery.vectors, gallery.person_ids, gallery.camera_ids, strict=True
    ):
        if person == -1:
            continue
        if person == query.person_ids[index] and camera == query.camera_ids[index]:
            continue
        own = query.vectors[index]
        cosine = float(own @ vector) / float(np.linalg.norm(own) * np.linalg.norm(vector))
        left.append((-cosine, person == query.person_ids[index]))
    left.sort()
    hits, precisions, first = 0, [], 0
    for place, (_, is_right) in enumerate(left, start=1):
        if is_right:
            hits += 1
            first = first or place
            precisions.append(hits / place)
    return first, sum(precisions) / len(precisions) if precisions else float("nan")


@pytest.mark.parametrize("seed", range(20))
def test_ranking_equals_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    persons = int(random.integers(2, 12))
    query = make_side(
        random.normal(size=(15, 8)), random.integers(0, persons, 15), random.integers(0, 3, 15)
    )
    gallery = make_side(
        random.normal(size=(60, 8)), random.integers(-1, persons, 60), random.integers(0, 3, 60)
    )
    found = evaluate_reid(query, gallery)
    for index in range(15):
        first, precision = rank_by_definition(query, gallery, index)
        assert found.first_ranks[index] == first
        assert found.average_precisions[index] == pytest.approx(precision, nan_ok=True)
    answered = [rank_by_definition(query, gallery, i) for i in range(15)]
    firsts = [first for first, _ in answered if first]
    assert found.cmc(5).value == pytest.approx(np.mean([first <= 5 for first in firsts]))
    assert found.mean_average_precision().value == pytest.approx(
        np.nanmean([precision for _, precision in answered])
    )


def test_chance_equals_random_features() -> None:
    random = np.random.default_rng(0)
    persons, cameras = random.integers(0, 6, 40), random.integers(0, 3, 40)
    gallery_of = random.integers(-1, 6, 50), random.integers(0, 3, 50)
    expected = compute_chance_level(
        make_side(np.ones((40, 1)), persons, cameras), make_side(np.ones((50, 1)), *gallery_of)
    )
    rankings = [
        evaluate_reid(
            make_side(random.normal(size=(40, 16)), persons, cameras),
            make_side(random.normal(size=(50, 16)), *gallery_of),
        )
        for _ in range(60)
    ]
    firsts = np.concatenate([each.first_ranks for each in rankings])
    precisions = np.concatenate([each.average_precisions for each in rankings])
    together = ReidResult(firsts, precisions, np.tile(persons, 60))
    for most, share in expected.ranks.items():
        assert share == pytest.approx((together.first_ranks <= most).mean(), abs=0.03)
    assert expected.mean_average_precision == pytest.approx(precisions.mean(), abs=0.02)


def test_chance_of_known_case() -> None:
    query, gallery = make_side([[1]], [1], [1]), make_side([[1]] * 4, [1, 2, 3, 4], [2] * 4)
    found = compute_chance_level(query, gallery, (1, 2, 5))
    assert found.ranks == pytest.approx({1: 0.25, 2: 0.5, 5: 1.0})
    assert found.mean_average_precision == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert compute_chance_level(make_side([[1]], [9], [1]), gallery).mean_average_precision == 0


def test_mismatched_features_rejected() -> None:
    with pytest.raises(ValueError, match="elements"):
        evaluate_reid(make_side([[1, 2]], [1], [1]), make_side([[1]], [1], [2]))
    with pytest.raises(ValueError, match="persons"):
        FeatureSet(np.ones((2, 3), np.float32), np.zeros(1, np.int64), np.zeros(2, np.int64))
