"""Random figures: a body, an outfit, a pose, what it carries, a camera."""

from collections.abc import Iterator

import numpy as np

from training.people.bodies import BodyFactory
from training.people.cameras import sample_camera
from training.people.garments import make_outfit, sample_outfit
from training.people.geometry import Floats
from training.people.meshes import make_props, sample_luggage
from training.people.parts import PosedPart, pose_part
from training.people.poses import list_similar, sample_activity, sample_stance
from training.people.rasterizer import Figure, Rasterizer
from training.people.vehicles import sample_vehicle

_POSES, _VIEWS = 2, 2  # per outfit: dressing costs more than posing, posing more than rendering


def iterate_figures(
    rng: np.random.Generator, factory: BodyFactory, rasterizer: Rasterizer
) -> Iterator[Figure]:
    """Yield figures without end."""
    while True:
        body = factory.sample(rng)
        activity = sample_activity(rng)
        outfit = sample_outfit(rng, body, activity)
        clothes = make_outfit(rng, body, outfit)
        for _ in range(_POSES):
            stance = sample_stance(rng, body, activity)
            loose = [
                *sample_luggage(rng, stance, outfit.top_thickness),
                *make_props(rng, stance),
                *sample_vehicle(rng, stance),
            ]
            parts = [pose_part(stance.posed, part) for part in [*clothes, *loose]]
            for _ in range(_VIEWS):
                camera = sample_camera(rng, _find_middle(parts))
                yield rasterizer.render(
                    parts,
                    camera,
                    rng.uniform(0.952, 0.968),
                    rng.uniform(0, 50, 3).astype(np.float32),
                )
            activity = sample_activity(rng, list_similar(activity))


def _find_middle(parts: list[PosedPart]) -> Floats:
    points = np.concatenate([part.points for part in parts])
    return (points.min(axis=0) + points.max(axis=0)) / 2
