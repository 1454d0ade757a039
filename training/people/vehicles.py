"""Bicycles, wheelchairs, strollers and scooters, built around the posed body."""

import math

import numpy as np

from training.figures import Material
from training.people.geometry import (
    Floats,
    Mesh,
    make_ball,
    make_ring,
    make_tube,
    merge,
    to_vector,
)
from training.people.limbs import SIDES, measure_leg
from training.people.meshes import find_ground, find_hand
from training.people.parts import Look, Part, make_part
from training.people.poses import Stance

_SIDE = (1.0, 0.0, 0.0)


def sample_vehicle(rng: np.random.Generator, stance: Stance) -> list[Part]:
    """Return the vehicle of the person's activity, if it has one."""
    makers = {
        "cycle": make_bicycle,
        "wheelchair": make_wheelchair,
        "push": make_stroller if rng.random() < 0.7 else make_trolley,
        "scoot": make_scooter,
    }
    if stance.activity not in makers:
        return []
    frame, dark = makers[stance.activity](rng, stance)
    return [make_part(Look(Material.VEHICLE), frame), make_part(Look(Material.TYRE), dark)]


def make_bicycle(rng: np.random.Generator, stance: Stance) -> tuple[Mesh, Mesh]:
    """Return frame and dark parts of a bicycle under a rider."""
    posed, leg = stance.posed, measure_leg(stance.posed.body)
    hips = (posed.joint("upperleg01.L") + posed.joint("upperleg01.R")) / 2
    saddle = hips + to_vector(0, 0.08, -0.14) * leg
    crank = hips + to_vector(0, -0.24, -0.87) * leg
    bar = (find_hand(stance, "L") + find_hand(stance, "R")) / 2
    radius = rng.uniform(0.34, 0.4) * leg
    axle = crank[2] + 0.06 * leg
    rear = to_vector(0, crank[1] + 0.5 * leg, axle)
    front = to_vector(0, min(bar[1] - 0.1 * leg, crank[1] - 0.62 * leg), axle)
    head = to_vector(0, bar[1] * 0.75 + front[1] * 0.25, min(bar[2] - 0.05, saddle[2] + 0.05))
    tube = rng.uniform(0.016, 0.026) * leg
    rods = [
        [saddle, crank, rear, saddle - to_vector(0, 0.02, 0.1) * leg],
        [crank, head] if rng.random() < 0.8 else [crank, crank],
        [head, front],
        [head, bar],
    ]
    if rng.random() < 0.6:
        rods.append([saddle - to_vector(0, 0.02, 0.1) * leg, head])
    bars = [[find_hand(stance, side), bar] for side, _ in SIDES]
    pedals = [_make_pedal(stance, crank, side, leg) for side, _ in SIDES]
    tyre = 0.02 * leg
    dark = [make_ring(center, _SIDE, radius, tyre) for center in (rear, front)]
    dark += [make_tube([a, b], 0.004 * leg, 4) for a, b in _list_spokes(rear, front, radius)]
    dark.append(make_ball(saddle, to_vector(0.08, 0.15, 0.035) * leg, 0.8))
    frame = [make_tube(rod, tube) for rod in [*rods, *bars] if not np.allclose(rod[0], rod[-1])]
    return merge(frame), merge([*dark, *pedals])


def _make_pedal(stance: Stance, crank: Floats, side: str, leg: float) -> Mesh:
    ball = stance.posed.joint(f"toe2-1.{side}")
    ball = ball - to_vector(0, 0, 0.04) * leg
    arm = make_tube([crank, to_vector(ball[0] * 0.7, ball[1], ball[2])], 0.014 * leg)
    return merge([arm, make_ball(ball, to_vector(0.06, 0.05, 0.015) * leg, 0.5)])


def _list_spokes(rear: Floats, front: Floats, radius: float) -> list[tuple[Floats, Floats]]:
    spokes = []
    for center in (rear, front):
        for turn in np.linspace(0, math.pi, 5, endpoint=False):
            way = to_vector(0, math.cos(turn), math.sin(turn)) * radius
            spokes.append((center - way, center + way))
    return spokes


def make_wheelchair(rng: np.random.Generator, stance: Stance) -> tuple[Mesh, Mesh]:
    """Return frame and dark parts of a wheelchair under a sitting person."""
    posed, leg = stance.posed, measure_leg(stance.posed.body)
    hips = (posed.joint("upperleg01.L") + posed.joint("upperleg01.R")) / 2
    ground = find_ground(stance) - 0.1 * leg
    wide = rng.uniform(0.3, 0.34) * leg
    radius = rng.uniform(0.34, 0.38) * leg
    seat = make_ball(hips + to_vector(0, -0.2, -0.17) * leg, to_vector(wide, 0.32 * leg, 0.04), 0.3)
    back = make_ball(hips + to_vector(0, 0.22, 0.22) * leg, to_vector(wide, 0.03, 0.34 * leg), 0.3)
    frame, dark = [], [seat, back]
    for _, sign in SIDES:
        axle = to_vector(sign * (wide + 0.05 * leg), hips[1], ground + radius)
        caster = to_vector(sign * wide * 0.8, hips[1] - 0.55 * leg, ground + 0.08 * leg)
        dark += [
            make_ring(axle, _SIDE, radius, 0.022 * leg),
            make_ring(caster, _SIDE, 0.065 * leg, 0.02 * leg),
        ]
        spokes = _list_spokes(axle, caster, radius)[:5]
        dark += [make_tube([a, b], 0.004 * leg, 4) for a, b in spokes]
        low = to_vector(axle[0] - sign * 0.04 * leg, axle[1], hips[2] - 0.18 * leg)
        frame += [
            make_tube([axle, low, to_vector(low[0], caster[1], low[2]), caster], 0.018 * leg),
            make_tube(
                [low + to_vector(0, 0.2, 0) * leg, low + to_vector(0, 0.26, 0.75) * leg],
                0.018 * leg,
            ),
            make_ball(
                caster + to_vector(-sign * 0.06, -0.1, 0.0) * leg,
                to_vector(0.08, 0.1, 0.015) * leg,
                0.4,
            ),
        ]
    return merge(frame), merge(dark)


def make_stroller(rng: np.random.Generator, stance: Stance) -> tuple[Mesh, Mesh]:
    """Return frame and dark parts of a stroller before a person."""
    leg, ground = measure_leg(stance.posed.body), find_ground(stance)
    bar = (find_hand(stance, "L") + find_hand(stance, "R")) / 2
    near, far = bar[1] - 0.25 * leg, bar[1] - rng.uniform(0.8, 1.0) * leg
    middle, radius = (near + far) / 2, rng.uniform(0.09, 0.17) * leg
    height = ground + rng.uniform(0.45, 0.6) * leg
    tub = make_ball((0, middle, height), to_vector(0.24, 0.36, 0.16) * leg, 0.6)
    hood = make_ball(
        (0, middle + 0.14 * leg, height + 0.2 * leg), to_vector(0.24, 0.24, 0.22) * leg
    )
    frame, dark = [tub], [hood]
    for side, sign in SIDES:
        hand = find_hand(stance, side)
        x = sign * 0.25 * leg
        front, rear = (to_vector(x, y, ground + radius) for y in (far, near))
        frame += [make_tube([hand, to_vector(x, near - 0.1 * leg, height), front], 0.018 * leg)]
        frame += [make_tube([to_vector(x, middle, height), rear], 0.018 * leg)]
        dark += [make_ring(center, _SIDE, radius, 0.025 * leg) for center in (front, rear)]
    frame.append(make_tube([find_hand(stance, "L"), find_hand(stance, "R")], 0.018 * leg))
    return merge(frame), merge(dark)


def make_trolley(rng: np.random.Generator, stance: Stance) -> tuple[Mesh, Mesh]:
    """Return frame and dark parts of a shopping trolley, or of a cart with boxes."""
    leg, ground = measure_leg(stance.posed.body), find_ground(stance)
    bar = (find_hand(stance, "L") + find_hand(stance, "R")) / 2
    near, far = bar[1] - 0.1 * leg, bar[1] - rng.uniform(0.8, 1.1) * leg
    low, high = ground + 0.45 * leg, bar[2] - 0.02 * leg
    x = 0.27 * leg
    frame = [make_tube([find_hand(stance, "L"), find_hand(stance, "R")], 0.02 * leg)]
    for z, inset in (
        (low, 0.06),
        (high, 0.0),
        ((low + high) / 2, 0.03),
        (ground + 0.14 * leg, 0.0),
    ):
        a, b = near - inset * leg, far + inset * leg
        loop = [(-x, a, z), (x, a, z), (x, b, z), (-x, b, z), (-x, a, z)]
        frame.append(make_tube(loop, 0.012 * leg))
    frame += [
        make_tube([(s * x, y, high), (s * x, y, ground + 0.1 * leg)], 0.012 * leg)
        for s in (-1, 1)
        for y in (near, far, (near + far) / 2)
    ]
    dark = [
        make_ring((s * x, y, ground + 0.06 * leg), _SIDE, 0.045 * leg, 0.02 * leg)
        for s in (-1, 1)
        for y in (near, far)
    ]
    goods = make_ball(
        (0, (near + far) / 2, low + 0.15 * leg),
        to_vector(0.22, 0.3, rng.uniform(0.1, 0.25)) * leg,
        0.5,
    )
    return merge(frame), merge([*dark, goods])


def make_scooter(_: np.random.Generator, stance: Stance) -> tuple[Mesh, Mesh]:
    """Return frame and dark parts of an electric scooter under a standing person."""
    leg = measure_leg(stance.posed.body)
    bar = (find_hand(stance, "L") + find_hand(stance, "R")) / 2
    deck = find_ground(stance) - 0.03 * leg
    feet = [stance.posed.joint(f"foot.{side}")[1] for side, _ in SIDES]
    front, rear = min(feet) - 0.45 * leg, max(feet) + 0.2 * leg
    radius = 0.11 * leg
    axle = deck - 0.02 * leg
    board = make_ball(
        (0, (front + rear) / 2 + 0.1 * leg, deck),
        (0.1 * leg, (rear - front) / 2 - 0.12 * leg, 0.03 * leg),
        0.4,
    )
    column = make_tube([(0, front, axle), (0, bar[1], bar[2])], 0.025 * leg)
    handles = make_tube([find_hand(stance, "L"), find_hand(stance, "R")], 0.018 * leg)
    wheels = [
        make_ring((0, y, axle), _SIDE, radius - 0.03 * leg, 0.03 * leg) for y in (front, rear)
    ]
    return merge([column, handles]), merge([board, *wheels])
