"""Forward and inverse kinematics, and skinning."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from training.people.bodies import Body
from training.people.geometry import Floats, Ints, align_frame, normalize, to_vector

_CHAINS = {
    "leg": ("upperleg01", "lowerleg01", "foot"),
    "arm": ("upperarm01", "lowerarm01", "wrist"),
}
_REST_POLES = {"leg": to_vector(0, -1, 0), "arm": to_vector(0, 1, 0)}


@dataclass(frozen=True)
class Limb:
    """An arm or a leg: direction of its upper part, side to which its joint points, its bend."""

    direction: Floats
    pole: Floats
    bend: float = 0.0  # radians


@dataclass(frozen=True)
class Reach:
    """A limb that ends at a place; `pole` is the side to which its joint points."""

    target: Floats
    pole: Floats


@dataclass
class Pose:
    """Turns of bones against their parents, limbs by name ("arm.L"), turns of feet in the world."""

    turns: dict[str, Floats] = field(default_factory=dict)
    limbs: dict[str, Limb | Reach] = field(default_factory=dict)
    feet: dict[str, Floats] = field(default_factory=dict)
    props: dict[str, str] = field(default_factory=dict)  # what a hand holds: "umbrella", "box"


@dataclass(frozen=True)
class Posed:
    """A posed skeleton: rotations (B, 3, 3), and where bones begin (B, 3)."""

    body: Body
    rotations: Floats
    heads: Floats

    def joint(self, bone: str) -> Floats:
        """Return the place (3,) at which a bone begins."""
        return self.heads[self.body.template.bones[bone]]

    def turn(self, bone: str) -> Floats:
        """Return the rotation (3, 3) of a bone."""
        return self.rotations[self.body.template.bones[bone]]

    def skin(self, points: Floats, weights: Floats, bones: Ints) -> Floats:
        """Return points (N, 3) of the body at rest, moved with bones (N, K) by weights (N, K)."""
        shifts = self.heads - np.einsum("bij,bj->bi", self.rotations, self.body.heads)
        moves = np.concatenate([self.rotations, shifts[:, :, None]], axis=2).reshape(-1, 12)
        blended = np.zeros((len(points), 12), np.float32)
        for column in range(weights.shape[1]):
            blended += weights[:, column, None] * moves[bones[:, column]]
        matrix = blended.reshape(-1, 3, 4)
        return np.einsum("nij,nj->ni", matrix[:, :, :3], points) + matrix[:, :, 3]


def solve(body: Body, pose: Pose) -> Posed:
    """Return the skeleton of a body in a pose; what is out of reach is reached for."""
    posed = _place(body, pose.turns, {})
    fixed: dict[str, Floats] = {}
    for name, limb in pose.limbs.items():
        fixed |= _turn_limb(posed, name, limb)
    for side, turn in pose.feet.items():
        fixed[f"foot.{side}"] = turn
    return _place(body, pose.turns, fixed)


def _place(body: Body, turns: Mapping[str, Floats], fixed: Mapping[str, Floats]) -> Posed:
    rotations = np.tile(np.eye(3, dtype=np.float32), (len(body.heads), 1, 1))
    heads = body.heads.copy()
    for index, (name, parent) in enumerate(
        zip(body.template.bones, body.template.parents, strict=True)
    ):
        if parent >= 0:
            rotations[index] = rotations[parent]
            heads[index] = heads[parent] + rotations[parent] @ (
                body.heads[index] - body.heads[parent]
            )
        if name in fixed:
            rotations[index] = fixed[name]
        elif name in turns:
            rotations[index] = rotations[index] @ turns[name]
    return Posed(body, rotations, heads)


def _turn_limb(posed: Posed, name: str, limb: Limb | Reach) -> dict[str, Floats]:
    kind, side = name.split(".")
    bones = [f"{bone}.{side}" for bone in _CHAINS[kind]]
    start, middle, end = (posed.body.joint(bone) for bone in bones)
    if isinstance(limb, Reach):
        limb = _reach(posed.joint(bones[0]), limb, middle - start, end - middle)
    else:
        base = posed.turn("spine01" if kind == "arm" else "root")
        limb = Limb(base @ limb.direction, base @ limb.pole, limb.bend)
    upper, pole, across = align_frame(limb.direction, limb.pole).T
    c, s = math.cos(limb.bend), math.sin(limb.bend)
    upper_axes = np.stack([upper, pole, across], axis=1)
    lower_axes = np.stack([c * upper - s * pole, c * pole + s * upper, across], axis=1)
    rest_pole = _REST_POLES[kind]
    return {
        bones[0]: upper_axes @ align_frame(middle - start, rest_pole).T,
        bones[1]: lower_axes @ align_frame(end - middle, rest_pole).T,
    }


def _reach(start: Floats, reach: Reach, upper: Floats, lower: Floats) -> Limb:
    a, b = float(np.linalg.norm(upper)), float(np.linalg.norm(lower))
    way = reach.target - start
    distance = float(np.clip(np.linalg.norm(way), abs(a - b) + 0.02, (a + b) * 0.999))
    lift = math.acos(np.clip((a * a + distance**2 - b * b) / (2 * a * distance), -1, 1))
    inner = math.acos(np.clip((a * a + b * b - distance**2) / (2 * a * b), -1, 1))
    toward, pole, _ = align_frame(way, reach.pole).T
    direction = math.cos(lift) * toward + math.sin(lift) * pole
    side = math.cos(lift) * pole - math.sin(lift) * toward
    return Limb(normalize(direction), side, math.pi - inner)
