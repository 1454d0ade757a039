"""``anon_ros image``: real files, real weights."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from anon_ros.cli.image import _FORMATS
from anon_ros.cli.main import main
from anon_ros.cli.preview import COVERED, IGNORED, INPAINTED, TILES
from anon_ros.core import RgbImage
from anon_ros.images.files.synthetic_mark import DIGITAL_SOURCE_TYPE, XMP_MARK
from helpers.exiftool import read_by_exiftool, requires_exiftool
from helpers.fake_models import NoiseInpainter, SentinelModelProvider, make_street_image
from helpers.hidden_pictures import HIDDEN_IN_JPEG, HIDDEN_IN_PNG, SKY, holds_marker

RunCommand = Callable[..., int]
STREET = make_street_image(320, 240)


@pytest.fixture
def image_folder(tmp_path: Path, bus_rgb: RgbImage) -> Path:
    """A folder with the four persons of bus.jpg twice, one image nested, one without persons."""
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    persons = cv2.resize(bus_rgb[360:960, :, ::-1], (300, 230))
    cv2.imwrite(str(folder / "a.jpg"), persons)
    cv2.imwrite(str(folder / "deep" / "b.png"), persons)
    cv2.imwrite(str(folder / "empty.jpg"), bus_rgb[:150, 300:700, ::-1])
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture
def run_image(demo_weights: Path) -> RunCommand:
    def call(*arguments: str | Path) -> int:
        flags = ["--detect.weights", demo_weights, "--detect.classes", "person", "fallen person"]
        flags += ["--inpaint.method", "fill", "--detect.inference_px", "320"]
        return main(["image", *map(str, [*arguments, *flags])])

    return call


def show_image(path: Path) -> np.ndarray:
    """The (H, W, 3) RGB that a viewer shows."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def read_image(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_COLOR)


def test_image_mirrors_a_folder(
    image_folder: Path, tmp_path: Path, run_image: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run_image(image_folder, "-o", out) == 0
    assert "1 files left out, not .jpg, .jpeg, .png: notes.txt" in capsys.readouterr().err
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == ["a.jpg", "deep/b.png", "empty.jpg"]
    changed = (read_image(out / "deep/b.png") != read_image(image_folder / "deep/b.png")).any(
        axis=2
    )
    assert 0.1 < changed.mean() < 0.6
    assert (out / "empty.jpg").read_bytes() == (image_folder / "empty.jpg").read_bytes()


def test_hostile_file_name_shown_escaped(
    tmp_path: Path, run_image: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for suffix in (".jpg", ".txt"):
        (folder / f"a\x1b[2J\nb.jpg: 0 persons{suffix}").write_text("no image")
    assert run_image(folder, "-o", tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert printed.err.count(r"a\x1b[2J\nb.jpg") == 2
    assert "\x1b[2J" not in printed.out + printed.err


def test_image_drops_hidden_pictures(tmp_path: Path, run_image: RunCommand) -> None:
    """The sky without anybody, and persons in its metadata."""
    folder = tmp_path / "in"
    folder.mkdir()
    places = {".jpg": HIDDEN_IN_JPEG, ".png": HIDDEN_IN_PNG}
    for suffix, hidden in places.items():
        for index, make in enumerate(hidden.values()):
            (folder / f"{index}{suffix}").write_bytes(make())
    run_image(folder, "-o", tmp_path / "out")
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) > 60
    for path in written:
        assert not holds_marker(path.read_bytes())
        assert np.array_equal(read_image(path), read_image(folder / path.name))


def test_image_takes_long_names(image_folder: Path, tmp_path: Path, run_image: RunCommand) -> None:
    """Names may have 255 bytes."""
    name = f"{'ä' * 125}.png"
    (image_folder / "deep" / "b.png").rename(image_folder / "deep" / name)
    assert run_image(image_folder / "deep", "-o", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_image_never_overwrites(
    image_folder: Path, tmp_path: Path, run_image: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.jpg").write_text("mine")
    assert run_image(image_folder, "-o", out) == 1
    assert "--force" in capsys.readouterr().err
    assert (out / "a.jpg").read_text() == "mine"
    assert (out / "deep/b.png").exists()
    assert run_image(image_folder, "-o", out, "--force") == 0
    assert read_image(out / "a.jpg") is not None


def test_image_reports_bad_files(
    image_folder: Path, tmp_path: Path, run_image: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (image_folder / "a.jpg").read_bytes()
    (image_folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (image_folder / "text.png").write_text("not a picture")
    (image_folder / "zero.jpg").write_bytes(b"")
    out = tmp_path / "out"
    assert run_image(image_folder, "-o", out) == 1
    told = capsys.readouterr()
    for name in ("half.jpg", "text.png", "zero.jpg"):
        assert f"{name}: failed, not written" in told.err
        assert not (out / name).exists()
    assert "3 of 6 images written" in told.out
    assert not list(out.rglob("*.partial"))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_image_searches_what_is_shown(
    image_folder: Path, tmp_path: Path, run_image: RunCommand, suffix: str, orientation: int
) -> None:
    """A phone's photo is stored lying on its side or head, and shown upright."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = Image.open(image_folder / "deep" / "b.png")
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    lying = upright.transpose(turns.get(orientation, Image.Transpose.ROTATE_270))
    source, control = tmp_path / f"turned{suffix}", tmp_path / f"upright{suffix}"
    lying.save(source, exif=exif, quality=100)
    upright.save(control, quality=100)
    images = []
    for path in (source, control):
        assert run_image(path, "-o", tmp_path / "out") == 0
        images.append(show_image(tmp_path / "out" / path.name))
    assert np.abs(images[0].astype(int) - images[1]).mean() < 3
    assert np.abs(images[0].astype(int) - show_image(source)).mean() > 5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.jpg", "-o", "out"], "absent.jpg does not exist"),
        (["in/notes.txt", "-o", "out"], "is not a .jpg, .jpeg, .png file"),
        (["in/deep/b.png", "-o", "b.jpg"], "end the output b.jpg in .png"),
        (["in", "-o", "in/anonymized"], "lies in the input folder"),
        (["in/a.jpg", "in", "-o", "out"], "several inputs would be written to out/a.jpg"),
        (["void", "-o", "out"], "no .jpg, .jpeg, .png file in void"),
        (["in", "-o", "out", "--inpaint.beta_d", "7"], "0.05 to 1"),
        (["in", "-o", "out", "--config", "absent.yaml"], "absent.yaml"),
        (
            ["in", "-o", "out", "--inpaint.method", "sdxl", "--inpaint.model", "nowhere/x"],
            "nowhere",
        ),
        (["in", "-o", "out", "--detect.weights", "nowhere/y.pt"], "nowhere/y.pt"),
    ],
)
def test_image_rejects_bad_arguments(
    image_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    demo_weights: Path,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(image_folder.parent)
    Path("void").mkdir()
    weights = ["--detect.weights", str(demo_weights), "--detect.classes", "person"]
    assert main(["image", *weights, "--inpaint.method", "fill", *arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert not Path("out").exists()


def test_image_interrupt_is_clean(image_folder: Path, tmp_path: Path, demo_weights: Path) -> None:
    for index in range(200):
        shutil.copy(image_folder / "a.jpg", image_folder / f"{index}.jpg")
    command = [
        Path(sys.executable).with_name("anon_ros"),
        "image",
        image_folder,
        "-o",
        tmp_path / "out",
    ]
    command += ["--detect.weights", demo_weights, "--detect.classes", "person"]
    process = subprocess.Popen(
        [*command, "--inpaint.method", "fill"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        text=True,
    )
    assert "persons" in process.stdout.readline()
    process.send_signal(2)
    _, error = process.communicate(timeout=200)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "anon_ros: interrupted"
    assert "Traceback" not in error


def test_linked_folders_are_followed(
    image_folder: Path, tmp_path: Path, run_image: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    shutil.move(image_folder / "deep", elsewhere)
    (image_folder / "camera_2").symlink_to(elsewhere)
    (image_folder / "linked.png").symlink_to(elsewhere / "b.png")
    (image_folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    original = (elsewhere / "b.png").read_bytes()
    assert run_image(image_folder, "-o", out) == 1
    assert "gone.png: failed, not written" in capsys.readouterr().err
    for name in ("camera_2/b.png", "linked.png"):
        assert (read_image(out / name) != read_image(elsewhere / "b.png")).any()
    assert (elsewhere / "b.png").read_bytes() == original
    assert not (out / "camera_2").is_symlink()
    assert run_image(image_folder, "-o", elsewhere / "out") == 2
    assert "to which a link leads" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "draws", "marked"),
    [
        ((), True, {"a.jpg", "b.png"}),
        (("--output.mark", "off"), True, set()),
        ((), False, set()),
        (("--inpaint.min_person_px", "4096"), True, set()),
    ],
    ids=["drawn", "off", "filled", "all covered"],
)
def test_image_marks_drawn_persons(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    marked: set[str],
    *,
    draws: bool,
) -> None:
    """Only files in which a model drew somebody are marked; nobody is drawn in the sky."""
    models = SentinelModelProvider(inpainter=NoiseInpainter(draws_persons=draws))
    monkeypatch.setattr("anon_ros.cli.image.build_anonymizer", models.anonymizer)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, image in {"a.jpg": STREET, "b.png": STREET, "sky.jpg": SKY, "sky.png": SKY}.items():
        Image.fromarray(image).save(folder / name, quality=95)
    assert main(["image", str(folder), "-o", str(out), *flags]) == 0
    assert {path.name for path in out.iterdir() if XMP_MARK in path.read_bytes()} == marked
    assert main(["image", str(folder), "-o", str(tmp_path / "off"), "--output.mark", "off"]) == 0
    for path in out.iterdir():
        if draws and not flags:
            assert np.array_equal(read_image(path), read_image(tmp_path / "off" / path.name))


@requires_exiftool
def test_exiftool_reads_marks_of_image_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = SentinelModelProvider(inpainter=NoiseInpainter(draws_persons=True))
    monkeypatch.setattr("anon_ros.cli.image.build_anonymizer", models.anonymizer)
    folder = tmp_path / "in"
    folder.mkdir()
    for suffix in _FORMATS:
        Image.fromarray(STREET).save(folder / f"a{suffix}", quality=95)
        Image.fromarray(SKY).save(folder / f"sky{suffix}", quality=95)
    assert main(["image", str(folder), "-o", str(tmp_path / "out")]) == 0
    for path in (tmp_path / "out").iterdir():
        is_drawn = path.stem == "a"
        tags = read_by_exiftool(path)
        assert tags.get("XMP:DigitalSourceType") == (DIGITAL_SOURCE_TYPE if is_drawn else None)


def test_switches_take_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["image", str(tmp_path), "-o", str(tmp_path / "out"), "--output.mark", "maybe"])
    assert "--output.mark: expected on, true, off, false, got maybe" in capsys.readouterr().err


def test_image_tells_who_drew(
    image_folder: Path,
    tmp_path: Path,
    demo_weights: Path,
    tiny_sdxl: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags = ["--detect.weights", str(demo_weights), "--detect.classes", "person", "fallen person"]
    flags += ["--inpaint.model", str(tiny_sdxl), "--inpaint.steps", "2", "--compute.device", "cpu"]
    flags += ["--inpaint.small_model", "generator", "--inpaint.small_below_px", "4000"]
    assert main(["image", str(image_folder / "a.jpg"), "-o", str(tmp_path / "a.jpg"), *flags]) == 0
    assert "by inpaint.small_model), " in capsys.readouterr().out


def test_preview_shows_what_was_looked_for(
    image_folder: Path, tmp_path: Path, run_image: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    """Drawn on the anonymized image: its other pixels are the same without the preview."""
    source, plain, preview = image_folder / "deep/b.png", tmp_path / "plain", tmp_path / "preview"
    flags = ["--regions.always", "0,0.9 1,0.9 1,1 0,1", "--detect.tiles", "2x1"]
    flags += ["--regions.never", "0,0 0.4,0 0.4,1 0,1"]
    assert run_image(source, "-o", plain, *flags) == 0
    assert run_image(source, "-o", preview, *flags, "--preview") == 0
    assert "persons green if inpainted" in capsys.readouterr().out
    images = [cv2.cvtColor(read_image(p / "b.png"), cv2.COLOR_BGR2RGB) for p in (plain, preview)]
    drawn = (images[0] != images[1]).any(axis=2)
    colors = (INPAINTED, COVERED, IGNORED, TILES)
    counts = [(images[1][drawn] == color).all(axis=1).sum() for color in colors]
    assert all(count > 50 for count in counts)
    assert drawn.mean() < 0.2
    assert drawn[round(0.9 * 230)].mean() > 0.5, "the upper edge of the covered region"
