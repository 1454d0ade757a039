"""Cloth and hair that hang free: skirts, coat tails, long hair, as rings around the body."""

from dataclasses import dataclass, replace

import numpy as np

from training.people.bodies import Body
from training.people.geometry import Floats, Ints, Mesh, connect_grid
from training.people.parts import Look, Part, make_part

_COLUMNS = 48


@dataclass(frozen=True)
class SkirtShape:
    """The shape of a tube: z of its ends, metres of ease and of half a slit in front."""

    top: float
    hem: float
    ease: float
    flare: float  # growth of the radius per metre
    pleats: float  # share of the radius, per height of the body
    opening: float = 0.0


def make_skirt(
    body: Body,
    look: Look,
    shape: SkirtShape,
) -> Part:
    """Return a tube around hips and legs."""
    z = np.linspace(shape.top, shape.hem, 14, dtype=np.float32)
    angle = np.linspace(0, 2 * np.pi, _COLUMNS, endpoint=False, dtype=np.float32)[None]
    center, half = _measure_rings(body, z)
    depth = np.clip((body.crotch + 0.08 * body.height - z) / body.height, 0, None)[:, None]
    half = half + shape.ease + depth * shape.flare * body.height
    fold = 1 + shape.pleats * depth * 2 * np.sin(angle * 9 + 5 * np.sin(2 * angle))
    x = half[:, :1] * np.cos(angle) * fold
    y = center[:, None] + half[:, 1:] * np.sin(angle) * fold
    points = np.stack(np.broadcast_arrays(x, y, z[:, None]), axis=-1).reshape(-1, 3)
    mesh = Mesh(points.astype(np.float32), connect_grid(len(z), _COLUMNS, is_closed=True))
    weights, bones = _weigh_skirt(body, points, np.broadcast_to(half[:, :1], x.shape).ravel())
    keep = np.maximum(
        np.abs(points[:, 0]) - shape.opening, points[:, 1] - np.repeat(center, _COLUMNS)
    )
    keep = keep if shape.opening > 0 else np.ones(len(points))
    part = replace(make_part(look, mesh), weights=weights, bones=bones, relax=_COLUMNS)
    return replace(part, keep=keep.astype(np.float32))


def _measure_rings(body: Body, z: Floats) -> tuple[Floats, Floats]:
    """Return middle y (K,) and half widths (K, 2) of hips and legs at heights z (K,)."""
    region = body.template.select("hips", "upper_leg", "lower_leg", "torso")
    points = body.vertices[region]
    rows = []
    for level in z:
        slab = points[np.abs(points[:, 2] - level) < 0.03 * body.height]
        rows.append([slab[:, 1].min(), slab[:, 1].max(), np.abs(slab[:, 0]).max()])
    front, back, side = np.array(rows, np.float32).T
    # Below the hips cloth hangs: the legs' own widths would draw it in.
    hips = z > body.crotch
    side = np.where(hips, side, np.maximum(side, 0.95 * side[hips].max()))
    front = np.minimum.accumulate(np.where(hips, front, front[hips].min()))
    back = np.maximum.accumulate(np.where(hips, back, 0.8 * back[hips].max()))
    return (front + back) / 2, np.stack([side, (back - front) / 2], axis=1)


def _weigh_skirt(body: Body, points: Floats, half: Floats) -> tuple[Floats, Ints]:
    names = ("root", "upperleg01.L", "upperleg01.R", "lowerleg01.L", "lowerleg01.R", "spine04")
    bones = np.array([body.template.bones[name] for name in names], np.int32)
    z, size = points[:, 2], body.height
    hip = body.joint("upperleg01.L")[2]
    knee, foot = body.joint("lowerleg01.L")[2], body.joint("foot.L")[2]
    legs = _ease((hip + 0.01 * size - z) / (0.13 * size))
    shins = 0.85 * _ease((knee + 0.03 * size - z) / (knee - foot))
    spine = _ease((z - hip - 0.05 * size) / (0.08 * size))
    left = _ease(points[:, 0] / half * 1.1 + 0.5)
    rows = [
        (1 - legs) * (1 - spine),
        legs * left * (1 - shins),
        legs * (1 - left) * (1 - shins),
        legs * left * shins,
        legs * (1 - left) * shins,
        (1 - legs) * spine,
    ]
    weights = np.stack(rows, axis=1).astype(np.float32)
    return weights, np.tile(bones, (len(points), 1))


def _ease(value: Floats) -> Floats:
    t = np.clip(value, 0, 1)
    return t * t * (3 - 2 * t)


def make_hair_curtain(body: Body, look: Look, length: float, volume: float) -> Part:
    """Return hair that falls behind head and shoulders: metres below the chin, metres of volume."""
    head = body.vertices[body.template.select("head")]
    chin, crown = body.joint("head")[2], float(head[:, 2].max())
    z = np.linspace(crown - 0.25 * (crown - chin), chin - length, 14, dtype=np.float32)
    angle = np.linspace(-0.2, np.pi + 0.2, 25, dtype=np.float32)[None]
    middle = (head[:, 1].min() + head[:, 1].max()) / 2
    half = np.abs(head[:, 0]).max()
    below = np.clip((chin - z) / 0.1, 0, 1)
    back = np.array([_find_back(body, level) for level in z], np.float32)
    depth = np.maximum(float(head[:, 1].max()) - middle, (back - middle) * below) + volume
    width = (half + volume) * (1 + 0.15 * below)
    x = width[:, None] * np.cos(angle)
    y = middle + 0.02 + depth[:, None] * np.sin(angle)
    points = np.stack(np.broadcast_arrays(x, y, z[:, None]), axis=-1).reshape(-1, 3)
    mesh = Mesh(points.astype(np.float32), connect_grid(14, 25, is_closed=False))
    fall = _ease((chin + 0.02 - points[:, 2]) / 0.2)
    names = ("head", "spine01")
    bones = np.tile([body.template.bones[name] for name in names], (len(points), 1))
    weights = np.stack([1 - fall, fall], axis=1).astype(np.float32)
    return replace(make_part(look, mesh), weights=weights, bones=bones.astype(np.int32))


def _find_back(body: Body, level: float) -> float:
    near = np.abs(body.vertices[:, 2] - level) < 0.02
    near &= body.template.select("torso", "neck", "head") & (np.abs(body.vertices[:, 0]) < 0.1)
    return float(body.vertices[near, 1].max()) if near.any() else 0.0
