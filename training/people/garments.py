"""Random outfits: the body's skin, and clothes over it."""

from dataclasses import dataclass

import numpy as np

from training.figures import Material
from training.people.bodies import Body
from training.people.geometry import Floats
from training.people.heads import make_head_parts, sample_head
from training.people.layers import cut_part, drop_hidden, make_layer, widen_legs
from training.people.limbs import SIDES
from training.people.parts import CLOTH, SMOOTH, TIGHT, Look, Part
from training.people.poses import SEATED
from training.people.shells import SkirtShape, make_skirt
from training.people.shoes import make_shoe

_SKIRTS = {"skirt", "dress"}
_RIDES = {"cycle", "scoot"}
_HELMETS = 0.35  # of those who ride


@dataclass(frozen=True)
class Outfit:
    """Names of garments, and the heights (z at rest) and thicknesses (m) that they share."""

    top: str  # shirt, jacket, open jacket, coat, dress
    bottom: str  # trousers, shorts, leggings, skirt, dress
    headgear: str
    haircut: str
    waist: float
    hem: float  # of the top
    skirt_hem: float | None  # of skirt, dress or coat
    flare: float  # growth of a skirt's radius per metre
    bottom_thickness: float
    top_thickness: float


def sample_outfit(rng: np.random.Generator, body: Body, activity: str) -> Outfit:
    """Return a random outfit that suits body and activity: nobody cycles in a wide skirt here."""
    is_seated = activity in SEATED
    tops = ("shirt", "jacket", "open jacket", "coat", "dress")
    top = str(rng.choice(tops, p=(0.45, 0.25, 0.1, 0.1, 0.1) if body.is_female else _MALE_TOPS))
    bottoms = ("trousers", "shorts", "leggings", "skirt")
    shares = (0.5, 0.12, 0.18, 0.2) if body.is_female else (0.78, 0.2, 0.02, 0.0)
    bottom = "dress" if top == "dress" else str(rng.choice(bottoms, p=shares))
    gear, cut = sample_head(rng, body)
    is_thick = top in {"jacket", "coat", "open jacket"}
    size = body.height
    waist = body.crotch + rng.uniform(0.08, 0.13) * size
    return Outfit(
        top,
        bottom,
        "helmet" if activity in _RIDES and rng.random() < _HELMETS else gear,
        cut,
        waist,
        waist - (rng.uniform(0.03, 0.14) if is_thick else rng.uniform(-0.03, 0.1)) * size,
        _sample_hem(rng, body, top, bottom, is_seated=is_seated),
        _sample_flare(rng, top, is_seated=is_seated),
        rng.uniform(0.004, 0.008) if bottom == "leggings" else rng.uniform(0.008, 0.02),
        rng.uniform(0.02, 0.055) if is_thick else rng.uniform(0.006, 0.022),
    )


_MALE_TOPS = (0.54, 0.28, 0.1, 0.08, 0.0)


def _sample_hem(
    rng: np.random.Generator, body: Body, top: str, bottom: str, *, is_seated: bool
) -> float | None:
    if top not in {"coat", "dress"} and bottom != "skirt":
        return None
    is_long = rng.random() < 0.15 and not is_seated
    length = rng.uniform(0.3, 0.42) if is_long else rng.uniform(0.08, 0.2 if is_seated else 0.3)
    ankle = body.joint("foot.L")[2]
    return float(max(body.crotch - length * body.height, ankle + 0.02 * body.height))


def _sample_flare(rng: np.random.Generator, top: str, *, is_seated: bool) -> float:
    if is_seated:
        return rng.uniform(-0.1, 0.0)
    return rng.uniform(0.0, 0.12) if top == "coat" else rng.uniform(0.0, 0.35)


def make_outfit(rng: np.random.Generator, body: Body, outfit: Outfit) -> list[Part]:
    """Return the parts of a dressed body at rest."""
    parts = [_make_skin(rng, body)]
    parts += _make_legwear(rng, body, outfit)
    if outfit.bottom not in _SKIRTS:
        parts.append(_make_trousers(rng, body, outfit))
    parts = [_cut_feet(body, _cut_below_skirt(body, part, outfit)) for part in parts]
    parts += _make_shoes(rng, body)
    if outfit.skirt_hem is not None:
        parts.append(_make_skirt(rng, body, outfit, outfit.skirt_hem))
    parts += _make_tops(rng, body, outfit)
    parts += make_head_parts(rng, body, outfit.headgear, outfit.haircut)
    return drop_hidden(body, parts)


def _make_skin(rng: np.random.Generator, body: Body) -> Part:
    chin = body.joint("head")[2]
    second = None
    if not body.is_female and not body.is_child and rng.random() < 0.25:
        front = body.vertices[body.template.select("head"), 1].min()
        z, y = body.vertices[:, 2], body.vertices[:, 1]
        second = np.minimum(chin + 0.02 - z, front + 0.09 - y)
        second = np.where(body.template.select("head"), second, -1)
    look = Look(Material.SKIN, Material.HAIR, SMOOTH)
    everything = np.ones(len(body.vertices), np.bool_)
    return make_layer(body, look, everything, 0.0, second=second)


def _cut_below_skirt(body: Body, part: Part, outfit: Outfit) -> Part:
    """Return a part without what is well above the hem of a skirt: legs must not come through."""
    if outfit.skirt_hem is None or outfit.skirt_hem > body.crotch - 0.1 * body.height:
        return part
    legs = np.abs(part.points[:, 0]) < 0.16 * body.height
    legs &= part.points[:, 2] < body.crotch + 0.02 * body.height
    limit = outfit.skirt_hem + 0.1 * body.height - part.points[:, 2]
    return cut_part(part, np.where(legs, limit, 1))


def _make_legwear(rng: np.random.Generator, body: Body, outfit: Outfit) -> list[Part]:
    is_bare = outfit.bottom in {"shorts", "skirt", "dress"}
    if rng.random() < (0.35 if is_bare else 0.6):
        return []
    legs = body.template.select("lower_leg", "upper_leg", "foot", "hips")
    ankle, knee = body.joint("foot.L")[2], body.joint("lowerleg01.L")[2]
    tall = outfit.bottom in _SKIRTS and rng.random() < 0.6
    top = body.crotch + 0.05 if tall else ankle + rng.uniform(0.1, 0.9) * (knee - ankle)
    return [make_layer(body, Look(Material.LEGWEAR), legs, 0.002, top - body.vertices[:, 2])]


def _make_trousers(rng: np.random.Generator, body: Body, outfit: Outfit) -> Part:
    z, size = body.vertices[:, 2], body.height
    ankle, knee = body.joint("foot.L")[2], body.joint("lowerleg01.L")[2]
    legs = body.template.select("hips", "upper_leg", "lower_leg", "torso")
    end = ankle + rng.uniform(-0.03, 0.02) * size
    thick = outfit.bottom_thickness
    push: Floats | float = thick
    if outfit.bottom == "shorts":
        end = knee + rng.uniform(-0.06, 0.12) * size
        push = widen_legs(
            body, thick, rng.uniform(0.04, 0.055) * size, rng.uniform(0.03, 0.06) * size
        )
    elif outfit.bottom == "trousers":
        push = widen_legs(
            body, thick, rng.uniform(0.04, 0.05) * size, rng.uniform(0.02, 0.06) * size
        )
    keep = np.minimum(z - end, outfit.waist + 0.01 * size - z)
    look = Look(Material.BOTTOM, bump=TIGHT if outfit.bottom == "leggings" else CLOTH)
    return make_layer(body, look, legs, push, keep, smooth=2 if outfit.bottom == "leggings" else 8)


def _make_shoes(rng: np.random.Generator, body: Body) -> list[Part]:
    ankle, size = body.joint("foot.L")[2], body.height
    sole, thick = rng.uniform(0.004, 0.02), rng.uniform(0.006, 0.012)
    parts = [make_shoe(body, side, sign, sole) for side, sign in SIDES]
    top = ankle + rng.uniform(-0.02, 0.015) * size
    parts.append(_make_shaft(body, Look(Material.SHOES), thick, body.bottom + 0.012 * size, top))
    if rng.random() < 0.15:
        high = ankle + rng.uniform(0.05, 0.17) * size
        look = Look(Material.BOOTS, bump=TIGHT)
        parts.append(_make_shaft(body, look, 0.014, ankle - 0.02 * size, high))
    return parts


def _make_shaft(body: Body, look: Look, thickness: float, low: float, high: float) -> Part:
    z = body.vertices[:, 2]
    mask = body.template.select("foot", "lower_leg")
    push = widen_legs(body, thickness, 0.03 * body.height, 0.025 * body.height)
    return make_layer(body, look, mask, push, np.minimum(high - z, z - low), smooth=4)


def _cut_feet(body: Body, part: Part) -> Part:
    """Return a part without the feet's lower half: toes must not come through shoes."""
    ankle = body.joint("foot.L")[2]
    limit = part.points[:, 2] - (0.45 * body.bottom + 0.55 * ankle)
    legs = part.points[:, 2] < ankle + 0.05
    return cut_part(part, np.where(legs, limit, 1))


def _make_skirt(rng: np.random.Generator, body: Body, outfit: Outfit, hem: float) -> Part:
    is_coat = outfit.top == "coat"
    look = Look(
        Material.BOTTOM if outfit.bottom == "skirt" and not is_coat else Material.TOP, bump=CLOTH
    )
    opening = rng.uniform(0.02, 0.07) if is_coat and rng.random() < 0.4 else 0.0
    shape = SkirtShape(
        top=outfit.waist + 0.01 * body.height,
        hem=hem,
        ease=outfit.top_thickness + 0.01 if is_coat else 0.012,
        flare=outfit.flare,
        pleats=0.0 if rng.random() < 0.4 else rng.uniform(0.02, 0.16),
        opening=opening,
    )
    return make_skirt(body, look, shape)


def _make_tops(rng: np.random.Generator, body: Body, outfit: Outfit) -> list[Part]:
    z, y, size = body.vertices[:, 2], body.vertices[:, 1], body.height
    template = body.template
    reach = body.joint("upperarm01.L") - body.joint("wrist.L")
    arm = float(np.linalg.norm(reach))
    is_short = outfit.top in {"shirt", "dress"} and rng.random() < 0.5
    sleeve = arm * (rng.uniform(0.06, 0.5) if is_short else rng.uniform(0.9, 1.02))
    neck = body.joint("neck01")
    front = np.clip((neck[1] - y) / 0.1, 0, 1) * rng.uniform(0.0, 0.08)
    collar = neck[2] + rng.uniform(-0.01, 0.03 if is_short else 0.07) - front
    hem = outfit.waist - 0.02 * size
    keep = np.minimum.reduce([sleeve - body.arm_length, collar - z, z - hem])
    mask = template.select("torso", "hips", "upper_leg", "neck", "upper_arm", "lower_arm")
    mask |= template.select("hand") & (body.arm_length < arm * 1.03)
    push = np.full(len(z), outfit.top_thickness, np.float32)
    push += np.where(z < outfit.waist + 0.04 * size, outfit.bottom_thickness + 0.004, 0)
    second = _sample_second(rng, body, outfit)
    look = Look(
        Material.TOP, Material.SECOND_CLOTH, CLOTH if outfit.top_thickness > 0.012 else TIGHT
    )
    top = make_layer(body, look, mask, push, keep, second=second, smooth=8)
    parts = [top]
    if outfit.skirt_hem is None and outfit.hem < hem:
        parts.append(_make_shirt_tail(rng, body, outfit))
    if rng.random() < 0.12:
        parts.append(_make_neck_scarf(rng, body, outfit))
    return parts


def _make_shirt_tail(rng: np.random.Generator, body: Body, outfit: Outfit) -> Part:
    shape = SkirtShape(
        top=outfit.waist + 0.02 * body.height,
        hem=outfit.hem,
        ease=outfit.top_thickness + outfit.bottom_thickness * 0.5,
        flare=min(outfit.flare, 0.12),
        pleats=rng.uniform(0.0, 0.1),
    )
    return make_skirt(body, Look(Material.TOP, bump=CLOTH), shape)


def _sample_second(rng: np.random.Generator, body: Body, outfit: Outfit) -> Floats | None:
    """Return where the top's second cloth is: opening, yoke, sleeves or a stripe."""
    x, y, z = body.vertices.T
    size, chest = body.height, body.joint("spine01")[2]
    if outfit.top == "open jacket" or (outfit.top == "coat" and rng.random() < 0.4):
        wide = rng.uniform(0.015, 0.05) * size + 0.15 * np.clip(z - chest, 0, 0.2)
        front = body.joint("neck01")[1] - 0.01 - y
        return np.minimum(wide - np.abs(x), front).astype(np.float32)
    choices = (
        (z - chest + rng.uniform(-0.06, 0.1) * size),
        body.arm_length - rng.uniform(0.0, 0.05),
        rng.uniform(0.01, 0.06) * size - np.abs(z - chest + rng.uniform(-0.05, 0.12) * size),
    )
    pick = int(rng.integers(10))
    return choices[pick].astype(np.float32) if pick < len(choices) else None


def _make_neck_scarf(rng: np.random.Generator, body: Body, outfit: Outfit) -> Part:
    z, neck = body.vertices[:, 2], body.joint("neck01")[2]
    keep = np.minimum(z - neck + 0.03, neck + rng.uniform(0.03, 0.06) - z)
    mask = body.template.select("neck", "torso", "head")
    mask &= np.abs(body.vertices[:, 0]) < 0.11 * body.height
    thick = outfit.top_thickness + rng.uniform(0.015, 0.03)
    return make_layer(body, Look(Material.SECOND_CLOTH, bump=CLOTH), mask, thick, keep, smooth=6)
