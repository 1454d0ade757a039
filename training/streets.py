"""Streets that are drawn by a program: ground, walls, windows, plants, cars, posts, shadows."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from training.checkpoint import save_whole

FloatImage = npt.NDArray[np.float32]
_Color = tuple[int, int, int]

SIDE_PX = 384
_GROUND: tuple[_Color, ...] = (
    (120, 120, 122), (140, 138, 134), (95, 96, 100), (150, 140, 128), (85, 110, 60),
    (100, 120, 70), (165, 160, 150), (70, 72, 76), (190, 186, 178), (110, 84, 66),
    (128, 126, 122), (104, 104, 106),
)  # fmt: skip
_WALL: tuple[_Color, ...] = (
    (150, 90, 70), (190, 180, 165), (130, 130, 135), (210, 205, 195), (100, 70, 60),
    (170, 150, 120), (80, 90, 100), (60, 60, 66), (225, 222, 214),
)  # fmt: skip
_SKY: tuple[_Color, ...] = ((200, 215, 235), (225, 228, 232), (150, 185, 225), (180, 185, 190))
_PLANT: tuple[_Color, ...] = ((70, 90, 50), (50, 70, 40), (90, 100, 60), (110, 120, 70))
_PAINT: tuple[_Color, ...] = ((225, 225, 220), (205, 185, 70), (60, 60, 60), (150, 150, 150))
_GLASS: tuple[_Color, ...] = ((50, 60, 75), (90, 110, 130), (30, 30, 36), (160, 175, 190))
_CAR: tuple[_Color, ...] = (
    (200, 200, 205), (150, 30, 30), (40, 60, 120), (30, 30, 32), (220, 170, 40), (40, 110, 70),
    (110, 112, 116),
)  # fmt: skip


def load_streets(folder: Path, count: int, seed: int) -> torch.Tensor:
    """Return the streets that an earlier run saved in the folder, or draw and save them."""
    path = folder / f"streets_{seed}_{count}.pt"
    if path.exists():
        streets: torch.Tensor = torch.load(path, weights_only=True)
        return streets
    streets = draw_streets(count, seed, os.cpu_count() or 1)
    save_whole(path, streets)
    return streets


def draw_streets(count: int, seed: int, workers: int) -> torch.Tensor:
    """Return different streets, (count, 3, SIDE_PX, SIDE_PX) uint8, in ``workers`` processes."""
    if workers < 2:
        scenes = [draw_street(seed, index) for index in range(count)]
    else:
        with ProcessPoolExecutor(workers) as pool:
            scenes = list(pool.map(partial(draw_street, seed), range(count), chunksize=8))
    return torch.from_numpy(np.stack(scenes)).permute(0, 3, 1, 2).contiguous()


def draw_street(seed: int, index: int) -> npt.NDArray[np.uint8]:
    """Return one street, (SIDE_PX, SIDE_PX, 3) uint8 sRGB, the same for the same numbers."""
    rng = np.random.default_rng((seed, index))
    cv2.setNumThreads(1)
    horizon = max(0, int(SIDE_PX * rng.uniform(-0.2, 0.65)))
    image = _draw_ground(rng)
    if horizon > SIDE_PX // 20:
        image[:horizon] = _draw_background(rng)[:horizon]
    for _ in range(rng.integers(0, 5)):
        _choose(rng, (_draw_post, _draw_car, _draw_car, _draw_plant))(rng, image, horizon)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.3)), np.float32)
    if rng.random() < 0.5:
        image *= 1 - rng.uniform(0.1, 0.55) * _draw_half_plane(rng, rng.uniform(1, 8))
    image += rng.normal(0, rng.uniform(0, 3), image.shape).astype(np.float32)
    return np.asarray(image.clip(0, 255), np.uint8)


def _choose(
    rng: np.random.Generator,
    options: tuple[Callable[[np.random.Generator, FloatImage, int], None], ...],
) -> Callable[[np.random.Generator, FloatImage, int], None]:
    return options[rng.integers(len(options))]


def _draw_color(rng: np.random.Generator, colors: tuple[_Color, ...]) -> tuple[float, ...]:
    """Return a variation of one of the colors."""
    base = np.array(colors[rng.integers(len(colors))]) * rng.uniform(0.7, 1.2)
    return tuple(float(value) for value in (base + rng.normal(0, 6, 3)).clip(5, 250))


def _draw_texture(
    rng: np.random.Generator, color: tuple[float, ...], contrast: float
) -> FloatImage:
    """Return a surface with stains and grains of many sizes."""
    noise = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    strength = 1.0
    for octave in range(2, 9):
        cells = min(2**octave + 1, SIDE_PX)
        coarse = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        noise += cv2.resize(coarse, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
        strength *= rng.uniform(0.5, 0.75)
    tinted = noise[..., None] / noise.std() * contrast * rng.uniform(0.8, 1.2, 3)
    return np.asarray(np.array(color) + tinted, np.float32)


def _draw_ground(rng: np.random.Generator) -> FloatImage:
    image = _draw_texture(rng, _draw_color(rng, _GROUND), rng.uniform(2, 12))
    if rng.random() < 0.35:
        _draw_slabs(rng, image)
    if rng.random() < 0.6:
        other = _draw_texture(rng, _draw_color(rng, _GROUND), rng.uniform(2, 14))
        share = _draw_half_plane(rng, rng.uniform(0.5, 2))
        image = image * (1 - share) + other * share
    for _ in range(rng.integers(0, 4)):
        ends = (rng.uniform(-0.3, 1.3, 4) * SIDE_PX).astype(int).tolist()
        color, width_px = _draw_color(rng, _PAINT), int(rng.integers(1, 9))
        cv2.line(image, ends[:2], ends[2:], color, width_px, cv2.LINE_AA)
    if rng.random() < 0.15:
        _draw_crossing(rng, image)
    fall_off = np.linspace(rng.uniform(0.75, 1.1), rng.uniform(0.9, 1.2), SIDE_PX)
    return np.asarray(image * fall_off[:, None, None], np.float32)


def _draw_slabs(rng: np.random.Generator, image: FloatImage) -> None:
    """Draw joints of paving slabs, in perspective."""
    joint = _draw_color(rng, ((90, 88, 84), (60, 60, 60), (180, 176, 170)))
    vanishing = (int(rng.uniform(-1, 2) * SIDE_PX), int(rng.uniform(-1.5, 0) * SIDE_PX))
    for x in range(-3 * SIDE_PX, 4 * SIDE_PX, int(rng.integers(16, 60))):
        cv2.line(image, (x, SIDE_PX), vanishing, joint, 1, cv2.LINE_AA)
    y, step = float(SIDE_PX), rng.uniform(10, 40)
    while y > 0:
        cv2.line(image, (0, int(y)), (SIDE_PX, int(y)), joint, 1, cv2.LINE_AA)
        y -= step
        step = max(3.0, step * 0.93)


def _draw_crossing(rng: np.random.Generator, image: FloatImage) -> None:
    top, height, width = rng.uniform(0.2, 0.8), rng.uniform(0.08, 0.3), rng.uniform(8, 30)
    paint = _draw_color(rng, ((225, 225, 220),))
    lean = rng.uniform(-1, 1) * height * SIDE_PX
    for x in np.arange(-SIDE_PX, 2 * SIDE_PX, 2 * width):
        corners = [(x, 0), (x + width, 0), (x + width + lean, height), (x + lean, height)]
        points = [(px, (top + (height if index > 1 else 0)) * SIDE_PX)
                  for index, (px, _) in enumerate(corners)]  # fmt: skip
        cv2.fillPoly(image, [np.array(points, np.int32)], paint, cv2.LINE_AA)


def _draw_half_plane(rng: np.random.Generator, softness_px: float) -> FloatImage:
    """Return 1 on one side of a wavy border, 0 on the other, (SIDE_PX, SIDE_PX, 1)."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / SIDE_PX - 0.5
    wave = rng.uniform(0, 0.08) * np.sin(x * rng.uniform(1, 12) + rng.uniform(0, 6))
    angle = rng.uniform(0, 2 * np.pi)
    side = np.cos(angle) * x + np.sin(angle) * (y + wave) > rng.uniform(-0.3, 0.3)
    return np.asarray(cv2.GaussianBlur(side.astype(np.float32), (0, 0), softness_px)[..., None])


def _draw_background(rng: np.random.Generator) -> FloatImage:
    kind = rng.random()
    if kind < 0.15:
        return _draw_texture(rng, _draw_color(rng, _SKY), rng.uniform(1, 6))
    if kind < 0.4:
        return _draw_texture(rng, _draw_color(rng, _PLANT), rng.uniform(12, 34))
    return _draw_facade(rng)


def _draw_facade(rng: np.random.Generator) -> FloatImage:
    wall = _draw_texture(rng, _draw_color(rng, _WALL), rng.uniform(1, 8))
    if rng.random() < 0.3:
        joint, course_px = _draw_color(rng, ((150, 140, 130),)), int(rng.integers(4, 10))
        for row, y in enumerate(range(0, SIDE_PX, course_px)):
            cv2.line(wall, (0, y), (SIDE_PX, y), joint, 1)
            for x in range((row % 2) * course_px, SIDE_PX, 2 * course_px):
                cv2.line(wall, (x, y), (x, y + course_px), joint, 1)
    width, height = int(rng.integers(16, 90)), int(rng.integers(24, 130))
    pitch_x, pitch_y = int(width * rng.uniform(1.1, 2.4)), int(height * rng.uniform(1.1, 1.9))
    left, top = int(rng.integers(-pitch_x, 1)), int(rng.integers(-pitch_y, 1))
    frame, frame_px = _draw_color(rng, ((200, 200, 195), (60, 55, 50))), int(rng.integers(1, 5))
    for y in range(top, SIDE_PX, pitch_y):
        for x in range(left, SIDE_PX, pitch_x):
            corner = (x + width, y + height)
            cv2.rectangle(wall, (x, y), corner, _draw_color(rng, _GLASS), -1)
            if rng.random() < 0.5:
                shine = (
                    x + int(width * rng.uniform(0.2, 1)),
                    y + int(height * rng.uniform(0.2, 1)),
                )
                cv2.rectangle(wall, (x, y), shine, _draw_color(rng, _GLASS), -1)
            cv2.rectangle(wall, (x, y), corner, frame, frame_px)
    return wall


def _draw_post(rng: np.random.Generator, image: FloatImage, horizon: int) -> None:
    x, foot = int(rng.uniform(0, SIDE_PX)), int(rng.uniform(horizon, SIDE_PX + 60))
    head = (x + int(rng.normal(0, 3)), int(rng.uniform(-60, foot)))
    color = _draw_color(rng, ((110, 110, 115), (40, 44, 40), (90, 66, 46), (200, 60, 50)))
    cv2.line(image, head, (x, foot), color, int(rng.integers(2, 16)), cv2.LINE_AA)


def _draw_plant(rng: np.random.Generator, image: FloatImage, horizon: int) -> None:
    leaves = _draw_texture(rng, _draw_color(rng, _PLANT), rng.uniform(15, 34))
    shape = np.zeros((SIDE_PX, SIDE_PX), np.float32)
    center = rng.uniform(0, SIDE_PX), rng.uniform(0.5 * horizon, SIDE_PX)
    for _ in range(rng.integers(3, 14)):
        offset = rng.normal(0, 22, 2)
        at = (int(center[0] + offset[0]), int(center[1] + 0.6 * offset[1]))
        cv2.circle(shape, at, int(rng.integers(6, 30)), 1.0, -1, cv2.LINE_AA)
    image[:] = image * (1 - shape[..., None]) + leaves * shape[..., None]


def _draw_car(rng: np.random.Generator, image: FloatImage, horizon: int) -> None:
    """Draw a parked vehicle from the side: body, cabin with windows, wheels."""
    length = int(rng.uniform(60, 260))
    height, x = int(length * rng.uniform(0.2, 0.3)), int(rng.uniform(-0.4, 1) * SIDE_PX)
    y = int(rng.uniform(horizon, SIDE_PX + 40))
    paint, glass = _draw_color(rng, _CAR), _draw_color(rng, ((40, 48, 58), (90, 104, 116)))
    cabin = [(0.15, 0.0), (0.3, -0.75), (0.75, -0.75), (0.95, 0.0)]
    window = [(0.22, -0.08), (0.33, -0.66), (0.72, -0.66), (0.86, -0.08)]
    shadow = (x - 4, y + int(0.9 * height)), (x + length + 4, y + int(1.2 * height))
    cv2.rectangle(image, *shadow, (35.0, 35.0, 37.0), -1)
    for outline, color in ((cabin, paint), (window, glass)):
        points = [(x + int(u * length), y + int(v * height)) for u, v in outline]
        cv2.fillPoly(image, [np.array(points, np.int32)], color, cv2.LINE_AA)
    cv2.rectangle(image, (x, y), (x + length, y + height), paint, -1, cv2.LINE_AA)
    for share in (0.2, 0.8):
        hub = (x + int(share * length), y + height)
        cv2.circle(image, hub, max(3, int(0.4 * height)), (25.0, 25.0, 27.0), -1, cv2.LINE_AA)
        cv2.circle(image, hub, max(2, int(0.2 * height)), (150.0, 150.0, 152.0), -1, cv2.LINE_AA)
