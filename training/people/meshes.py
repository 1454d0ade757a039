"""Bags, umbrellas and phones: what people carry."""

import numpy as np

from training.figures import Material
from training.people.bodies import Body
from training.people.geometry import (
    Floats,
    Mesh,
    connect_grid,
    make_ball,
    make_tube,
    merge,
    normalize,
    to_vector,
)
from training.people.layers import make_layer
from training.people.limbs import SIDES
from training.people.parts import SMOOTH, Look, Part, hang, make_part
from training.people.poses import Stance

_BAG = Look(Material.BAG, bump=(0.004, 9.0, 9.0, 9.0))


def sample_luggage(rng: np.random.Generator, stance: Stance, thickness: float) -> list[Part]:
    """Return what the person carries over clothes of some thickness in metres; mostly nothing."""
    parts: list[Part] = []
    body = stance.posed.body
    if rng.random() < 0.16:
        parts += make_backpack(rng, body, thickness)
    elif rng.random() < 0.14:
        parts += make_shoulder_bag(rng, body, thickness)
    free = stance.free_hands
    if free and rng.random() < 0.18 and stance.activity in {"walk", "stand"}:
        parts += make_handbag(rng, stance, free[0])
    elif free and rng.random() < 0.06 and stance.activity in {"walk", "stand"}:
        parts += make_suitcase(rng, stance, free[0])
    return parts


def make_backpack(rng: np.random.Generator, body: Body, thickness: float) -> list[Part]:
    """Return a backpack with its straps."""
    size, middle = body.height, body.joint("spine02")
    near = np.abs(body.vertices[:, 2] - middle[2]) < 0.04 * size
    back = body.vertices[near & body.template.select("torso"), 1].max() + thickness
    half = to_vector(rng.uniform(0.07, 0.1), rng.uniform(0.035, 0.075), rng.uniform(0.1, 0.16))
    half = half * size
    center = (0.0, back + half[1] * 0.85, middle[2] + rng.uniform(-0.05, 0.03) * size)
    bag = hang(body, _BAG, make_ball(center, half, 0.45), "spine02")
    return [bag, _make_straps(body, thickness + 0.018)]


def _make_straps(body: Body, thickness: float) -> Part:
    x, _, z = body.vertices.T
    size = body.height
    keep = np.minimum(0.014 * size - np.abs(np.abs(x) - 0.062 * size), z - body.joint("spine03")[2])
    mask = body.template.select("torso", "neck") & (np.abs(x) < 0.1 * size)
    return make_layer(body, Look(Material.BAG), mask, thickness, keep, smooth=4)


def make_shoulder_bag(rng: np.random.Generator, body: Body, thickness: float) -> list[Part]:
    """Return a bag at a hip, with a strap across the torso or from the near shoulder."""
    size = body.height
    _, sign = SIDES[rng.integers(2)]
    half = to_vector(rng.uniform(0.02, 0.04), rng.uniform(0.06, 0.1), rng.uniform(0.05, 0.09))
    place = to_vector(sign * 0.115, 0.01, 0.03) * size + body.joint("root")
    place[0] += sign * (thickness + half[0] * size * 0.5)
    bag = hang(body, _BAG, make_ball(place, half * size, 0.45), "root")
    shoulder = body.joint(f"upperarm01.{'R' if sign > 0 else 'L'}") * to_vector(0.5, 1, 1)
    way = normalize(to_vector(place[0] - shoulder[0], 0, place[2] - shoulder[2]))
    offset = body.vertices - shoulder
    across = offset[:, 0] * way[2] - offset[:, 2] * way[0]
    keep = 0.011 * size - np.abs(across)
    mask = body.template.select("torso", "hips")
    strap = make_layer(body, Look(Material.BAG), mask, thickness + 0.018, keep, smooth=4)
    return [bag, strap]


def make_handbag(rng: np.random.Generator, stance: Stance, side: str) -> list[Part]:
    """Return a bag that hangs from a hand, with its handles."""
    size = stance.posed.body.height
    hand = find_hand(stance, side)
    half = to_vector(rng.uniform(0.015, 0.05), rng.uniform(0.06, 0.12), rng.uniform(0.05, 0.12))
    half = half * size
    drop = half[2] + rng.uniform(0.03, 0.08) * size
    bag = make_ball(hand - to_vector(0, 0, drop), half, 0.4)
    top = hand[2] - drop + half[2] * 0.9
    ends = [(hand[0], hand[1] + s * half[1] * 0.5, top) for s in (-1, 1)]
    handles = make_tube([ends[0], tuple(hand), ends[1]], 0.006 * size)
    return [make_part(_BAG, merge([bag, handles]))]


def make_suitcase(rng: np.random.Generator, stance: Stance, side: str) -> list[Part]:
    """Return a suitcase on wheels beside and behind a hand."""
    posed = stance.posed
    size = posed.body.height
    hand = find_hand(stance, side)
    ground = find_ground(stance)
    half = to_vector(rng.uniform(0.08, 0.13), rng.uniform(0.05, 0.08), rng.uniform(0.14, 0.2))
    half = half * size
    center = to_vector(hand[0] * 1.15, hand[1] + rng.uniform(0.1, 0.2) * size, 0)
    center[2] = ground + half[2] + 0.02 * size
    case = make_ball(center, half, 0.3)
    rods = [
        make_tube([center + to_vector(dx, 0, half[2] * 0.9), hand], 0.005 * size)
        for dx in (-0.02 * size, 0.02 * size)
    ]
    return [make_part(Look(Material.BAG), merge([case, *rods]))]


def make_props(rng: np.random.Generator, stance: Stance) -> list[Part]:
    """Return what the pose holds in its hands."""
    makers = {"umbrella": make_umbrella, "box": make_box}
    return [part for side, prop in stance.props.items() for part in makers[prop](rng, stance, side)]


def make_box(rng: np.random.Generator, stance: Stance, _: str) -> list[Part]:
    """Return a box between both hands."""
    size = stance.posed.body.height
    left, right = (find_hand(stance, side) for side, _ in SIDES)
    width = float(np.linalg.norm(left - right)) / 2
    half = to_vector(width, rng.uniform(0.06, 0.1) * size, rng.uniform(0.05, 0.12) * size)
    return [make_part(Look(Material.BAG), make_ball((left + right) / 2, half, 0.25))]


def make_umbrella(rng: np.random.Generator, stance: Stance, side: str) -> list[Part]:
    """Return an open umbrella above a hand."""
    size = stance.posed.body.height
    hand = find_hand(stance, side)
    tip = stance.posed.joint("head") * to_vector(0.5, 0.5, 1)
    way = normalize(tip + to_vector(0, 0.0, 0.4 * size) - hand)
    top = hand + way * max(0.35 * size, float(tip[2] + 0.28 * size - hand[2]) / float(way[2]))
    radius, angle = rng.uniform(0.24, 0.33) * size, np.linspace(0, 2 * np.pi, 33)[None]
    out = np.linspace(0, 1, 7)[:, None]
    ribs = out * radius * (1 + 0.06 * out * (np.abs(np.cos(4 * angle)) - 1))
    rise = -0.36 * radius * out**2
    grid = np.stack(np.broadcast_arrays(ribs * np.cos(angle), ribs * np.sin(angle), rise), axis=-1)
    points = (grid.reshape(-1, 3) + top).astype(np.float32)
    canopy = Mesh(points, connect_grid(7, 33, is_closed=False))
    pole = make_tube([hand - way * 0.08 * size, hand, top], 0.006 * size)
    bag = Look(Material.BAG, bump=SMOOTH)
    return [make_part(bag, canopy), make_part(Look(Material.TYRE), pole)]


def find_hand(stance: Stance, side: str) -> Floats:
    """Return the middle (3,) of a hand."""
    posed = stance.posed
    return (posed.joint(f"wrist.{side}") + 2 * posed.joint(f"finger3-1.{side}")) / 3


def find_ground(stance: Stance) -> float:
    """Return the z of the lower sole."""
    posed = stance.posed
    sole = posed.body.joint("foot.L")[2] - posed.body.bottom
    return float(min(posed.joint(f"foot.{side}")[2] for side, _ in SIDES)) - float(sole)
