"""Shoes: a rounded last around each foot."""

import numpy as np

from training.figures import Material
from training.people.bodies import Body
from training.people.geometry import Mesh, make_ball, rotate_z
from training.people.parts import Look, Part, hang


def make_shoe(body: Body, side: str, sign: float, sole: float) -> Part:
    """Return a shoe with a sole of some thickness in metres."""
    foot = body.vertices[body.template.select("foot") & (body.vertices[:, 0] * sign > 0)]
    ankle = body.joint(f"foot.{side}")
    toe = foot[foot[:, 1].argmin()]
    turn = np.arctan2(toe[0] - ankle[0], ankle[1] - toe[1])
    axes = rotate_z(-turn)[:2, :2]
    flat = (foot[:, :2] - ankle[:2]) @ axes.T
    low, high = flat.min(axis=0), flat.max(axis=0)
    half = np.append((high - low) / 2, ankle[2] - body.bottom) * 1.04
    points, faces = make_ball((0, 0, 0), (1, 1, 1), 0.75)
    along = (points[:, 1] + 1) / 2  # 0 at the toe, 1 at the heel
    points[:, 0] *= np.interp(along, [0, 0.3, 0.6, 1], [0.85, 1.0, 0.85, 0.75])
    points[:, 2] = np.clip(points[:, 2], 0, 1) * np.interp(along, [0, 0.25, 0.6], [0.5, 0.55, 0.95])
    points = points * half
    points[:, :2] = (points[:, :2] + (low + high) / 2) @ axes + ankle[:2]
    points[:, 2] += body.bottom - sole * (points[:, 2] <= 0)
    return hang(body, Look(Material.SHOES), Mesh(points.astype(np.float32), faces), f"foot.{side}")
