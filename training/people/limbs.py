"""Arms and legs: their sides, lengths and directions."""

import itertools

import numpy as np

from training.people.bodies import Body
from training.people.geometry import Floats, rotate_x, rotate_y, rotate_z, to_vector
from training.people.skeleton import Limb

SIDES = (("L", 1.0), ("R", -1.0))


def swing(flexion: float, spread: float = 0.0, turn: float = 0.0) -> tuple[Floats, Floats]:
    """Return direction and front of a limb that hangs down, swung forward, sideways, turned."""
    matrix = rotate_z(turn) @ rotate_y(-spread) @ rotate_x(-flexion)
    return matrix @ to_vector(0, 0, -1), matrix @ to_vector(0, -1, 0)


def bend_leg(flexion: float, bend: float, sign: float, spread: float, turn: float = 0.05) -> Limb:
    """Return a leg: flexion of the hip, bend of the knee, in radians; sign 1 is left."""
    direction, front = swing(flexion, sign * spread, sign * turn)
    return Limb(direction, front, bend)


def bend_arm(
    flexion: float, bend: float, sign: float, spread: float = 0.12, turn: float = 0.0
) -> Limb:
    """Return an arm: flexion of the shoulder, bend of the elbow, in radians; sign 1 is left."""
    direction, front = swing(flexion, sign * spread, -sign * turn)
    return Limb(direction, -front, bend)


def measure_arm(body: Body) -> float:
    """Return the metres from shoulder to wrist."""
    return _measure(body, "upperarm01.L", "lowerarm01.L", "wrist.L")


def measure_leg(body: Body) -> float:
    """Return the metres from hip to ankle."""
    return _measure(body, "upperleg01.L", "lowerleg01.L", "foot.L")


def _measure(body: Body, *bones: str) -> float:
    places = [body.joint(bone) for bone in bones]
    return float(sum(np.linalg.norm(b - a) for a, b in itertools.pairwise(places)))
