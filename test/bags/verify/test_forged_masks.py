"""An output that shows the input, with a masks.db and a report.json that say otherwise."""

import json
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anon_ros.bags import redetection_config
from anon_ros.bags.run_files.report import RunReport
from helpers.bag_editing import (
    RunCommand,
    change_message,
    decode_shown_image,
    get_time_ns,
    read_findings,
    replace_image,
    restore_image,
    rewrite_bag,
)
from helpers.bag_reading import ReadMessage, read_messages
from helpers.bags import BAYER_TOPIC, IMAGE_TOPICS, JPEG_TOPIC, RAW_TOPIC

FULL_MASK = cv2.imencode(".png", np.full((48, 64), 255, np.uint8))[1].tobytes()
# Somewhere, so that the mask has a person.
CORNER_BOX = "[[0, 0, 6, 6]]"


def forge_output(clean: Path, output: Path, boxes: str) -> Path:
    """Copy ``clean``; its masks.db says that each pixel was replaced."""
    shutil.copytree(clean, output)
    with sqlite3.connect(output / "masks.db") as database:
        database.execute(
            "UPDATE frames SET mask = ?, boxes = ?, persons = ?, covered = '[]', tracks = '[null]'",
            (FULL_MASK, boxes, len(json.loads(boxes))),
        )
    return output


@pytest.mark.parametrize("boxes", ["[]", CORNER_BOX])
@pytest.mark.parametrize("topic", IMAGE_TOPICS)
def test_input_under_full_mask_found(
    tmp_path: Path,
    make_anonymized_bag: Callable[[str], tuple[Path, Path]],
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    topic: str,
    boxes: str,
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = forge_output(clean, tmp_path / "out", boxes)
    rewrite_bag(output, restore_image(topic)(source))
    assert run_verify(source, output, "--no-redetection") == 2
    place = f"{topic} at {get_time_ns(topic)} ns: "
    errors = [line for line in read_findings(capsys, "error") if line.startswith(place)]
    assert any("the image is that of the input" in line for line in errors)
    assert any("there is no person" in line for line in errors) == (boxes == "[]")


def test_equal_pixels_break_mask(
    tmp_path: Path,
    make_anonymized_bag: Callable[[str], tuple[Path, Path]],
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The persons are replaced, but the mask claims more."""
    source, clean = make_anonymized_bag("mcap")
    output = forge_output(clean, tmp_path / "out", CORNER_BOX)
    assert run_verify(source, output, "--no-redetection") == 2
    errors = read_findings(capsys, "error")
    for topic in (RAW_TOPIC, BAYER_TOPIC):
        place = f"{topic} at {get_time_ns(topic)} ns: "
        assert any(e.startswith(place) and "px of the mask are those" in e for e in errors)


@pytest.mark.parametrize("topic", [RAW_TOPIC, JPEG_TOPIC])
def test_redetection_judges_inside_masks(
    tmp_path: Path,
    make_anonymized_bag: Callable[[str], tuple[Path, Path]],
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    topic: str,
) -> None:
    """Each pixel differs by a level, and in the box by more: only the other persons are left."""
    source, clean = make_anonymized_bag("mcap")
    output = forge_output(clean, tmp_path / "out", CORNER_BOX)
    time_ns = get_time_ns(topic)
    (was,) = [e for e in read_messages(source) if (e.topic, e.time_ns) == (topic, time_ns)]

    def show_input(each: ReadMessage) -> Any:
        image = decode_shown_image(was) ^ 1
        image[:8, :8] = 255 - image[:8, :8]
        return replace_image(each, image)

    rewrite_bag(output, change_message(topic, 2, show_input))
    place = f"{topic} at {time_ns} ns: "
    for flags, is_noticed in ((["--no-redetection"], False), ([], True)):
        assert run_verify(source, output, *flags) == 2  # the other images
        errors = [line for line in read_findings(capsys, "error") if line.startswith(place)]
        assert any("looks as in the input" in line for line in errors) == is_noticed, errors


def test_mask_bomb_never_decoded(
    tmp_path: Path,
    make_anonymized_bag: Callable[[str], tuple[Path, Path]],
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A few bytes that declare 20000 x 20000 px."""
    source, clean = make_anonymized_bag("mcap")
    output = forge_output(clean, tmp_path / "out", CORNER_BOX)
    content = struct.pack(">II", 20000, 20000) + FULL_MASK[24:29]
    bomb = FULL_MASK[:16] + content + struct.pack(">I", zlib.crc32(b"IHDR" + content))
    with sqlite3.connect(output / "masks.db") as database:
        database.execute("UPDATE frames SET mask = ?", (bomb + FULL_MASK[33:],))
    assert run_verify(source, output, "--no-redetection") == 2
    errors = read_findings(capsys, "error")
    assert any("masks.db: picture of 20000 x 20000 px is over the limit" in e for e in errors)


def test_redetection_never_weaker_than_default(
    make_anonymized_bag: Callable[[str], tuple[Path, Path]],
) -> None:
    _, output = make_anonymized_bag("mcap")
    content = json.loads((output / "report.json").read_text("utf-8"))
    content["parameters"] |= {
        "detect.confidence": 1.0,
        "detect.inference_px": 32,
        "detect.nms_iou": 0.5,
        "detect.classes": ["toothbrush"],
        "detect.backend": "rfdetr",
    }
    detect = redetection_config(RunReport.from_json(content), {}).detect
    assert detect.backend == "auto", "other weights may be named"
    assert (detect.confidence, detect.inference_px, detect.nms_iou) == (0.25, 960, 0.7)
    assert detect.classes == ("person", "toothbrush")
    content["parameters"]["detect.inference_px"] = 1280
    assert redetection_config(RunReport.from_json(content), {}).detect.inference_px == 1920
