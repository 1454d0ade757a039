"""The files of examples/, each run as a user runs it, on real images with real weights."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from anon_ros.core import RgbImage
from helpers.paths import ROOT

EXAMPLES = ROOT / "examples"
NUM_PERSONS = 4  # of bus.jpg


@pytest.fixture
def config_file(tmp_path: Path, demo_weights: Path) -> Path:
    """A parameter file as a user without a diffusion model writes it."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n"
        f'    detect: {{weights: "{demo_weights}", classes: ["person", "fallen person"]}}\n'
        '    inpaint: {method: "fill"}\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def photos(tmp_path: Path, bus_rgb: RgbImage) -> Path:
    """A folder with bus.jpg and its mirror image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, image_rgb in (("bus", bus_rgb), ("mirrored", bus_rgb[:, ::-1])):
        cv2.imwrite(str(folder / f"{name}.jpg"), image_rgb[..., ::-1])
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Run":
    return Run(monkeypatch, capsys)


class Run:
    """Examples as ``python examples/NAME ARGUMENTS``, in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, name: str, *arguments: Path, code: int = 0) -> str:
        """Return the standard output."""
        path = str(EXAMPLES / name)
        self._monkeypatch.setattr(sys, "argv", [path, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(path, run_name="__main__")
        output = self._capsys.readouterr().out
        assert ended.value.code == code, output
        return output


def changed_ratio(source: Path, destination: Path) -> float:
    """Return how much of an image differs by more than JPEG compression explains."""
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in (source, destination)]
    return float((cv2.absdiff(*images).max(axis=2) > 16).mean())


def test_every_example_has_a_test() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert len(names) >= 7
    assert {name for name in names if f'"{name}"' not in tested} == set()


def test_anonymize_image(run: Run, photos: Path, config_file: Path, tmp_path: Path) -> None:
    destination = tmp_path / "new" / "bus.png"
    output = run("anonymize_image.py", photos / "bus.jpg", destination, config_file)
    assert output.count("person with score") >= NUM_PERSONS
    assert 0.1 < changed_ratio(photos / "bus.jpg", destination) < 0.5


def test_anonymize_image_without_an_image(run: Run, config_file: Path, tmp_path: Path) -> None:
    run("anonymize_image.py", config_file, tmp_path / "out.png", config_file, code=1)
    assert not (tmp_path / "out.png").exists()


def test_anonymize_folder_and_own_metric(run: Run, photos: Path, config_file: Path) -> None:
    destination = photos.with_name("anonymized")
    output = run("anonymize_folder.py", photos, destination, config_file)
    assert output.count("persons replaced") == 2
    for path in photos.iterdir():
        assert 0.1 < changed_ratio(path, destination / path.name) < 0.5
    measured = run("evaluate_own_metric.py", photos, destination)
    assert "over 2 images" in measured
    assert float(measured.split()[2]) < 0.5, "a fill keeps no structure"
    run("evaluate_own_metric.py", photos, photos, code=1)


def test_compare_methods(run: Run, photos: Path, config_file: Path, tmp_path: Path) -> None:
    output = run("compare_methods.py", photos, tmp_path / "report", config_file)
    assert [output.count(f"| {name} ") for name in ("original", "fill", "blur")] == [2, 2, 2]
    assert (tmp_path / "report" / "report.html").is_file()


def test_anonymize_bag_and_read_masks(
    run: Run, bus_rgb: RgbImage, config_file: Path, tmp_path: Path
) -> None:
    source, destination = tmp_path / "drive", tmp_path / "drive_anonymized"
    write_bag(source, cv2.resize(bus_rgb, (405, 540)))
    output = run("anonymize_bag.py", source, destination, config_file)
    assert "/camera/image_raw: ANONYMIZE, 2 messages" in output
    rows = run("read_masks_db.py", destination / "masks.db").splitlines()
    assert len(rows) == 2
    assert all(row.startswith("/camera/image_raw ") and "% replaced" in row for row in rows)


def test_custom_inpainter(run: Run, photos: Path, config_file: Path, tmp_path: Path) -> None:
    destination = tmp_path / "silhouettes.png"
    output = run("custom_inpainter.py", photos / "bus.jpg", destination, config_file)
    assert output.count("inpainted") >= NUM_PERSONS
    assert 0.1 < changed_ratio(photos / "bus.jpg", destination) < 0.5


def test_custom_segmenter(run: Run, photos: Path, config_file: Path, tmp_path: Path) -> None:
    destination = tmp_path / "region.png"
    output = run("custom_segmenter.py", photos / "bus.jpg", destination, config_file)
    assert int(output.split()[0]) > NUM_PERSONS
    images = [cv2.imread(str(path)) for path in (photos / "bus.jpg", destination)]
    assert (images[0] != images[1])[:120, :160].any(axis=2).all()


def write_bag(path: Path, image_rgb: RgbImage) -> None:
    """Write a rosbag2 folder with two images of one camera."""
    from rosbags.rosbag2 import StoragePlugin, Writer  # noqa: PLC0415 - for this test alone
    from rosbags.typesys import Stores, get_typestore  # noqa: PLC0415

    store = get_typestore(Stores.ROS2_JAZZY)
    stamp_type, header_type, image_type = (
        store.types[f"{name}"]
        for name in ("builtin_interfaces/msg/Time", "std_msgs/msg/Header", "sensor_msgs/msg/Image")
    )
    height_px, width_px = image_rgb.shape[:2]
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/camera/image_raw", image_type.__msgtype__, typestore=store
        )
        for index in range(2):
            header = header_type(stamp_type(1000 + index, 0), "camera")
            size = height_px, width_px, "rgb8", 0, width_px * 3
            message = image_type(header, *size, np.ascontiguousarray(image_rgb).reshape(-1))
            data = store.serialize_cdr(message, image_type.__msgtype__)
            writer.write(connection, (1000 + index) * 10**9, data)
