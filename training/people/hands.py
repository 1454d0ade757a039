"""What hands do: phones, pockets, crossed arms, umbrellas, bars of vehicles."""

import math

import numpy as np

from training.people.bodies import Body
from training.people.geometry import rotate_x, rotate_y, to_vector
from training.people.limbs import SIDES, bend_arm, measure_arm, measure_leg
from training.people.skeleton import Pose, Posed, Reach, solve


def take_hands(rng: np.random.Generator, pose: Pose, body: Body, busy_share: float) -> None:
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
    pose.limbs[f"arm.{side}"] = bend_arm(0.1, 0.15, sign, rng.uniform(0.3, 0.55))


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


def hold_bar(pose: Pose, body: Body, angle: float, width: float, reach: float) -> None:
    """Let both hands hold a bar before the body, `angle` above the lower vertical."""
    posed = solve(body, Pose(turns=pose.turns))
    shoulders = [posed.joint(f"upperarm01.{side}") for side, _ in SIDES]
    middle = (shoulders[0] + shoulders[1]) / 2
    arm = measure_arm(body)
    bar = middle + to_vector(0, -math.sin(angle), -math.cos(angle)) * arm * reach
    for side, sign in SIDES:
        target = bar + to_vector(sign * width * measure_leg(body), 0, 0)
        pose.limbs[f"arm.{side}"] = Reach(target, to_vector(0.6 * sign, 0.5, -0.6))


def curl_fingers(rng: np.random.Generator, pose: Pose) -> None:
    for side, sign in SIDES:
        curl = rotate_y(sign * rng.uniform(0.15, 0.6))
        for finger in range(2, 6):
            for bone in range(1, 4):
                pose.turns[f"finger{finger}-{bone}.{side}"] = curl
