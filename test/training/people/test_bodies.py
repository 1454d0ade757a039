from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from training.figures import Material
from training.people.bodies import Body, BodyFactory
from training.people.garments import make_outfit, sample_outfit
from training.people.geometry import Floats, Mesh, compute_normals, make_ball, make_ring, make_tube
from training.people.heads import make_head_parts
from training.people.layers import make_layer
from training.people.meshes import (
    find_hand,
    make_backpack,
    make_box,
    make_handbag,
    make_shoulder_bag,
    make_suitcase,
    make_umbrella,
)
from training.people.parts import Look, Part
from training.people.poses import ACTIVITIES, sample_stance
from training.people.vehicles import sample_vehicle


def test_bodies_are_of_all_ages(factory: BodyFactory, rng: np.random.Generator) -> None:
    bodies = [factory.sample(rng) for _ in range(60)]
    heights = [body.height for body in bodies]
    assert 0.9 < min(heights) < 1.4
    assert 1.75 < max(heights) < 2.15
    assert {body.is_female for body in bodies} == {True, False}
    assert {body.is_child for body in bodies} == {True, False}


def test_body_parts_are_in_order(body: Body) -> None:
    """From soles to crown, the front towards -y, left towards +x."""
    joints = ["foot.L", "lowerleg01.L", "upperleg01.L", "spine03", "neck01", "head"]
    levels = [body.bottom, *(float(body.joint(name)[2]) for name in joints)]
    assert levels == sorted(levels)
    assert body.joint("foot.L")[2] < body.crotch < body.joint("upperleg01.L")[2] + 0.05
    assert body.joint("wrist.L")[0] > 0 > body.joint("wrist.R")[0]
    assert body.vertices[body.template.select("foot"), 1].min() < body.joint("foot.L")[1] - 0.08
    a, b, c = body.vertices[body.template.faces].transpose(1, 0, 2)
    volume = np.einsum("ni,ni->", a, np.cross(b, c)) / 6
    assert 0.01 < volume < 0.2  # cubic metres: positive where normals point outward


def test_same_numbers_give_same_body(factory: BodyFactory) -> None:
    first, second = (factory.sample(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)


@pytest.mark.parametrize(
    ("changes", "materials"),
    [
        ({"top": "shirt", "bottom": "trousers"}, {Material.TOP, Material.BOTTOM}),
        ({"top": "open jacket"}, {Material.TOP, Material.SECOND_CLOTH}),
        ({"top": "shirt", "bottom": "skirt", "skirt_hem": -0.3}, {Material.TOP, Material.BOTTOM}),
        ({"headgear": "hat"}, {Material.HEADGEAR, Material.SHOES}),
        ({"headgear": "headscarf"}, {Material.HEADGEAR, Material.SKIN}),
        ({"haircut": "long", "headgear": "none"}, {Material.HAIR, Material.SKIN}),
    ],
)
def test_outfit_has_its_materials(
    body: Body,
    rng: np.random.Generator,
    changes: dict[str, str | float],
    materials: set[Material],
) -> None:
    plain = replace(sample_outfit(rng, body, "walk"), skirt_hem=None)
    outfit = replace(plain, **changes)
    parts = make_outfit(rng, body, outfit)
    looks = {part.look.material for part in parts}
    looks |= {part.look.second for part in parts if (part.second > 0).any()}
    assert materials <= looks


@pytest.mark.parametrize("headgear", ["cap", "beanie", "hat", "helmet"])
def test_hair_ends_below_hat(body: Body, rng: np.random.Generator, headgear: str) -> None:
    parts = make_head_parts(rng, body, headgear, "short")
    tops = [(part.points[part.keep > 0, 2].max(), part.look.material) for part in parts]
    assert max(tops)[1] == Material.HEADGEAR
    hair = [top for top, material in tops if material == Material.HAIR]
    assert max(hair) < max(tops)[0] - 0.01


def test_bald_has_no_hair(body: Body, rng: np.random.Generator) -> None:
    assert make_head_parts(rng, body, "none", "bald") == []


def test_layer_stays_above_skin(body: Body) -> None:
    torso = body.template.select("torso", "hips")
    part = make_layer(body, Look(Material.TOP), torso, 0.01, smooth=10)
    depth = np.einsum(
        "ni,ni->n", part.points - body.vertices[part.vertices], body.normals[part.vertices]
    )
    assert depth.min() > 0.004


@pytest.mark.parametrize("activity", list(ACTIVITIES))
def test_vehicle_stands_under_person(body: Body, rng: np.random.Generator, activity: str) -> None:
    stance = sample_stance(rng, body, activity)
    parts = sample_vehicle(rng, stance)
    has_vehicle = activity in {"cycle", "wheelchair", "push", "scoot"}
    expected = {Material.VEHICLE, Material.TYRE} if has_vehicle else set()
    assert {part.look.material for part in parts} == expected
    if parts:
        points = np.concatenate([part.points for part in parts])
        assert points[:, 2].min() < min(stance.posed.joint(f"foot.{side}")[2] for side in "LR")
        assert points[:, 2].max() < stance.posed.joint("head")[2]
        assert np.ptp(points, axis=0).max() < 1.6 * body.height


@pytest.mark.parametrize("make", [make_backpack, make_shoulder_bag])
def test_bag_is_on_body(
    body: Body, rng: np.random.Generator, make: Callable[..., list[Part]]
) -> None:
    for part in make(rng, body, 0.02):
        assert part.look.material == Material.BAG
        assert measure_gap(part.points, body.vertices) < 0.06


@pytest.mark.parametrize("make", [make_handbag, make_suitcase, make_umbrella, make_box])
def test_hand_holds_luggage(
    body: Body, rng: np.random.Generator, make: Callable[..., list[Part]]
) -> None:
    stance = sample_stance(rng, body, "walk")
    parts = make(rng, stance, "L")
    assert {part.look.material for part in parts} >= {Material.BAG}
    points = np.concatenate([part.points for part in parts])
    assert np.isfinite(points).all()
    assert measure_gap(points, find_hand(stance, "L")[None]) < 0.06


def measure_gap(first: Floats, second: Floats) -> float:
    return float(np.linalg.norm(first[:, None] - second[None, ::7], axis=2).min())


@pytest.mark.parametrize(
    "mesh",
    [
        make_ball((0, 0, 0), (1, 2, 3)),
        make_ball((0, 0, 0), (1, 1, 1), 0.4),
        make_tube([(0, 0, -1), (0, 0, 1)], 0.1),
    ],
)
def test_mesh_faces_outward(mesh: Mesh) -> None:
    normals = compute_normals(mesh.points, mesh.faces)
    outward = np.einsum("ni,ni->n", normals, mesh.points)
    assert (outward > -1e-3).all() or (outward < 1e-3).all()


def test_ring_has_its_radius() -> None:
    points = make_ring((1, 0, 0), (1, 0, 0), 0.5, 0.1).points
    radii = np.hypot(points[:, 1], points[:, 2])
    assert radii.min() == pytest.approx(0.4, abs=0.01)
    assert radii.max() == pytest.approx(0.6, abs=0.01)
