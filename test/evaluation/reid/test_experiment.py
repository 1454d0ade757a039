"""``anon_ros evaluate reid`` on sets in miniature, made of real persons, and on a film of them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anon_ros.cli.main import main
from anon_ros.core import RgbImage
from anon_ros.evaluation.labels.polygons import read_yolo_polygons
from helpers.paths import MASKS

CONTEXT = 0.4


def cut_persons(vtest_rgb: dict[str, RgbImage]) -> Iterator[RgbImage]:
    """Real persons with some of their surroundings, 256 px high."""
    for name, image in vtest_rgb.items():
        for mask in read_yolo_polygons(MASKS / f"{name}.txt", *image.shape[:2]):
            x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
            left, top = max(0, int(x - CONTEXT * w)), max(0, int(y - CONTEXT * h))
            crop = image[top : int(y + (1 + CONTEXT) * h), left : int(x + (1 + CONTEXT) * w)]
            if h > 60:
                yield cv2.resize(crop, (round(256 * crop.shape[1] / crop.shape[0]), 256))


def make_views(person: RgbImage) -> list[RgbImage]:
    """The same person as three cameras might see it."""
    return [person, person[:, ::-1], np.clip(person * 1.15 + 4, 0, 255).astype(np.uint8)]


def write_image(path: Path, image: RgbImage) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])


@pytest.fixture(scope="module")
def market_folder(tmp_path_factory: pytest.TempPathFactory, vtest_rgb: dict[str, RgbImage]) -> Path:
    folder = tmp_path_factory.mktemp("market")
    for number, person in enumerate(list(cut_persons(vtest_rgb))[:6], start=1):
        for camera, view in enumerate(make_views(person), start=1):
            side = "query" if camera == 1 else "bounding_box_test"
            write_image(folder / side / f"{number:04d}_c{camera}s1_000001_00.jpg", view)
        own_camera = folder / "bounding_box_test" / f"{number:04d}_c1s1_000002_00.jpg"
        write_image(own_camera, person)
    junk = np.full((256, 128, 3), 90, np.uint8)
    write_image(folder / "bounding_box_test" / "-1_c1s1_000001_00.jpg", junk)
    write_image(folder / "bounding_box_test" / "0000_c2s1_000001_00.jpg", junk)
    write_image(folder / "query" / "0001_c3s1_000009_00.jpg", junk)  # nobody is found here
    return folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mean colours of 16 x 16 px: nobody is recognised better by it than by his own pixels."""

    class Pool(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.avg_pool2d(images, 16).flatten(1)

    path = tmp_path_factory.mktemp("network") / "pool.pt"
    torch.jit.trace(Pool(), torch.zeros(1, 3, 64, 32)).save(path)
    return path


def run_reid(where: Path, out: Path, weights: Path, *more: str) -> int:
    flags = ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
    return main(["evaluate", "reid", str(where), "--output", str(out), *flags, *more])


def read_rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "reid.csv").open(encoding="utf-8") as file:
        return {row["embedder, query"]: row for row in csv.DictReader(file)}


def test_market1501_ranks_each_method(
    market_folder: Path,
    network: Path,
    demo_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--methods", "fill", "mask-out", "--embedder", f"pool={network}@64x32"]
    assert run_reid(market_folder, tmp_path, demo_weights, *more) == 0
    table = read_rows(tmp_path)
    assert set(table) == {
        *(
            f"{embedder}, {query}"
            for embedder in ("colours", "pool")
            for query in (
                "original",
                "fill",
                "fill, person found",
                "mask-out",
                "mask-out, person found",
            )
        ),
        "chance",
    }
    assert table["colours, original"]["queries"] == "7"
    assert table["colours, fill, person found"]["queries"] == "6"
    # A mirrored person wears the same colours; grey ones are all the same.
    assert float(table["colours, original"]["rank-1, %"]) > 80
    hidden = float(table["colours, mask-out, person found"]["rank-1, %"])
    assert hidden < float(table["colours, original"]["rank-1, %"])
    # Junk is out; of the persons searched for one image is the query's own camera's.
    assert float(table["chance"]["rank-1, %"]) == pytest.approx(100 * 2 / 18, abs=4)
    assert "1 of 7 queries the segmenter found nobody" in capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert "Market-1501" in report["title"]
    assert (tmp_path / "rank_1.svg").exists()


def test_rerun_computes_no_features(
    market_folder: Path, network: Path, demo_weights: Path, tmp_path: Path
) -> None:
    more = ["--embedder", f"{network}@64x32", "--max-frames", "2"]
    assert run_reid(market_folder, tmp_path, demo_weights, *more) == 0
    first = read_rows(tmp_path)
    kept = (tmp_path / "vectors.db").read_bytes()
    assert run_reid(market_folder, tmp_path, demo_weights, *more) == 0
    assert read_rows(tmp_path) == first
    assert (tmp_path / "vectors.db").read_bytes() == kept
    assert first["colours, original"]["queries"] == "2"


def test_last_ranks_each_query(
    vtest_rgb: dict[str, RgbImage], demo_weights: Path, tmp_path: Path
) -> None:
    for number, person in enumerate(list(cut_persons(vtest_rgb))[:4], start=1):
        for index, view in enumerate(make_views(person)):
            part = f"gallery/{number:06d}" if index else "query"
            write_image(tmp_path / "last" / "test" / part / f"{number:06d}_film_{index}.jpg", view)
    assert run_reid(tmp_path / "last", tmp_path / "out", demo_weights) == 0
    table = read_rows(tmp_path / "out")
    assert table["colours, original"]["queries"] == "4"
    assert float(table["chance"]["rank-1, %"]) == pytest.approx(25)


def test_video_persons_are_tracked(
    vtest_rgb: dict[str, RgbImage], demo_weights: Path, tmp_path: Path
) -> None:
    for index in range(8):
        view = vtest_rgb["vtest0120"][100:520, 100 + 4 * index : 660 + 4 * index]
        write_image(tmp_path / "film" / f"{index:03d}.png", view)
    more = ["--period-s", "0.4", "--methods", "mask-out"]
    assert run_reid(tmp_path / "film", tmp_path / "out", demo_weights, *more) == 0
    table = read_rows(tmp_path / "out")
    original, hidden = (
        float(table[f"colours, {m}"]["rank-1, %"]) for m in ("original", "mask-out")
    )
    assert original > 60  # 7 of 11
    assert hidden < original
    assert "Persons are tracks" in (tmp_path / "out" / "report.html").read_text("utf-8")
    given = ["--period-s", "0.4", "--anonymized", str(tmp_path / "film")]
    assert run_reid(tmp_path / "film", tmp_path / "given", demo_weights, *given) == 0
    table = read_rows(tmp_path / "given")
    assert table["colours, as given"]["rank-1, %"] == table["colours, original"]["rank-1, %"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--anonymized", "{tmp}/none"], "--anonymized is for recordings"),
        (["--embedder", "{tmp}/nowhere.pt"], "no file"),
        (["--embedder", "{net}", "--embedder", "{net}"], "two are called pool"),
        (["--embedder", "colours={net}"], "colours is the name of a built-in network"),
        (["--dataset-format", "last"], "test/query is missing"),
    ],
)
def test_invalid_combinations_rejected(
    more: list[str],
    problem: str,
    market_folder: Path,
    network: Path,
    demo_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [each.format(tmp=tmp_path, net=network) for each in more]
    assert run_reid(market_folder, tmp_path / "out", demo_weights, *given) == 2
    assert problem in capsys.readouterr().err


def test_unreadable_image_named(
    market_folder: Path, demo_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "set.csv"
    good = next((market_folder / "query").iterdir())
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    lines = ["split,path,person,camera", f"query,{good},1,1", "gallery,bad.jpg,1,2"]
    table.write_text("\n".join(lines), "utf-8")
    assert run_reid(table, tmp_path / "out", demo_weights) == 2
    assert "bad.jpg is no image" in capsys.readouterr().err
