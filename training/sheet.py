"""A contact sheet of rendered people, dressed at random: python -m training.sheet DIR --out PNG."""

import argparse
from pathlib import Path

import torch
from PIL import Image

from training.dressing import dress
from training.figures import load_figures
from training.random_values import RandomValues

_GRAY = 0.5


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m training.sheet", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = RandomValues.seed(options.seed, torch.device("cpu"))
    figures = load_figures(options.folder)
    chosen = torch.randperm(len(figures), generator=random.generator)[: options.count]
    dressed = dress(figures[chosen], random)
    pictures = (dressed[:, :3] + (1 - dressed[:, 3:]) * _GRAY).mul(255).byte()
    rows = [torch.cat(list(row), 2) for row in pictures.split(options.columns)]
    Image.fromarray(torch.cat(rows, 1).permute(1, 2, 0).numpy()).save(options.out)


if __name__ == "__main__":
    main()
