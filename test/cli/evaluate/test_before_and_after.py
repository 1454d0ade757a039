"""What holds for every question: where it may write, what it says of who could not be drawn."""

import logging
import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
from recordings import RAW, START_NS, Recorded, by_rosbags, raw, recorded

from anon_ros.cli.config_flags import parse_config
from anon_ros.cli.main import main
from anon_ros.config import Config, DetectionConfig, InpaintConfig, MaskConfig
from anon_ros.core import Anonymizer, Crop, InpaintFailure, RgbImage
from anon_ros.errors import LabelError, ModelError
from anon_ros.evaluation.inputs.frames import iter_all_frames, iter_frame_pairs
from anon_ros.evaluation.inputs.mask_labels import load_mask_labels
from anon_ros.evaluation.labels.boxes import read_box_labels
from anon_ros.evaluation.methods import MethodRunner
from anon_ros.evaluation.recording import inherit_parameters, summarize_recording
from anon_ros.evaluation.report.model import Report, Table, write_report
from anon_ros.models import build_segmenter

OTHER = "/other/image_raw"
LABELS = Path(__file__).resolve().parents[2] / "data" / "masks" / "vtest0120.txt"


def run(source: Path, out: Path, weights: Path, *more: str) -> int:
    flags = ["--detect.weights", str(weights), "--detect.classes", "person", "fallen person"]
    return main(["evaluate", "detection", str(source), "--out", str(out), *flags, *more])


@pytest.fixture
def images(tmp_path: Path, vtest_rgb: dict[str, RgbImage]) -> Path:
    (tmp_path / "images").mkdir()
    for name, image in list(vtest_rgb.items())[:2]:
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image[..., ::-1])
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("out", "more", "problem"),
    [
        ("images", [], "lies in"),
        ("images/proof", [], "lies in"),
        ("given/proof", ["--anonymized", "given"], "lies in"),
        ("file", [], "file cannot be written: FileExistsError"),
        ("file/proof", [], "proof cannot be written: NotADirectoryError"),
        ("recording", [], "did not write"),
        ("account", [], "did not write"),
    ],
)
def test_what_is_measured_or_published_is_not_written_into(
    out: str,
    more: list[str],
    problem: str,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(images, "given")
    Path("file").touch()
    for name, file in (("recording", "metadata.yaml"), ("account", "report.json")):
        Path(name).mkdir()
        (Path(name) / file).write_text("{}")
    before = sorted(tmp_path.rglob("*"))
    assert run(images, Path(out), tmp_path / "no weights needed.pt", *more) == 2
    assert problem in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_new_report_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_report(Report(name, [], [Table(name, name, ("a",), [[1]])]), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"other.csv", "report.html", "report.json"}


def test_a_name_that_is_no_text_and_a_folder_that_is_no_image(
    images: Path, tmp_path: Path, demo_weights: Path
) -> None:
    (images / "folder.png").mkdir()
    first = min(images.glob("vtest*.png"))
    first.rename(images / b"\xff\xe9.png".decode(errors="surrogateescape"))
    assert run(images, tmp_path / "out", demo_weights, "--modes", "fill") == 0


def test_frames_without_a_counterpart_are_counted(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "given").mkdir()
    shutil.copy(min(images.iterdir()), tmp_path / "given")
    asked = Namespace(topics=[], every_nth=1, limit=0, prefix="")
    with caplog.at_level(logging.WARNING, logger="anon_ros"):
        assert len(list(iter_frame_pairs(images, tmp_path / "given", asked))) == 1
    assert "1 of 2 frames are not in" in caplog.text


def test_labels_of_a_recording_are_named_by_topic_and_number_or_time(tmp_path: Path) -> None:
    messages = [each for each in recorded(3) if each.topic == RAW]
    source = by_rosbags(tmp_path / "in", messages=messages)
    frames = list(iter_all_frames(source, []))
    folder = tmp_path / "labels" / RAW.strip("/")
    folder.mkdir(parents=True)
    for name in ("000001", str(messages[2].time_ns)):
        shutil.copy(LABELS, folder / f"{name}.txt")
    masks = load_mask_labels(tmp_path / "labels")
    assert [masks(frame) is not None for frame in frames] == [False, True, True]
    boxes = read_box_labels(tmp_path / "labels", ["person"], None)
    assert [boxes.find(*frame.names) is not None for frame in frames] == [False, True, True]
    shutil.copy(LABELS, folder / "000002.txt")  # beside the one named by its time
    with pytest.raises(LabelError, match="several labels for one frame"):
        load_mask_labels(tmp_path / "labels")(frames[2])
    with pytest.raises(LabelError, match="several labels for one frame"):
        read_box_labels(tmp_path / "labels", ["person"], None).find(*frames[2].names)


class Failing:
    """Draws every second person; what a GPU does that has no memory left."""

    def __init__(self, fails: Sequence[bool]) -> None:
        self.fails = fails

    def inpaint(self, crops: Sequence[Crop]) -> list[RgbImage | InpaintFailure]:
        refusal = InpaintFailure("out of memory after 3 MB")
        return [
            refusal if self.fails[index % len(self.fails)] else 255 - crop.image
            for index, crop in enumerate(crops)
        ]


def failing_modes(
    kind: str, fails: Sequence[bool], weights: Path, drawn: Path | None
) -> MethodRunner:
    detect = DetectionConfig(weights=str(weights), classes=("person", "fallen person"))
    segmenter = build_segmenter(Config(detect=detect))
    inpaint = InpaintConfig(method=kind, min_person_px=48)
    anonymizer = Anonymizer(segmenter, Failing(fails), MaskConfig(), inpaint)
    return MethodRunner(segmenter, {kind: anonymizer}, 0, drawn)


@pytest.mark.parametrize("fails", [[True], [True, False], [False]])
def test_who_could_not_be_drawn_is_told_and_drawn_again_the_next_time(
    fails: list[bool], vtest_rgb: dict[str, RgbImage], demo_weights: Path, tmp_path: Path
) -> None:
    modes = failing_modes("sdxl", fails, demo_weights, tmp_path / "drawn")
    image = vtest_rgb["vtest0120"]
    modes.anonymize(image, modes.detect(image))
    if all(fails):
        with pytest.raises(ModelError, match="nobody could be drawn: out of memory"):
            modes.limitations()
    else:
        told = "\n".join(modes.limitations())
        assert "are below inpaint.min_person_px = 48" in told
        assert ("stayed covered: out of memory after N MB" in told) == any(fails)
    assert (tmp_path / "drawn").is_dir() == (not any(fails))


def test_a_cover_is_no_failure_of_the_cover(
    vtest_rgb: dict[str, RgbImage], demo_weights: Path
) -> None:
    modes = failing_modes("fill", [True], demo_weights, None)
    modes.anonymize(vtest_rgb["vtest0120"], modes.detect(vtest_rgb["vtest0120"]))
    assert modes.limitations() == []


def test_the_page_says_what_was_not_anonymized_written_or_verified(
    demo_weights: Path, tmp_path: Path, vtest_rgb: dict[str, RgbImage]
) -> None:
    image = vtest_rgb["vtest0120"][100:300, 100:400]
    messages = [
        Recorded(topic, "sensor_msgs/msg/Image", START_NS + index * 100_000_000, raw(image, index))
        for index in range(4)
        for topic in (RAW, OTHER)
    ]
    source = by_rosbags(tmp_path / "in", messages=messages)
    given = ["--detect.weights", str(demo_weights), "--detect.classes", "person", "fallen person"]
    given += ["--copy", OTHER, "--no-masks", "--every-nth", "2", "--inpaint.method", "telea"]
    assert main(["bag", str(source), str(tmp_path / "out"), *given]) == 0
    arguments = Namespace(
        input=source, anonymized=tmp_path / "out", out=tmp_path, every_nth=1, config=[]
    )
    inherit_parameters(arguments)
    config = parse_config(arguments)
    assert (config.detect.weights, config.inpaint.method) == (str(demo_weights), "telea")
    report = summarize_recording(arguments)
    assert report.summary[0].startswith(f"NOT anonymized, copied as recorded: {OTHER} (sensor_msgs")
    assert "times by telea (inpaint.method), no synthetic person" in report.summary[1]
    assert report.summary[2] == "2 images were skipped and 0 lost: they are not written."
    assert any("Not verified: pixels outside" in line for line in report.limitations)


def test_flags_win_over_what_a_recording_was_made_with(tmp_path: Path) -> None:
    arguments = Namespace(anonymized=tmp_path, config=[], **{"inpaint.seed": 7})
    (tmp_path / "metadata.yaml").touch()  # damaged: nobody knows
    inherit_parameters(arguments)
    assert parse_config(arguments).inpaint.seed == 7
