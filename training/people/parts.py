"""Parts of a figure: meshes of one material, in rest space or posed."""

from dataclasses import dataclass, replace

import numpy as np

from training.figures import Material
from training.people.bodies import Body
from training.people.geometry import Floats, Ints, Mesh, compute_normals
from training.people.skeleton import Posed

SMOOTH = (0.0, 8.0, 8.0, 8.0)
CLOTH = (0.022, 9.0, 9.0, 7.0)  # depth in metres, and folds per metre along x, y, z
TIGHT = (0.01, 10.0, 10.0, 14.0)
STRANDS = (0.01, 60.0, 60.0, 9.0)


@dataclass(frozen=True)
class Look:
    """The materials of a part, and the depth and frequencies of its folds."""

    material: Material
    second: Material | None = None  # where the vertex's `second` is above 0
    bump: tuple[float, float, float, float] = SMOOTH


@dataclass(frozen=True)
class Part:
    """A mesh that moves with bones; what has `keep` below 0 is cut off by the rasterizer."""

    look: Look
    points: Floats  # (N, 3), in rest space, or in the world if there are no bones
    faces: Ints
    keep: Floats  # (N,), signed distances in metres
    second: Floats  # (N,), signed distances in metres
    weights: Floats | None = None  # (N, K)
    bones: Ints | None = None  # (N, K)
    vertices: Ints | None = None  # (N,), those of the body that a layer lies on
    relax: int = 0  # columns of a closed grid that is smoothed after posing


@dataclass(frozen=True)
class PosedPart:
    """A mesh where it is rendered, with its places at rest."""

    part: Part
    points: Floats
    normals: Floats
    height: Floats  # (N,), 0 at the soles to 1 at the crown, at rest


def make_part(look: Look, mesh: Mesh) -> Part:
    """Return a part that no bone moves."""
    marks = np.ones(len(mesh.points), np.float32)
    return Part(look, mesh.points, mesh.faces, keep=marks, second=-marks)


def hang(body: Body, look: Look, mesh: Mesh, bone: str) -> Part:
    """Return a part that one bone moves."""
    count = len(mesh.points)
    bones = np.full((count, 1), body.template.bones[bone], np.int32)
    return replace(make_part(look, mesh), weights=np.ones((count, 1), np.float32), bones=bones)


def pose_part(posed: Posed, part: Part) -> PosedPart:
    """Return a part in its place in the world."""
    points = part.points
    if part.weights is not None and part.bones is not None:
        points = posed.skin(points, part.weights, part.bones)
    if part.relax:
        points = _relax_grid(points, part.relax)
    height = np.clip((part.points[:, 2] - posed.body.bottom) / posed.body.height, 0, 1)
    return PosedPart(part, points, compute_normals(points, part.faces), height)


def _relax_grid(points: Floats, columns: int, rounds: int = 4) -> Floats:
    grid = points.reshape(-1, columns, 3)
    for _ in range(rounds):
        around = (np.roll(grid, 1, axis=1) + np.roll(grid, -1, axis=1)) / 2
        grid = 0.5 * grid + 0.5 * around
    return grid.reshape(-1, 3)
