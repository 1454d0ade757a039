"""Hair, hats, helmets, headscarves and hoods."""

from dataclasses import dataclass

import numpy as np

from training.figures import Material
from training.people.bodies import Body
from training.people.geometry import Floats, Mesh, connect_grid, make_ball, to_vector
from training.people.layers import cut_part, make_layer
from training.people.parts import CLOTH, SMOOTH, STRANDS, Look, Part, hang
from training.people.shells import make_hair_curtain

_HAIR = Look(Material.HAIR, bump=STRANDS)
_HAT = Look(Material.HEADGEAR, bump=(0.003, 12.0, 12.0, 12.0))
_SCARF = Look(Material.HEADGEAR, bump=CLOTH)


@dataclass(frozen=True)
class _Head:
    """Measures of a head: center, half widths, and places on it from -1 to 1."""

    body: Body
    center: Floats
    half: Floats

    def locate(self) -> Floats:
        """Return the vertices (V, 3) in units of the head: x left, y back, z up."""
        return (self.body.vertices - self.center) / self.half


def make_head_parts(rng: np.random.Generator, body: Body, headgear: str, hair: str) -> list[Part]:
    """Return hair and headgear by their names, which `sample_head` draws."""
    head = _measure(body)
    parts = _HEADGEAR[headgear](rng, head) if headgear != "none" else []
    if headgear in {"headscarf", "hood"}:
        return parts
    hairs = _HAIRCUTS[hair](rng, head) if hair != "bald" else []
    if headgear != "none":
        limit = head.center[2] + 0.45 * head.half[2]
        hairs = [cut_part(part, limit - part.points[:, 2]) for part in hairs]
    return parts + hairs


def sample_head(rng: np.random.Generator, body: Body) -> tuple[str, str]:
    """Return names of headgear and haircut that suit a body."""
    gear = str(rng.choice(_GEAR, p=_WOMEN_GEAR if body.is_female else _MEN_GEAR))
    cut = str(rng.choice(_CUTS, p=_WOMEN_CUTS if body.is_female else _MEN_CUTS))
    return gear, "short" if body.is_child and cut == "bald" else cut


_GEAR = ("none", "cap", "beanie", "hat", "helmet", "headscarf", "hood")
_WOMEN_GEAR = (0.72, 0.07, 0.05, 0.04, 0.02, 0.06, 0.04)
_MEN_GEAR = (0.73, 0.1, 0.06, 0.05, 0.02, 0.0, 0.04)
_CUTS = ("short", "long", "bun", "tail", "bald")
_WOMEN_CUTS = (0.22, 0.42, 0.15, 0.2, 0.01)
_MEN_CUTS = (0.81, 0.06, 0.02, 0.02, 0.09)


def _measure(body: Body) -> _Head:
    points = body.vertices[body.template.select("head")]
    low, high = points.min(axis=0), points.max(axis=0)
    return _Head(body, (low + high) / 2, (high - low) / 2)


def _cover(head: _Head, look: Look, keep: Floats, thickness: float, smooth: int = 6) -> Part:
    mask = head.body.template.select("head", "neck")
    swell = np.clip(keep / 0.25 + 0.25, 0, 1) * thickness
    return make_layer(head.body, look, mask, swell.astype(np.float32), keep, smooth=smooth)


def _find_hairline(head: _Head, front: float, slope: float) -> Floats:
    """Return how far vertices are inside of the hair: `front` is its z above the face."""
    place = head.locate()
    return ((place[:, 2] - front) + slope * (place[:, 1] + 1)).astype(np.float32)


def _cut_short(rng: np.random.Generator, head: _Head) -> list[Part]:
    keep = _find_hairline(head, rng.uniform(0.45, 0.75), rng.uniform(0.6, 0.95))
    return [_cover(head, _HAIR, keep, rng.uniform(0.008, 0.035))]


def _let_grow(rng: np.random.Generator, head: _Head) -> list[Part]:
    volume = rng.uniform(0.008, 0.025)
    keep = _find_hairline(head, rng.uniform(0.5, 0.75), rng.uniform(0.8, 1.1))
    curtain = make_hair_curtain(head.body, _HAIR, rng.uniform(0.0, 0.3), volume)
    return [_cover(head, _HAIR, keep, volume + 0.008), curtain]


def _tie_bun(rng: np.random.Generator, head: _Head) -> list[Part]:
    up = rng.uniform(-0.2, 0.9)
    spot = head.center + head.half * to_vector(0, 1.05 - 0.5 * max(up, 0), up)
    bun = make_ball(spot, to_vector(1, 0.9, 0.9) * rng.uniform(0.03, 0.05))
    keep = _find_hairline(head, rng.uniform(0.5, 0.7), rng.uniform(0.7, 0.9))
    return [_cover(head, _HAIR, keep, 0.01), hang(head.body, _HAIR, bun, "head")]


def _tie_tail(rng: np.random.Generator, head: _Head) -> list[Part]:
    length = rng.uniform(0.06, 0.15)
    spot = head.center + head.half * to_vector(0, 1.15, rng.uniform(-0.2, 0.5))
    tail = make_ball(spot - to_vector(0, 0, length * 0.8), (0.032, 0.035, length))
    keep = _find_hairline(head, rng.uniform(0.5, 0.7), rng.uniform(0.7, 0.9))
    return [_cover(head, _HAIR, keep, 0.01), hang(head.body, _HAIR, tail, "head")]


def _put_on_beanie(rng: np.random.Generator, head: _Head) -> list[Part]:
    keep = _find_hairline(head, rng.uniform(0.25, 0.45), rng.uniform(0.1, 0.3))
    return [_cover(head, _HAT, keep, rng.uniform(0.018, 0.04))]


def _put_on_cap(rng: np.random.Generator, head: _Head) -> list[Part]:
    keep = _find_hairline(head, 0.4, 0.1)
    way = 1.0 if rng.random() < 0.9 else -1.0
    visor = _make_brim(head, 0.42, rng.uniform(0.06, 0.085), half_turn=way)
    return [_cover(head, _HAT, keep, 0.02), hang(head.body, _HAT, visor, "head")]


def _put_on_hat(rng: np.random.Generator, head: _Head) -> list[Part]:
    keep = _find_hairline(head, 0.4, 0.0)
    brim = _make_brim(head, 0.42, rng.uniform(0.04, 0.11))
    tall = head.center + head.half * to_vector(0, 0, 0.75)
    crown = make_ball(tall, head.half * to_vector(1.08, 1.08, rng.uniform(0.4, 0.65)), 0.6)
    parts = [hang(head.body, _HAT, mesh, "head") for mesh in (brim, crown)]
    return [_cover(head, _HAT, keep, 0.02), *parts]


def _make_brim(head: _Head, level: float, width: float, half_turn: float = 0.0) -> Mesh:
    angle = np.linspace(0, 2 * np.pi, 33, dtype=np.float32)[None]
    grow = to_vector(0, 1)[:, None]
    reach = np.maximum(0, -np.sin(angle) * half_turn) if half_turn else np.ones_like(angle)
    x = (head.half[0] * 1.1 + grow * width * reach * (0.5 if half_turn else 1)) * np.cos(angle)
    y = (head.half[1] * 1.08 + grow * width * reach) * np.sin(angle)
    z = (level * head.half[2] - grow * 0.25 * width * reach) + 0 * angle
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3) + head.center
    return Mesh(points.astype(np.float32), connect_grid(2, 33, is_closed=False))


def _put_on_helmet(rng: np.random.Generator, head: _Head) -> list[Part]:
    middle = head.center + head.half * to_vector(0, 0, 0.35)
    shell = make_ball(middle, head.half * to_vector(1.25, 1.2, rng.uniform(0.9, 1.0)), 0.9)
    part = hang(head.body, Look(Material.HEADGEAR, bump=SMOOTH), shell, "head")
    cut = (part.points[:, 2] - middle[2]) / head.half[2] + 0.25 * (
        (part.points[:, 1] - middle[1]) / head.half[1]
    )
    return [Part(part.look, part.points, part.faces, cut, part.second, part.weights, part.bones)]


def _wrap_scarf(rng: np.random.Generator, head: _Head) -> list[Part]:
    return _wrap(head, _SCARF, rng.uniform(0.012, 0.025), rng.uniform(0.05, 0.14))


def _pull_hood(rng: np.random.Generator, head: _Head) -> list[Part]:
    return _wrap(head, Look(Material.TOP, bump=CLOTH), rng.uniform(0.025, 0.045), 0.05)


def _wrap(head: _Head, look: Look, thickness: float, fall: float) -> list[Part]:
    """Return cloth around all of the head but the face, and over the shoulders by metres."""
    body, place = head.body, head.locate()
    face = np.hypot(place[:, 0] / 0.78, (place[:, 2] + 0.15) / 0.85) - 1
    keep = np.maximum(face, place[:, 1] + 0.25)
    neck = body.joint("neck01")[2]
    keep = np.minimum(keep, (body.vertices[:, 2] - neck + fall) * 8)
    mask = body.template.select("head", "neck", "torso")
    return [make_layer(body, look, mask, thickness, keep.astype(np.float32), smooth=10)]


_HAIRCUTS = {"short": _cut_short, "long": _let_grow, "bun": _tie_bun, "tail": _tie_tail}
_HEADGEAR = {
    "beanie": _put_on_beanie,
    "cap": _put_on_cap,
    "hat": _put_on_hat,
    "helmet": _put_on_helmet,
    "headscarf": _wrap_scarf,
    "hood": _pull_hood,
}
