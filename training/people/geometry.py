"""Rotations, normals and simple meshes. float32 and int32; metres, z up, front -y."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int32]


Place: TypeAlias = Sequence[float] | Floats  # x, y, z


class Mesh(NamedTuple):
    """Points (N, 3) and triangles (M, 3)."""

    points: Floats
    faces: Ints


def to_vector(*values: float) -> Floats:
    """Return numbers as an array."""
    return np.array(values, np.float32)


def rotate_x(angle: float) -> Floats:
    """Return the rotation about x; positive angles lean up to the front."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)


def rotate_y(angle: float) -> Floats:
    """Return the rotation about y; positive angles lean up to the person's left."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def rotate_z(angle: float) -> Floats:
    """Return the rotation about z; positive angles turn the front to the person's left."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


def normalize(vector: Floats) -> Floats:
    """Return vectors (..., 3) of length 1; those of length 0 stay."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return (vector / np.maximum(length, 1e-9)).astype(np.float32)


def align_frame(direction: Floats, pole: Floats) -> Floats:
    """Return axes (3, 3), as columns: the direction, the pole made perpendicular, their cross."""
    direction = normalize(direction)
    across = normalize(pole - direction * float(pole @ direction))
    return np.stack([direction, across, np.cross(direction, across)], axis=1)


def compute_normals(points: Floats, faces: Ints) -> Floats:
    """Return unit normals (N, 3) of the points, weighted by the areas of their triangles."""
    corners = points[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    index = faces.ravel()
    sums = [
        np.bincount(index, np.repeat(areas[:, axis], 3), minlength=len(points)) for axis in range(3)
    ]
    return normalize(np.stack(sums, axis=1).astype(np.float32))


def connect_grid(rows: int, columns: int, *, is_closed: bool) -> Ints:
    """Return triangles of a grid of points, row by row; a closed one is a tube."""
    row, column = np.mgrid[0 : rows - 1, 0 : columns if is_closed else columns - 1]
    a, b = row * columns + column, row * columns + (column + 1) % columns
    quads = np.stack([a, a + columns, b, b, a + columns, b + columns], axis=-1)
    return quads.reshape(-1, 3).astype(np.int32)


def make_ball(center: Place, radii: Place, power: float = 1.0) -> Mesh:
    """Return an ellipsoid; powers below 1 make it a box with round edges."""
    polar = np.linspace(0, np.pi, 13)[:, None]
    around = np.linspace(0, 2 * np.pi, 20, endpoint=False)[None]
    unit = np.stack(
        np.broadcast_arrays(
            _bulge(np.sin(polar), power) * _bulge(np.cos(around), power),
            _bulge(np.sin(polar), power) * _bulge(np.sin(around), power),
            _bulge(np.cos(polar), power) + 0 * around,
        ),
        axis=-1,
    )
    points = unit.reshape(-1, 3) * np.asarray(radii) + np.asarray(center)
    return Mesh(points.astype(np.float32), connect_grid(13, 20, is_closed=True))


def _bulge(value: npt.NDArray[np.float64], power: float) -> npt.NDArray[np.float64]:
    return np.sign(value) * np.abs(value) ** power


def make_tube(path: Sequence[Place], radius: float, sides: int = 8) -> Mesh:
    """Return a pipe of one radius in metres along the points of a path."""
    points = np.asarray(path, np.float32)
    meshes = [_make_rod(a, b, radius, sides) for a, b in itertools.pairwise(points)]
    return merge(meshes)


def _make_rod(start: Floats, end: Floats, radius: float, sides: int) -> Mesh:
    axis = normalize(end - start)
    guide = np.eye(3, dtype=np.float32)[int(np.abs(axis).argmin())]
    _, u, v = align_frame(axis, guide).T
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False, dtype=np.float32)[:, None]
    ring = (np.cos(angle) * u + np.sin(angle) * v) * radius
    rows = [start + 0 * ring, start + ring, end + ring, end + 0 * ring]
    return Mesh(np.concatenate(rows), connect_grid(4, sides, is_closed=True))


def make_ring(center: Place, axis: Place, radius: float, width: float) -> Mesh:
    """Return a torus about an axis: its radius and that of its pipe, in metres."""
    _, u, v = align_frame(np.asarray(axis, np.float32), to_vector(0.31, 0.5, 0.81)).T
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False, dtype=np.float32)[:, None, None]
    pipe = np.linspace(0, 2 * np.pi, 7, endpoint=False, dtype=np.float32)[None, :, None]
    out = np.cos(turn) * u + np.sin(turn) * v
    side = normalize(np.asarray(axis, np.float32))
    rim = out * (radius + width * np.cos(pipe)) + side * width * np.sin(pipe)
    grid = np.concatenate([rim, rim[:1]]).reshape(-1, 3) + np.asarray(center, np.float32)
    return Mesh(grid.astype(np.float32), connect_grid(29, 7, is_closed=True))


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """Return the meshes as one."""
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    points = np.concatenate([mesh.points for mesh in meshes])
    return Mesh(points, np.concatenate(faces).astype(np.int32))
