"""``anon_ros evaluate detection`` end to end: real frames, real weights, real training."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest

from anon_ros.cli.main import main
from helpers.paths import DATA

METHODS = ["fill", "paper-blur", "mask-out"]


def run_detection(out: Path, weights: Path, *others: str, source: Path = DATA / "vtest") -> int:
    return main(
        [
            *("evaluate", "detection", str(source), "--output", str(out)),
            *("--detect.weights", str(weights), "--detect.classes", "person", "fallen person"),
            *others,
        ]
    )


def read_rows(out: Path, table: str) -> dict[str, dict[str, str]]:
    with (out / f"{table}.csv").open() as file:
        return {next(iter(row.values())): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def labeled_report(tmp_path_factory: pytest.TempPathFactory, demo_weights: Path) -> Path:
    out = tmp_path_factory.mktemp("labelled")
    assert (
        run_detection(out, demo_weights, "--labels", str(DATA / "masks"), "--methods", *METHODS)
        == 0
    )
    return out


def test_persons_detected_until_covered(labeled_report: Path) -> None:
    rows = read_rows(labeled_report, "detection")
    assert list(rows) == ["original", *METHODS]
    assert {row["frames"] for row in rows.values()} == {"5"}
    labels = sum(
        len((DATA / "masks" / f"{path.stem}.txt").read_text().splitlines())
        for path in DATA.glob("vtest/*.jpg")
    )
    assert {row["persons"] for row in rows.values()} == {str(labels)}
    ap50 = {mode: float(row["AP50, %"]) for mode, row in rows.items()}
    assert ap50["original"] > 50
    assert all(ap50[mode] < 10 for mode in METHODS)
    for mode in METHODS:
        lost, low, high = (
            float(rows[mode][f"AP lost, points{end}"]) for end in ("", ", 95 % low", ", 95 % high")
        )
        assert low <= lost <= high
        assert low > 0
        assert lost == pytest.approx(
            float(rows["original"]["AP, %"]) - float(rows[mode]["AP, %"]), abs=1e-9
        )


def test_retained_uses_original_boxes(labeled_report: Path) -> None:
    rows = read_rows(labeled_report, "retained")
    assert float(rows["original"]["AP, %"]) == pytest.approx(100)
    assert 0 < float(rows["mask-out"]["AP, %"]) < 30
    assert "relative to the detector" in (labeled_report / "report.html").read_text()


def test_report_states_its_limitations(labeled_report: Path) -> None:
    report = json.loads((labeled_report / "report.json").read_text())
    assert any("--detector" in line for line in report["limitations"])
    assert any("paper-blur: AP" in line for line in report["summary"])
    assert "ORIGINAL frames" not in str(report["limitations"])


def test_original_loses_nothing(tmp_path: Path, demo_weights: Path) -> None:
    """A video, whose frames have labels by number; the last frame has none."""
    video = tmp_path / "some.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (768, 576))
    labels = tmp_path / "labels"
    labels.mkdir()
    for number, path in enumerate([*sorted(DATA.glob("vtest/*.jpg"))[:2]] * 2):
        writer.write(cv2.imread(str(path)))
        if number < 3:
            shutil.copy(DATA / "masks" / f"{path.stem}.txt", labels / f"x{number:03d}.txt")
    writer.release()
    others = ("--anonymized", str(video), "--labels", str(labels))
    assert run_detection(tmp_path / "out", demo_weights, *others, source=video) == 0
    row = read_rows(tmp_path / "out", "detection")["anonymized"]
    assert (row["frames"], float(row["AP lost, points"]), float(row["AP retained, %"])) == (
        "3",
        0,
        100,
    )


def test_retained_alone_without_labels(tmp_path: Path, demo_weights: Path) -> None:
    assert run_detection(tmp_path, demo_weights, "--methods", "mask-out", "--max-frames", "2") == 0
    assert not (tmp_path / "detection.csv").exists()
    assert read_rows(tmp_path, "retained")["mask-out"]["frames"] == "2"


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        (["--labels", "labels"], "labels are named like 'other', frames like 'vtest0600'"),
        (["--labels", "bad.json"], "is no file of COCO annotations"),
        (["--labels", "none"], "none cannot be read"),
        (["--detector", "bad.pt"], "bad.pt cannot be loaded"),
        (["--detector", "none.pt"], "--detector: no file"),
        (["--train-from", "none.pt"], "--train-from: no file"),
        (["--detector-classes", "dog"], "has no dog; it has person, fallen person"),
    ],
)
def test_unusable_inputs_named(
    tmp_path: Path,
    demo_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    others: list[str],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "other.txt").touch()
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    assert run_detection(tmp_path / "out", demo_weights, *others) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()


def test_training_splits_by_time(tmp_path: Path, demo_weights: Path) -> None:
    others = [
        "--labels",
        str(DATA / "masks"),
        "--methods",
        "mask-out",
        "--train-from",
        "yolov8n.yaml",
    ]
    others += ["--epochs", "1", "--train-batch", "2", "--train-px", "96"]
    assert run_detection(tmp_path, demo_weights, *others) == 0
    assert list(read_rows(tmp_path, "trained")) == ["original", "mask-out"]
    listed = (tmp_path / "train" / "mask-out" / "train.txt").read_text().splitlines()
    assert [Path(line).name for line in listed] == [f"00000{n}.jpg" for n in range(4)]
    weights = sorted(tmp_path.glob("train/*/seed0/detector.pt"))
    assert len(weights) == 2
    written = [path.stat().st_mtime_ns for path in weights]
    assert run_detection(tmp_path, demo_weights, *others) == 0
    assert [path.stat().st_mtime_ns for path in weights] == written
    assert "ORIGINAL frames" in (tmp_path / "report.html").read_text()
