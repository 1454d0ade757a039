import numpy as np
import pytest

from training.people.bodies import Body
from training.people.geometry import to_vector
from training.people.poses import ACTIVITIES, SEATED, sample_stance
from training.people.skeleton import Limb, Pose, Reach, solve

ROUNDS = 12


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_feet_stay_below_head(body: Body, rng: np.random.Generator, activity: str) -> None:
    for _ in range(ROUNDS):
        posed = sample_stance(rng, body, activity).posed
        head = posed.joint("head")[2]
        for side in "LR":
            assert posed.joint(f"foot.{side}")[2] < posed.joint("spine03")[2] < head


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_limbs_keep_their_length(body: Body, rng: np.random.Generator, activity: str) -> None:
    chains = [("upperleg01", "lowerleg01", "foot"), ("upperarm01", "lowerarm01", "wrist")]
    posed = sample_stance(rng, body, activity).posed
    for chain in chains:
        for side in "LR":
            for first, last in (chain[:2], chain[1:]):
                names = f"{first}.{side}", f"{last}.{side}"
                length, at_rest = (
                    np.linalg.norm(place.joint(names[0]) - place.joint(names[1]))
                    for place in (posed, body)
                )
                assert length == pytest.approx(at_rest, rel=1e-3)


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_knees_bend_backward(body: Body, rng: np.random.Generator, activity: str) -> None:
    """The shin never points before the thigh's line."""
    for _ in range(ROUNDS):
        posed = sample_stance(rng, body, activity).posed
        for side in "LR":
            hip, knee, foot = (
                posed.joint(f"{bone}.{side}") for bone in ("upperleg01", "lowerleg01", "foot")
            )
            front = posed.turn(f"upperleg01.{side}") @ to_vector(0, -1, 0)
            thigh = (knee - hip) / np.linalg.norm(knee - hip)
            front -= thigh * (front @ thigh)
            assert (foot - knee) @ front < 0.05 * body.height


@pytest.mark.parametrize("activity", sorted(SEATED))
def test_seated_hips_are_bent(body: Body, rng: np.random.Generator, activity: str) -> None:
    posed = sample_stance(rng, body, activity).posed
    lifts = [
        (posed.joint(f"upperleg01.{side}") - posed.joint(f"lowerleg01.{side}"))[2] for side in "LR"
    ]
    assert min(lifts) < 0.12 * body.height


def test_walkers_stride_at_all_phases(body: Body, rng: np.random.Generator) -> None:
    ahead = [
        (posed.joint("foot.R") - posed.joint("foot.L"))[1] / body.height
        for posed in (sample_stance(rng, body, "walk").posed for _ in range(40))
    ]
    assert min(ahead) < -0.12
    assert max(ahead) > 0.12


def test_arms_swing_against_legs(body: Body, rng: np.random.Generator) -> None:
    legs, arms = [], []
    for _ in range(60):
        posed = sample_stance(rng, body, "run").posed
        legs.append((posed.joint("lowerleg01.L") - posed.joint("lowerleg01.R"))[1])
        arms.append((posed.joint("lowerarm01.L") - posed.joint("lowerarm01.R"))[1])
    assert np.corrcoef(legs, arms)[0, 1] < -0.5


@pytest.mark.parametrize("limb", ["arm.L", "arm.R", "leg.L", "leg.R"])
def test_reach_ends_at_target(body: Body, limb: str) -> None:
    kind, side = limb.split(".")
    start, end = ("upperarm01", "wrist") if kind == "arm" else ("upperleg01", "foot")
    target = body.joint(f"{start}.{side}") + to_vector(0.0, -0.2, -0.1) * body.height
    posed = solve(body, Pose(limbs={limb: Reach(target, to_vector(0.2, -0.3, -1))}))
    assert np.abs(posed.joint(f"{end}.{side}") - target).max() < 1e-3


def test_reach_beyond_arm_points_there(body: Body) -> None:
    shoulder = body.joint("upperarm01.L")
    target = shoulder + to_vector(0, -5, 0)
    posed = solve(body, Pose(limbs={"arm.L": Reach(target, to_vector(1, 0, 0))}))
    way = posed.joint("wrist.L") - shoulder
    assert way @ to_vector(0, -1, 0) == pytest.approx(np.linalg.norm(way), rel=0.01)


def test_limb_takes_direction(body: Body) -> None:
    limb = Limb(to_vector(0, 0, -1), to_vector(0, 1, 0), bend=np.pi / 2)
    posed = solve(body, Pose(limbs={"arm.R": limb}))
    shoulder, elbow, wrist = (
        posed.joint(f"{bone}.R") for bone in ("upperarm01", "lowerarm01", "wrist")
    )
    assert (elbow - shoulder)[2] == pytest.approx(-np.linalg.norm(elbow - shoulder), rel=1e-3)
    assert (wrist - elbow)[1] == pytest.approx(-np.linalg.norm(wrist - elbow), rel=1e-3)


def test_skin_at_rest_stays(body: Body) -> None:
    template = body.template
    points = solve(body, Pose()).skin(body.vertices, template.weights, template.weight_bones)
    assert np.abs(points - body.vertices).max() < 1e-4
