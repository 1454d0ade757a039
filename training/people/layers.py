"""Layers of cloth over the body: parts of its surface, pushed out, smoothed, cut to length."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.people.bodies import Body, Mask
from training.people.geometry import Floats, Ints
from training.people.parts import Look, Part

_MIN_GAP = 0.005  # metres between cloth and skin
_OVERLAP = 0.06  # metres of an inner layer below the edge of an outer one


def make_layer(  # noqa: PLR0913 - a surface, what is done with it, and its marks
    body: Body,
    look: Look,
    mask: Mask,
    thickness: Floats | float,
    keep: Floats | None = None,
    *,
    second: Floats | None = None,
    smooth: int = 0,
) -> Part:
    """Return the masked surface (V,), pushed out by metres (V,); marks (V,) are those of parts."""
    template = body.template
    push = np.broadcast_to(np.float32(thickness), mask.shape)
    points = body.vertices + body.normals * push[:, None]
    points = _smooth(body, points, mask, smooth)
    faces = template.faces[mask[template.faces].all(axis=1)]
    if keep is not None:
        faces = faces[(keep > 0)[faces].any(axis=1)]
    used, faces = reindex(faces, len(mask))
    return Part(
        look,
        points[used],
        faces,
        _take(keep, used, 1.0),
        _take(second, used, -1.0),
        template.weights[used],
        template.weight_bones[used],
        used,
    )


def reindex(faces: Ints, count: int) -> tuple[Ints, Ints]:
    """Return the points that faces use, of `count`, and the faces in terms of them."""
    is_used = np.zeros(count, np.bool_)
    is_used[faces] = True
    used = np.flatnonzero(is_used).astype(np.int32)
    numbers = np.zeros(count, np.int32)
    numbers[used] = np.arange(len(used))
    return used, numbers[faces]


def cut_part(part: Part, keep: Floats) -> Part:
    """Return a part without what has `keep` (N,) below 0, nor its triangles."""
    keep = np.minimum(part.keep, keep).astype(np.float32)
    faces = part.faces[(keep > 0)[part.faces].any(axis=1)]
    return replace(part, keep=keep, faces=faces)


def drop_hidden(body: Body, layers: Sequence[Part]) -> list[Part]:
    """Return layers, the innermost first, without triangles that lie well below outer ones."""
    is_hidden = np.zeros(len(body.vertices), np.bool_)
    parts: list[Part] = []
    for part in reversed(layers):
        if part.vertices is None:
            parts.append(part)
            continue
        faces = part.faces[~is_hidden[part.vertices][part.faces].all(axis=1)]
        parts.append(replace(part, faces=faces))
        is_hidden[part.vertices[part.keep > _OVERLAP]] = True
    return parts[::-1]


def _take(values: Floats | None, used: Ints, empty: float) -> Floats:
    if values is None:
        return np.full(len(used), empty, np.float32)
    return values[used].astype(np.float32)


def _smooth(body: Body, points: Floats, mask: Mask, rounds: int) -> Floats:
    index = np.flatnonzero(mask)
    around = body.template.neighbors[index].T
    skin, normals = body.vertices[index], body.normals[index]
    points = points.copy()
    for _ in range(rounds):
        moved = 0.4 * points[index]
        for neighbor in around:
            moved += np.float32(0.6 / len(around)) * points[neighbor]
        depth = np.einsum("ni,ni->n", moved - skin, normals)
        points[index] = moved + normals * np.maximum(_MIN_GAP - depth, 0)[:, None]
    return points


def widen_legs(body: Body, thickness: float, thigh: float, ankle: float) -> Floats:
    """Return metres (V,) that push legs out to a radius at thigh and ankle, or by the thickness."""
    push = np.full(len(body.vertices), thickness, np.float32)
    for side, sign in (("L", 1), ("R", -1)):
        hip, knee, foot = (body.joint(f"{b}.{side}") for b in ("upperleg01", "lowerleg01", "foot"))
        leg = body.template.select("upper_leg", "lower_leg") & (body.vertices[:, 0] * sign > 0)
        z = body.vertices[leg, 2]
        levels = [foot[2], knee[2], hip[2]]
        axis = [np.interp(z, levels, [foot[i], knee[i], hip[i]]) for i in range(2)]
        radius = np.hypot(body.vertices[leg, 0] - axis[0], body.vertices[leg, 1] - axis[1])
        wide = np.interp(z, [foot[2], body.crotch], [ankle, thigh])
        below = np.clip((body.crotch - z) / (0.08 * body.height), 0, 1)
        push[leg] = np.maximum(thickness, (wide - radius) * below)
    return push
