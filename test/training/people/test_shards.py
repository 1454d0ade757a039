"""The data contract of the rendered figures, which dressing and training rely on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.paths import ROOT
from helpers.people import Rendering, run_people
from training.figures import HEIGHT_PX, WIDTH_PX, Material
from training.people.shards import SHARD, list_jobs

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".exr", ".hdr"}


def test_figures_fill_frame(rendering: Rendering) -> None:
    is_figure = rendering.figures[..., 0] > 0
    rows = is_figure.any(axis=2).sum(axis=1) / HEIGHT_PX
    columns = is_figure.any(axis=1).sum(axis=1) / WIDTH_PX
    filled = np.maximum(rows, columns)
    assert filled.min() >= 0.94
    assert filled.max() <= 0.98


def test_figures_are_centered(rendering: Rendering) -> None:
    for axis, size in ((1, WIDTH_PX), (2, HEIGHT_PX)):
        is_used = (rendering.figures[..., 0] > 0).any(axis=axis)
        first, last = is_used.argmax(axis=1), size - 1 - is_used[:, ::-1].argmax(axis=1)
        assert np.abs(first + last - (size - 1)).max() <= 4


def test_outside_is_zero(rendering: Rendering) -> None:
    outside = rendering.figures[..., 0] == 0
    assert not rendering.figures[outside].any()


def test_normals_have_unit_length(rendering: Rendering) -> None:
    """At most: their root towards the camera is real, and both signs occur."""
    flat = (rendering.figures[rendering.figures[..., 0] > 0][:, 1:3] - 127.5) / 127
    assert np.hypot(*flat.T).max() <= 1.01
    assert np.hypot(*flat.T).mean() < 0.8
    assert flat.min() < -0.9
    assert flat.max() > 0.9


def test_normals_point_outward(rendering: Rendering) -> None:
    """To the right on the right half of the figures, and to the left on the left."""
    figures = rendering.figures
    is_skin = np.isin(figures[..., 0], [Material.TOP, Material.BOTTOM])
    for half, sign in ((figures[:, :, 72:], 1), (figures[:, :, :56], -1)):
        mask = is_skin[:, :, 72:] if sign > 0 else is_skin[:, :, :56]
        assert sign * (half[..., 1][mask].mean() - 127.5) > 10


def test_height_rises_to_crown(rendering: Rendering) -> None:
    figures = rendering.figures
    medians = {
        material: np.median(figures[..., 3][figures[..., 0] == material])
        for material in (Material.SHOES, Material.BOTTOM, Material.TOP, Material.HAIR)
    }
    assert medians[Material.SHOES] < 25
    assert medians[Material.SHOES] < medians[Material.BOTTOM] < medians[Material.TOP] < 220
    assert medians[Material.HAIR] > 220


@pytest.mark.parametrize("material", list(Material))
def test_material_occurs(rendering: Rendering, material: Material) -> None:
    pixels = (rendering.figures[..., 0] == material).sum(axis=(1, 2))
    assert (pixels > 40).sum() >= 4


def test_materials_are_listed(rendering: Rendering) -> None:
    assert rendering.figures[..., 0].max() <= max(Material)


def test_figures_differ(rendering: Rendering) -> None:
    masks = rendering.figures[::4, ::8, ::8, 0].reshape(len(rendering.figures) // 4, -1)
    assert len(np.unique(masks, axis=0)) == len(masks)


def test_renderer_reads_no_image(rendering: Rendering) -> None:
    """Not one picture of a person, nor of anything else."""
    assert len(rendering.opened) > 20  # the record is not empty
    assert not [path for path in rendering.opened if Path(path).suffix.lower() in IMAGE_SUFFIXES]
    assert "cv2" not in rendering.modules  # it opens files unseen


def test_same_seed_gives_same_bytes(rendering: Rendering, tmp_path: Path) -> None:
    run_people(tmp_path, "-m", "training.people", "--workers", "2")
    name = "people_00000.npz"
    assert (tmp_path / name).read_bytes() == (rendering.folder / name).read_bytes()


def test_finished_shards_are_kept(tmp_path: Path) -> None:
    (tmp_path / "people_00001.npz").touch()
    (tmp_path / "people_00002.partial").touch()
    jobs = list_jobs(tmp_path, 2 * SHARD + 10, seed=3)
    assert [(job.path.name, job.figures, job.seed) for job in jobs] == [
        ("people_00000.npz", SHARD, [3, 0]),
        ("people_00002.npz", 10, [3, 2]),
    ]


def test_sheet_shows_figures(rendering: Rendering, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    arguments = [str(rendering.folder), "--out", str(out), "--count", "12", "--columns", "6"]
    subprocess.run(
        [sys.executable, "-m", "training.sheet", *arguments], cwd=ROOT, check=True, timeout=200
    )
    with Image.open(out) as sheet:
        assert sheet.size == (6 * WIDTH_PX, 2 * HEIGHT_PX)
        assert np.asarray(sheet).std() > 20


def test_missing_package_is_named(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['anny'] = None"
    code = f"{hide}; import training.people.__main__ as command; command.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--out", tmp_path, "--count", "1"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("; run pip install '.[training]'\n")
    assert "anny" in done.stderr
    assert not list(tmp_path.iterdir())
