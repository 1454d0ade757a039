"""Random poses of people in streets: walking at all phases, standing, running, sitting, riding."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from training.people.bodies import Body
from training.people.geometry import rotate_x, rotate_y, rotate_z, to_vector
from training.people.hands import curl_fingers, hold_bar, take_hands
from training.people.limbs import SIDES, bend_arm, bend_leg, measure_leg
from training.people.skeleton import Pose, Posed, Reach, solve

# Degrees of flexion in steps of a tenth of a stride from heel strike, after published gait data.
_WALK_HIP = (28, 24, 14, 3, -6, -11, -5, 14, 28, 31)
_WALK_KNEE = (5, 17, 16, 8, 5, 12, 38, 60, 48, 16)
_WALK_FOOT = (0, 5, -3, -7, -10, 2, 18, 6, 0, 0)
_RUN_HIP = (38, 28, 10, -6, -16, -10, 10, 34, 50, 48)
_RUN_KNEE = (22, 42, 36, 22, 24, 52, 88, 105, 82, 40)
_RUN_FOOT = (-4, -16, -12, 8, 28, 24, 14, 6, 0, -2)


@dataclass(frozen=True)
class Stance:
    """A posed body, the name of its activity, and what stands or hangs at it."""

    activity: str
    posed: Posed
    free_hands: tuple[str, ...]  # those that may carry: "L", "R"
    props: dict[str, str]  # what a hand holds, by its side


Sampler = Callable[[np.random.Generator, Body], Pose]


def sample_activity(rng: np.random.Generator, names: Iterable[str] | None = None) -> str:
    """Return a random activity; among the names, if there are any."""
    names = list(ACTIVITIES if names is None else names)
    shares = np.array([ACTIVITIES[name][1] for name in names])
    return names[rng.choice(len(names), p=shares / shares.sum())]


def sample_stance(rng: np.random.Generator, body: Body, name: str) -> Stance:
    """Return a random pose of an activity."""
    pose = ACTIVITIES[name][0](rng, body)
    _tilt_head(rng, pose)
    free = tuple(side for side, _ in SIDES if not isinstance(pose.limbs[f"arm.{side}"], Reach))
    curl_fingers(rng, pose)
    return Stance(name, solve(body, pose), free, pose.props)


def _walk(rng: np.random.Generator, body: Body) -> Pose:
    pose = _stride(rng, (_WALK_HIP, _WALK_KNEE, _WALK_FOOT), rng.uniform(0.45, 1.15))
    take_hands(rng, pose, body, busy_share=0.4)
    return pose


def _run(rng: np.random.Generator, _: Body) -> Pose:
    pose = _stride(rng, (_RUN_HIP, _RUN_KNEE, _RUN_FOOT), rng.uniform(0.7, 1.15), elbow=1.5)
    pose.turns["spine05"] = rotate_x(rng.uniform(0.05, 0.25))
    return pose


def _stride(
    rng: np.random.Generator,
    curves: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    amplitude: float,
    elbow: float = 0.35,
) -> Pose:
    phase, pose = rng.random(), Pose()
    spread, swinging = rng.uniform(-0.01, 0.06), rng.uniform(0.3, 1.1)
    for side, sign in SIDES:
        at = phase + (0.5 if sign < 0 else 0.0)
        hip, knee, foot = (amplitude * _read_curve(curve, at) for curve in curves)
        pose.limbs[f"leg.{side}"] = bend_leg(hip, knee, sign, spread, rng.uniform(-0.02, 0.2))
        pose.turns[f"foot.{side}"] = rotate_x(foot)
        pose.limbs[f"arm.{side}"] = bend_arm(
            -swinging * 0.9 * (hip - 0.12) + rng.normal(0, 0.05),
            elbow * rng.uniform(0.5, 1.3) * (1 + 0.3 * math.sin(2 * math.pi * at)),
            sign,
            rng.uniform(0.06, 0.25),
            rng.uniform(0, 0.3),
        )
    twist = 0.16 * amplitude * math.cos(2 * math.pi * phase)
    pose.turns["spine03"] = rotate_z(twist) @ rotate_x(rng.normal(0.06, 0.06))
    return pose


def _read_curve(curve: tuple[int, ...], at: float) -> float:
    steps = np.arange(len(curve) + 1) / len(curve)
    return math.radians(float(np.interp(at % 1.0, steps, [*curve, curve[0]])))


def _stand(rng: np.random.Generator, body: Body) -> Pose:
    pose, loose = Pose(), rng.choice(["L", "R"])
    spread = rng.uniform(0.0, 0.16)
    for side, sign in SIDES:
        bend = rng.uniform(0.15, 0.6) if side == loose and rng.random() < 0.6 else 0.03
        pose.limbs[f"leg.{side}"] = bend_leg(
            bend * rng.uniform(0.4, 0.8), bend, sign, spread, rng.uniform(0, 0.35)
        )
        pose.turns[f"foot.{side}"] = rotate_x(bend * 0.3)
        pose.limbs[f"arm.{side}"] = bend_arm(
            rng.normal(0.0, 0.12),
            rng.uniform(0.1, 0.5),
            sign,
            rng.uniform(0.06, 0.3),
            rng.uniform(0, 0.5),
        )
    lean = rng.normal(0, 0.05)
    pose.turns["root"] = rotate_z(rng.normal(0, 0.1)) @ rotate_y(lean)
    pose.turns["spine04"] = rotate_y(-2 * lean) @ rotate_x(rng.normal(0.04, 0.06))
    pose.turns["spine02"] = rotate_x(rng.normal(0.04, 0.06)) @ rotate_z(rng.normal(0, 0.12))
    take_hands(rng, pose, body, busy_share=0.7)
    return pose


def _sit(rng: np.random.Generator, body: Body) -> Pose:
    pose, apart = Pose(), rng.uniform(0.0, 0.3)
    for side, sign in SIDES:
        pose.limbs[f"leg.{side}"] = bend_leg(
            rng.uniform(1.35, 1.65), rng.uniform(1.3, 1.85), sign, apart, apart * 0.5
        )
        pose.limbs[f"arm.{side}"] = bend_arm(
            rng.uniform(0.2, 0.7), rng.uniform(0.4, 1.2), sign, 0.15, rng.uniform(0, 0.6)
        )
        pose.feet[side] = rotate_z(sign * rng.uniform(0, 0.3)) @ rotate_x(rng.uniform(-0.05, 0.15))
    if rng.random() < 0.2:  # one leg over the other
        sign = rng.choice([1.0, -1.0])
        side = "L" if sign > 0 else "R"
        pose.limbs[f"leg.{side}"] = bend_leg(1.8, 1.4, sign, -0.22)
        pose.feet.pop(side)
    pose.turns["spine05"] = rotate_x(rng.normal(0.05, 0.15))
    pose.turns["spine02"] = rotate_x(rng.uniform(0, 0.25)) @ rotate_z(rng.normal(0, 0.15))
    take_hands(rng, pose, body, busy_share=0.3)
    return pose


def _wheel(rng: np.random.Generator, body: Body) -> Pose:
    pose = _sit(rng, body)
    for side, sign in SIDES:
        pose.limbs[f"leg.{side}"] = bend_leg(1.45, 1.3, sign, 0.06)
        pose.limbs[f"arm.{side}"] = bend_arm(
            rng.uniform(-0.5, 0.5), rng.uniform(0.3, 1.0), sign, 0.3
        )
        pose.feet[side] = rotate_x(0.0)
    return pose


def _cycle(rng: np.random.Generator, body: Body) -> Pose:
    pose, lean = Pose(), rng.uniform(0.1, 0.75)
    pose.turns["spine05"] = rotate_x(lean * 0.5)
    pose.turns["spine03"] = rotate_x(lean * 0.5)
    pose.turns["head"] = rotate_x(-lean * 0.6)
    turn = rng.uniform(0, 2 * math.pi)
    leg = measure_leg(body)
    for side, sign in SIDES:
        angle = turn + (math.pi if sign < 0 else 0.0)
        hip = body.joint(f"upperleg01.{side}")
        crank = to_vector(0, -math.cos(angle), math.sin(angle)) * 0.17 * leg
        pedal = hip + to_vector(0.02 * sign, -0.24 * leg, -0.77 * leg) + crank
        pose.limbs[f"leg.{side}"] = Reach(pedal, to_vector(0.12 * sign, -1, 0.2))
        pose.feet[side] = rotate_x(rng.uniform(0.0, 0.35))
    hold_bar(pose, body, angle=rng.uniform(0.75, 1.05), width=0.2, reach=0.92)
    return pose


def _scoot(rng: np.random.Generator, body: Body) -> Pose:
    pose = _stand(rng, body)
    pose.turns["root"] = rotate_z(rng.normal(0, 0.1))
    pose.limbs["leg.L"] = bend_leg(0.25, 0.15, 1, -0.05)
    pose.limbs["leg.R"] = bend_leg(-0.12, 0.15, -1, -0.05)
    pose.turns["foot.L"], pose.turns["foot.R"] = rotate_x(0.1), rotate_x(-0.03)
    hold_bar(pose, body, angle=rng.uniform(0.5, 0.8), width=0.2, reach=0.9)
    return pose


def _push(rng: np.random.Generator, body: Body) -> Pose:
    pose = _stride(rng, (_WALK_HIP, _WALK_KNEE, _WALK_FOOT), rng.uniform(0.3, 1.0))
    pose.turns["spine05"] = rotate_x(rng.uniform(0.02, 0.2))
    hold_bar(pose, body, angle=rng.uniform(0.55, 0.8), width=0.2, reach=0.85)
    return pose


def _tilt_head(rng: np.random.Generator, pose: Pose) -> None:
    look = rotate_z(rng.normal(0, 0.35)) @ rotate_x(rng.normal(0.08, 0.12))
    pose.turns["head"] = pose.turns.get("head", np.eye(3, dtype=np.float32)) @ look


ACTIVITIES: dict[str, tuple[Sampler, float]] = {
    "walk": (_walk, 0.52),
    "stand": (_stand, 0.2),
    "run": (_run, 0.05),
    "sit": (_sit, 0.05),
    "cycle": (_cycle, 0.07),
    "push": (_push, 0.05),
    "scoot": (_scoot, 0.03),
    "wheelchair": (_wheel, 0.02),
}
SEATED = frozenset({"sit", "cycle", "wheelchair"})


def list_similar(activity: str) -> list[str]:
    """Return the activities that go with the same clothes."""
    return [name for name in ACTIVITIES if (name in SEATED) == (activity in SEATED)]
