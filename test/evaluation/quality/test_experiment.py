"""``anon_ros evaluate quality`` on real frames, with a small network's features."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from anon_ros.models import LpipsDistance, NetworkEmbedder


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory, vtest_rgb: dict[str, RgbImage]) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for name, image in vtest_rgb.items():
        cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 8, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2)
    )
    path = tmp_path_factory.mktemp("network") / "net.pt"
    torch.jit.trace(layers.eval(), torch.zeros(1, 3, 64, 64)).save(path)
    return path


def run_quality(frames: Path, out: Path, weights: Path, *more: str) -> int:
    flags = ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
    return main(["evaluate", "quality", str(frames), "--output", str(out), *flags, *more])


def read_rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return {row["anonymized"]: row for row in csv.DictReader(file)}


def test_report_has_images_and_persons(
    frames: Path,
    network: Path,
    demo_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--methods", "fill", "mask-out", "--features", f"tiny={network}@64x64"]
    assert run_quality(frames, tmp_path, demo_weights, *more) == 0
    full, persons = (read_rows(tmp_path / name) for name in ("full_images.csv", "persons.csv"))
    assert list(full) == ["original", "fill", "mask-out", "original, odd against even"]
    assert full["fill"]["images"] == "5"
    assert int(persons["fill"]["images"]) > 20
    column = "Frechet distance on tiny"
    assert float(full["original"][column]) == 0
    assert float(persons["mask-out"][column]) > float(persons["original, odd against even"][column])
    assert float(persons["fill"]["difference, gray levels"]) > float(
        full["fill"]["difference, gray levels"]
    )
    assert float(full["fill"]["background change, gray levels"]) == 0
    assert float(full["fill"]["difference, gray levels"]) > 1
    assert 0 < float(persons["fill"]["sharpness, of the original's"]) < 0.8
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "biased upwards" in page  # 5 images for 32 features
    assert "FID and IS: no file" in page
    assert "curl -fL" in page
    told = capsys.readouterr().out
    assert "! Frechet distance on tiny of full images: 5 images for 32 features are few" in told
    assert "! Not measured: LPIPS: no file" in told
    assert "fill, 62 persons" in told


def test_same_frames_have_no_distance(
    frames: Path, network: Path, demo_weights: Path, tmp_path: Path
) -> None:
    video = tmp_path / "copy.avi"
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(video), codec, 5, (768, 576))
    for path in sorted(frames.iterdir()):
        writer.write(cv2.imread(str(path)))
    writer.release()
    more = ["--anonymized", str(frames), "--features", f"{network}@64x64"]
    assert run_quality(frames, tmp_path / "same", demo_weights, *more) == 0
    same = read_rows(tmp_path / "same" / "persons.csv")["as given"]
    assert float(same["Frechet distance on net"]) == pytest.approx(0, abs=1e-6)
    assert float(same["kernel distance on net, x1000"]) == pytest.approx(0, abs=1e-6)
    assert float(same["difference, gray levels"]) == 0
    assert float(same["sharpness, of the original's"]) == 1
    more = ["--anonymized", str(video), "--max-frames", "3"]
    assert run_quality(video, tmp_path / "video", demo_weights, *more) == 0
    assert read_rows(tmp_path / "video" / "full_images.csv")["as given"]["images"] == "3"


def test_background_change_measured(frames: Path, demo_weights: Path, tmp_path: Path) -> None:
    """One level everywhere, as a lossy file has it."""
    (tmp_path / "changed").mkdir()
    for path in frames.iterdir():
        cv2.imwrite(str(tmp_path / "changed" / path.name), cv2.imread(str(path)) ^ 1)
    more = ["--anonymized", str(tmp_path / "changed")]
    assert run_quality(frames, tmp_path / "out", demo_weights, *more) == 0
    found = read_rows(tmp_path / "out" / "full_images.csv")
    assert float(found["as given"]["background change, gray levels"]) == pytest.approx(1)
    assert float(found["original"]["background change, gray levels"]) == 0


def test_features_never_computed_twice(
    frames: Path,
    network: Path,
    demo_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor an LPIPS: an interrupted run goes on where it stopped."""
    alexnet = tmp_path / "alexnet.pth"
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), alexnet)
    seen: list[int] = []
    most = 6
    embed, distances = NetworkEmbedder.embed, LpipsDistance.compute

    def counted(self: NetworkEmbedder, images: list[RgbImage]) -> np.ndarray:
        if len(seen) >= most:
            raise KeyboardInterrupt
        seen.append(len(images))
        return embed(self, images)

    def counted_pairs(
        self: LpipsDistance, ones: list[RgbImage], others: list[RgbImage]
    ) -> np.ndarray:
        seen.append(len(ones))
        return distances(self, ones, others)

    monkeypatch.setattr(NetworkEmbedder, "embed", counted)
    monkeypatch.setattr(LpipsDistance, "compute", counted_pairs)
    more = ["--features", f"{network}@64x64", "--lpips-weights", str(alexnet), "--max-frames", "2"]
    assert run_quality(frames, tmp_path / "out", demo_weights, *more) == 130
    first = sum(seen)
    seen, most = [], 10**9
    assert run_quality(frames, tmp_path / "out", demo_weights, *more) == 0
    second = sum(seen)
    seen = []
    assert run_quality(frames, tmp_path / "out", demo_weights, *more) == 0
    assert not seen
    assert run_quality(frames, tmp_path / "fresh", demo_weights, *more) == 0
    assert first > 0
    assert second > 0
    assert first + second == sum(seen)
    for column in ("LPIPS", "Frechet distance on net"):  # but for rounding in other batches
        found = [
            float(read_rows(tmp_path / o / "persons.csv")["fill"][column]) for o in ("out", "fresh")
        ]
        assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_resume_repeats_no_features(
    frames: Path, network: Path, demo_weights: Path, tmp_path: Path
) -> None:
    more = ["--features", f"{network}@64x64"]
    assert run_quality(frames, tmp_path, demo_weights, *more, "--max-frames", "2") == 0
    kept = (tmp_path / "vectors.db").read_bytes()
    assert run_quality(frames, tmp_path, demo_weights, *more, "--max-frames", "2") == 0
    assert (tmp_path / "vectors.db").read_bytes() == kept
    assert run_quality(frames, tmp_path, demo_weights, *more) == 0
    assert (tmp_path / "vectors.db").read_bytes() != kept


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--inception-weights", "{tmp}/none.pth"], "FID and IS: no file"),
        (["--lpips-weights", "{tmp}/none.pth"], "LPIPS: no file"),
        (["--features", "{net}", "--features", "{net}"], "two are called net"),
        (["--features", "Inception={net}"], "Inception is the name of a built-in network"),
        (["--anonymized", "{tmp}/empty"], "has its counterpart"),
    ],
)
def test_missing_network_stops_run(
    more: list[str],
    problem: str,
    frames: Path,
    network: Path,
    demo_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    given = [each.format(tmp=tmp_path, net=network) for each in more]
    assert run_quality(frames, tmp_path / "out", demo_weights, *given) == 2
    assert problem in capsys.readouterr().err


def test_report_names_its_provenance(frames: Path, demo_weights: Path, tmp_path: Path) -> None:
    assert run_quality(frames, tmp_path, demo_weights, "--max-frames", "1") == 0
    made = json.loads((tmp_path / "report.json").read_text("utf-8"))["provenance"]
    assert made["parameters"]["detect.classes"] == ["person", "fallen person"]
    assert "SHA-256" in made["models"]["detect.weights"]
