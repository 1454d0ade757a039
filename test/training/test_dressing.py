import torch

from training.dressing import dress
from training.figures import Material
from training.random_values import RandomValues


def test_alpha_is_where_material_is(figures: torch.Tensor, random: RandomValues) -> None:
    dressed = dress(figures, random)
    assert dressed.shape == (8, 4, 192, 128)
    assert torch.equal(dressed[:, 3] > 0, figures[:, 0] > 0)
    assert not dressed[:, :3][(figures[:, :1] == 0).expand(-1, 3, -1, -1)].any()
    assert dressed.min() >= 0
    assert dressed.max() <= 1


def test_clothes_differ_per_figure(figures: torch.Tensor, random: RandomValues) -> None:
    top = figures[0, 0] == Material.TOP
    colors = dress(figures, random)[:, :3, top].mean(2)
    assert torch.cdist(colors, colors).fill_diagonal_(1).min() > 0.01


def test_same_seed_same_clothes(figures: torch.Tensor) -> None:
    first, second = (dress(figures, RandomValues.seed(5, torch.device("cpu"))) for _ in range(2))
    assert torch.equal(first, second)


def test_skin_is_of_human_tones(figures: torch.Tensor, random: RandomValues) -> None:
    skin = figures[0, 0] == Material.SKIN
    red, green, blue = dress(figures.repeat(16, 1, 1, 1), random)[:, :3, skin].mean((0, 2))
    assert red > green > blue
