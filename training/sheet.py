"""A contact sheet of rendered people in random colors: python -m training.sheet DIR --out PNG."""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.figures import Material, load_figures

_SKINS = np.array([(241, 204, 177), (208, 160, 124), (172, 120, 84), (125, 82, 56), (84, 54, 38)])
_HAIRS = np.array([(22, 18, 16), (74, 50, 32), (110, 78, 46), (176, 140, 86), (150, 148, 144)])


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m training.sheet", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    figures = load_figures(options.folder).permute(0, 2, 3, 1).numpy()
    chosen = rng.permutation(len(figures))[: options.count]
    pictures = [dress_figure(rng, figures[index]) for index in chosen]
    rows = [
        np.concatenate(pictures[start : start + options.columns], axis=1)
        for start in range(0, len(pictures), options.columns)
    ]
    Image.fromarray(np.concatenate(rows)).save(options.out)


def dress_figure(rng: np.random.Generator, figure: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return an RGB picture (H, W, 3) of a figure in random colors under a simple light."""
    colors = rng.integers(20, 235, (len(Material), 3)).astype(np.float64)
    colors[Material.NOTHING] = (128, 132, 128)
    colors[Material.SKIN] = _SKINS[rng.integers(len(_SKINS))]
    colors[Material.HAIR] = _HAIRS[rng.integers(len(_HAIRS))]
    colors[Material.TYRE] = 30
    light = np.array([rng.uniform(-0.7, 0.7), 0.6, 0.5])
    shade = 0.55 + 0.55 * np.clip(unpack_normals(figure) @ (light / np.linalg.norm(light)), 0, 1)
    shade = np.where(figure[..., 0] > 0, shade, 1.0)
    return np.clip(colors[figure[..., 0]] * shade[..., None], 0, 255).astype(np.uint8)


def unpack_normals(figure: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the unit normals (H, W, 3) of a figure; z points to the camera."""
    flat = (figure[..., 1:3].astype(np.float64) - 127.5) / 127
    z = np.sqrt(np.clip(1 - (flat**2).sum(axis=-1), 0, 1))
    return np.concatenate([flat, z[..., None]], axis=-1)


if __name__ == "__main__":
    main()
