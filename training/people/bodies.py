"""Bodies of all ages and builds: anny's template, its regions, and a body at rest."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from training.people.extras import import_extra
from training.people.geometry import Floats, Ints, compute_normals

Mask = npt.NDArray[np.bool_]

_REGIONS = {
    "foot": ("foot", "toe"),
    "lower_leg": ("lowerleg",),
    "upper_leg": ("upperleg",),
    "hips": ("pelvis", "root", "spine05"),
    "torso": ("spine01", "spine02", "spine03", "spine04", "clavicle", "shoulder"),
    "upper_arm": ("upperarm",),
    "lower_arm": ("lowerarm",),
    "hand": ("wrist", "finger", "metacarpal"),
    "neck": ("neck",),
    "head": ("head", "eye"),
}


@dataclass(frozen=True)
class Template:
    """The parts that all bodies share: triangles, bones, weights, regions and neighbours."""

    faces: Ints
    bones: dict[str, int]
    parents: tuple[int, ...]
    weights: Floats  # (V, K)
    weight_bones: Ints  # (V, K)
    regions: dict[str, Mask]
    neighbors: Ints  # (V, 8), padded with the vertex itself

    def select(self, *names: str) -> Mask:
        """Return the vertices of some regions (V,)."""
        return np.logical_or.reduce([self.regions[name] for name in names])


@dataclass(frozen=True)
class Body:
    """One body at rest: arms at 45 degrees, front towards -y, in metres."""

    template: Template
    vertices: Floats  # (V, 3)
    normals: Floats  # (V, 3)
    heads: Floats  # (B, 3), where bones begin
    is_female: bool
    is_child: bool

    @functools.cached_property
    def bottom(self) -> float:
        """The z of the soles."""
        return float(self.vertices[:, 2].min())

    @functools.cached_property
    def height(self) -> float:
        """Metres from the soles to the crown."""
        return float(self.vertices[:, 2].max()) - self.bottom

    @functools.cached_property
    def crotch(self) -> float:
        """The z at which the legs part."""
        hips = self.vertices[self.template.select("hips", "upper_leg")]
        return float(hips[np.abs(hips[:, 0]) < 0.02 * self.height, 2].min())

    @functools.cached_property
    def arm_length(self) -> Floats:
        """Metres of arm between shoulder and vertex (V,); -1 off the arms."""
        length = np.full(len(self.vertices), -1, np.float32)
        for side, sign in (("L", 1), ("R", -1)):
            start, end = self.joint(f"upperarm01.{side}"), self.joint(f"wrist.{side}")
            axis = (end - start) / np.linalg.norm(end - start)
            arm = self.template.select("upper_arm", "lower_arm", "hand")
            arm = arm & (self.vertices[:, 0] * sign > 0)
            length[arm] = (self.vertices[arm] - start) @ axis
        return length

    def joint(self, bone: str) -> Floats:
        """Return the place (3,) at which a bone begins."""
        return self.heads[self.template.bones[bone]]


class BodyFactory:
    """Anny's model: makes bodies from phenotypes."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self._model = import_extra("anny").Anny().to(dtype=torch.float32)
        self.template = _make_template(self._model)

    def sample(self, rng: np.random.Generator) -> Body:
        """Return a random body of 4 to 90 years."""
        stage = rng.random()
        low, high = (0.19, 0.4) if stage < 0.14 else (0.4, 0.6) if stage < 0.26 else (0.6, 1.0)
        values = {
            "age": rng.uniform(low, high),
            "gender": float(np.clip(rng.integers(2) + rng.normal(0, 0.12), 0, 1)),
            "muscle": rng.uniform(0.1, 0.9),
            "weight": float(np.clip(rng.normal(0.5, 0.25), 0.05, 1)),
            "height": rng.uniform(0.1, 0.6),
            "proportions": rng.uniform(0.2, 0.9),
        }
        return self.make(values)

    def make(self, phenotype: dict[str, float]) -> Body:
        """Return the body of a phenotype: anny's age, gender, muscle and so on, each 0 to 1."""
        values = {name: torch.tensor([value]).float() for name, value in phenotype.items()}
        with torch.no_grad():
            shape = self._model.get_phenotype_blendshape_coefficients(**values)
            rest = self._model.get_rest_model(shape)
        vertices = rest["rest_vertices"][0].numpy()
        return Body(
            self.template,
            vertices,
            compute_normals(vertices, self.template.faces),
            rest["rest_bone_heads"][0].numpy(),
            is_female=phenotype["gender"] > 0.5,
            is_child=phenotype["age"] < 0.4,  # anny's child is at 1/3
        )


def _make_template(model: Any) -> Template:
    faces = model.faces.numpy().astype(np.int32)
    weights = model.vertex_bone_weights.numpy()
    bones = model.vertex_bone_indices.numpy().astype(np.int32)
    dominant = bones[np.arange(len(bones)), weights.argmax(axis=1)]
    names = np.array(model.bone_labels)[dominant]
    regions = {
        region: np.array([name.startswith(starts) for name in names])
        for region, starts in _REGIONS.items()
    }
    return Template(
        faces,
        {name: index for index, name in enumerate(model.bone_labels)},
        tuple(model.bone_parents),
        weights,
        bones,
        regions,
        _list_neighbors(faces, len(weights)),
    )


def _list_neighbors(faces: Ints, count: int, width: int = 8) -> Ints:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    first = np.searchsorted(pairs[:, 0], np.arange(count))
    rank = np.arange(len(pairs)) - first[pairs[:, 0]]
    table = np.repeat(np.arange(count, dtype=np.int32)[:, None], width, axis=1)
    fits = rank < width
    table[pairs[fits, 0], rank[fits]] = pairs[fits, 1]
    return table
