"""Random poses of people in streets: walking at all phases, standing, running, sitting, riding."""

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from training.people.bodies import Body
from training.people.geometry import Floats, rotate_x, rotate_y, rotate_z, to_vector
from training.people.skeleton import Limb, Pose, Posed, Reach, solve

SIDES = (("L", 1.0), ("R", -1.0))
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
    _curl_fingers(rng, pose)
    return Stance(name, solve(body, pose), free, pose.props)


def swing(flexion: float, spread: float = 0.0, turn: float = 0.0) -> tuple[Floats, Floats]:
    """Return direction and front of a limb that hangs down, swung forward, sideways, turned."""
    matrix = rotate_z(turn) @ rotate_y(-spread) @ rotate_x(-flexion)
    return matrix @ to_vector(0, 0, -1), matrix @ to_vector(0, -1, 0)


def _leg(flexion: float, bend: float, sign: float, spread: float, turn: float = 0.05) -> Limb:
    direction, front = swing(flexion, sign * spread, sign * turn)
    return Limb(direction, front, bend)


def _arm(flexion: float, bend: float, sign: float, spread: float = 0.12, turn: float = 0.0) -> Limb:
    direction, front = swing(flexion, sign * spread, -sign * turn)
    return Limb(direction, -front, bend)


def _walk(rng: np.random.Generator, body: Body) -> Pose:
    pose = _stride(rng, (_WALK_HIP, _WALK_KNEE, _WALK_FOOT), rng.uniform(0.45, 1.15))
    _take_hands(rng, pose, body, busy_share=0.4)
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
        pose.limbs[f"leg.{side}"] = _leg(hip, knee, sign, spread, rng.uniform(-0.02, 0.2))
        pose.turns[f"foot.{side}"] = rotate_x(foot)
        pose.limbs[f"arm.{side}"] = _arm(
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
        pose.limbs[f"leg.{side}"] = _leg(
            bend * rng.uniform(0.4, 0.8), bend, sign, spread, rng.uniform(0, 0.35)
        )
        pose.turns[f"foot.{side}"] = rotate_x(bend * 0.3)
        pose.limbs[f"arm.{side}"] = _arm(
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
    _take_hands(rng, pose, body, busy_share=0.7)
    return pose


def _sit(rng: np.random.Generator, body: Body) -> Pose:
    pose, apart = Pose(), rng.uniform(0.0, 0.3)
    for side, sign in SIDES:
        pose.limbs[f"leg.{side}"] = _leg(
            rng.uniform(1.35, 1.65), rng.uniform(1.3, 1.85), sign, apart, apart * 0.5
        )
        pose.limbs[f"arm.{side}"] = _arm(
            rng.uniform(0.2, 0.7), rng.uniform(0.4, 1.2), sign, 0.15, rng.uniform(0, 0.6)
        )
        pose.feet[side] = rotate_z(sign * rng.uniform(0, 0.3)) @ rotate_x(rng.uniform(-0.05, 0.15))
    if rng.random() < 0.2:  # one leg over the other
        sign = rng.choice([1.0, -1.0])
        side = "L" if sign > 0 else "R"
        pose.limbs[f"leg.{side}"] = _leg(1.8, 1.4, sign, -0.22)
        pose.feet.pop(side)
    pose.turns["spine05"] = rotate_x(rng.normal(0.05, 0.15))
    pose.turns["spine02"] = rotate_x(rng.uniform(0, 0.25)) @ rotate_z(rng.normal(0, 0.15))
    _take_hands(rng, pose, body, busy_share=0.3)
    return pose


def _wheel(rng: np.random.Generator, body: Body) -> Pose:
    pose = _sit(rng, body)
    for side, sign in SIDES:
        pose.limbs[f"leg.{side}"] = _leg(1.45, 1.3, sign, 0.06)
        pose.limbs[f"arm.{side}"] = _arm(rng.uniform(-0.5, 0.5), rng.uniform(0.3, 1.0), sign, 0.3)
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
    _hold_bar(pose, body, angle=rng.uniform(0.75, 1.05), width=0.2, reach=0.92)
    return pose


def _scoot(rng: np.random.Generator, body: Body) -> Pose:
    pose = _stand(rng, body)
    pose.turns["root"] = rotate_z(rng.normal(0, 0.1))
    pose.limbs["leg.L"] = _leg(0.25, 0.15, 1, -0.05)
    pose.limbs["leg.R"] = _leg(-0.12, 0.15, -1, -0.05)
    pose.turns["foot.L"], pose.turns["foot.R"] = rotate_x(0.1), rotate_x(-0.03)
    _hold_bar(pose, body, angle=rng.uniform(0.5, 0.8), width=0.2, reach=0.9)
    return pose


def _push(rng: np.random.Generator, body: Body) -> Pose:
    pose = _stride(rng, (_WALK_HIP, _WALK_KNEE, _WALK_FOOT), rng.uniform(0.3, 1.0))
    pose.turns["spine05"] = rotate_x(rng.uniform(0.02, 0.2))
    _hold_bar(pose, body, angle=rng.uniform(0.55, 0.8), width=0.2, reach=0.85)
    return pose


def _hold_bar(pose: Pose, body: Body, angle: float, width: float, reach: float) -> None:
    """Let both hands hold a bar before the body, `angle` above the lower vertical."""
    posed = solve(body, Pose(turns=pose.turns))
    shoulders = [posed.joint(f"upperarm01.{side}") for side, _ in SIDES]
    middle = (shoulders[0] + shoulders[1]) / 2
    arm = measure_arm(body)
    bar = middle + to_vector(0, -math.sin(angle), -math.cos(angle)) * arm * reach
    for side, sign in SIDES:
        target = bar + to_vector(sign * width * measure_leg(body), 0, 0)
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(0.6 * sign, 0.5, -0.6))


def measure_arm(body: Body) -> float:
    """Return the metres from shoulder to wrist."""
    return _measure(body, "upperarm01.L", "lowerarm01.L", "wrist.L")


def measure_leg(body: Body) -> float:
    """Return the metres from hip to ankle."""
    return _measure(body, "upperleg01.L", "lowerleg01.L", "foot.L")


def _measure(body: Body, *bones: str) -> float:
    places = [body.joint(bone) for bone in bones]
    return float(sum(np.linalg.norm(b - a) for a, b in itertools.pairwise(places)))


def _take_hands(rng: np.random.Generator, pose: Pose, body: Body, busy_share: float) -> None:
    """Perhaps let hands do something: phone, pockets, arms crossed, a grown-up's hand."""
    if rng.random() > busy_share:
        return
    posed = solve(body, Pose(turns=pose.turns))
    habits = _HABITS if not body.is_child else (*_HABITS, _raise_hand, _raise_hand)
    habits[rng.integers(len(habits))](rng, pose, posed)


def _call(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    side, sign = SIDES[rng.integers(2)]
    size = posed.body.height
    ear = posed.joint("head") + to_vector(sign * 0.062, -0.01, 0.0) * size
    pose.limbs[f"arm.{side}"] = Reach(ear, to_vector(sign * 0.7, -0.3, -1))


def _read_phone(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    hands = SIDES if rng.random() < 0.4 else (SIDES[rng.integers(2)],)
    size = posed.body.height
    spot = posed.joint("spine01") + to_vector(0, -rng.uniform(0.13, 0.2), -0.06) * size
    for side, sign in hands:
        target = spot + to_vector(sign * 0.035 * size, 0, 0)
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign * 0.6, 0.5, -1))
    pose.turns["neck01"] = rotate_x(rng.uniform(0.2, 0.5))


def _use_pockets(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    hands = SIDES if rng.random() < 0.7 else (SIDES[rng.integers(2)],)
    for side, sign in hands:
        hip, size = posed.joint(f"upperleg01.{side}"), posed.body.height
        target = hip + to_vector(sign * 0.06, -0.035, 0.035) * size
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign * 0.7, 1, 0))


def _cross_arms(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    size, low = posed.body.height, rng.uniform(-0.02, 0.05)
    for side, sign in SIDES:
        spot = to_vector(-0.05 * sign, -0.115 - 0.012 * sign, -low) * size
        target = posed.joint("spine02") + spot
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign * 0.8, 0.1, -1))


def _fold_behind(_: np.random.Generator, pose: Pose, posed: Posed) -> None:
    size = posed.body.height
    for side, sign in SIDES:
        target = posed.joint("root") + to_vector(0.02 * sign, 0.11, 0.03) * size
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign, 0.4, 0))


def _rest_on_hips(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    hands = SIDES if rng.random() < 0.6 else (SIDES[rng.integers(2)],)
    for side, sign in hands:
        target = posed.joint("root") + to_vector(0.11 * sign, 0, 0.07) * posed.body.height
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign, 0.6, 0))


def _wave(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    side, sign = SIDES[rng.integers(2)]
    way = to_vector(0.14 * sign, -rng.uniform(0.0, 0.25), rng.uniform(-0.05, 0.25))
    target = posed.joint(f"upperarm01.{side}") + way * posed.body.height
    pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign, 0.2, -1))


def _raise_hand(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    side, sign = SIDES[rng.integers(2)]
    way = to_vector(0.1 * sign, rng.uniform(-0.1, 0.05), 0.26)
    target = posed.joint(f"upperarm01.{side}") + way * posed.body.height
    pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign, 0, 0.1))


def _hold_umbrella(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    side, sign = SIDES[rng.integers(2)]
    way = to_vector(0.02 * sign, -rng.uniform(0.1, 0.15), -rng.uniform(0.02, 0.1))
    target = posed.joint("spine01") + way * posed.body.height
    pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign * 0.6, 0.4, -1))
    pose.props[side] = "umbrella"


def _carry_box(rng: np.random.Generator, pose: Pose, posed: Posed) -> None:
    size, wide = posed.body.height, rng.uniform(0.07, 0.12)
    spot = posed.joint("spine03") + to_vector(0, -rng.uniform(0.17, 0.2), 0.02) * size
    for side, sign in SIDES:
        target = spot + to_vector(sign * wide * size, 0, 0)
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(sign * 0.7, 0.6, -1))
    pose.props["L"] = "box"


def _hold_child(rng: np.random.Generator, pose: Pose, _: Posed) -> None:
    side, sign = SIDES[rng.integers(2)]
    pose.limbs[f"arm.{side}"] = _arm(0.1, 0.15, sign, rng.uniform(0.3, 0.55))


_HABITS = (
    _hold_umbrella,
    _carry_box,
    _hold_child,
    _call,
    _read_phone,
    _read_phone,
    _use_pockets,
    _use_pockets,
    _cross_arms,
    _fold_behind,
    _rest_on_hips,
    _wave,
)


def _tilt_head(rng: np.random.Generator, pose: Pose) -> None:
    look = rotate_z(rng.normal(0, 0.35)) @ rotate_x(rng.normal(0.08, 0.12))
    pose.turns["head"] = pose.turns.get("head", np.eye(3, dtype=np.float32)) @ look


def _curl_fingers(rng: np.random.Generator, pose: Pose) -> None:
    for side, sign in SIDES:
        curl = rotate_y(sign * rng.uniform(0.15, 0.6))
        for finger in range(2, 6):
            for bone in range(1, 4):
                pose.turns[f"finger{finger}-{bone}.{side}"] = curl


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
