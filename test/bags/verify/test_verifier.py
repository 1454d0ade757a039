"""``anon_ros verify``: silent on a clean output, and names every planted defect."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from helpers.bag_editing import (
    Edit,
    RunCommand,
    change_message,
    copy_output,
    decode_shown_image,
    edit_fields,
    get_time_ns,
    read_findings,
    replace_image,
    restore_image,
    rewrite_bag,
)
from helpers.bag_reading import ReadMessage, read_messages
from helpers.bags import (
    BAYER_TOPIC,
    CAMERA_INFO_TOPIC,
    CUSTOM_TOPIC,
    IMAGE_TOPICS,
    IMU_TOPIC,
    JPEG_TOPIC,
    RAW_TOPIC,
    START_NS,
    BagMessage,
    generate_messages,
    make_jpeg_image,
    make_raw_image,
    write_mcap,
    write_rosbag1,
    write_rosbag2,
    write_split_rosbag2,
)
from helpers.fake_models import make_street_image

STORAGES = ("mcap", "sqlite3")


# Nothing wrong.

FLAGS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "prefix": ("--prefix", "/anon"),
    "every 2nd": ("--every-nth", "2"),
    "others covered": ("--every-nth", "2", "--skip.on_skipped", "cover"),
    "rate": ("--skip.max_rate_hz", "4"),
    "part": ("--start", "0.1", "--duration", "0.25"),
    "some topics": ("--topics", RAW_TOPIC, IMU_TOPIC, CUSTOM_TOPIC),
    "dropped": ("--drop", JPEG_TOPIC),
    "no masks": ("--no-masks",),
    "no masks, every 2nd": ("--no-masks", "--every-nth", "2"),
    "file": ("--compression", "file"),
    "message": ("--compression", "message"),
    "other storage": ("--storage", "sqlite3"),
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
def test_verify_accepts_clean_output(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, *flags) == 0
    assert run_verify(source, output) == 0, capsys.readouterr().out
    assert "0 errors, 0 warnings" in capsys.readouterr().out
    assert ("<figure>" in (output / "review.html").read_text()) == ("--no-masks" not in flags)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("compression", ["none", "file", "message"])
def test_verify_accepts_folder_formats(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, storage: str, compression: str
) -> None:
    source = write_split_rosbag2(tmp_path / "in", storage, 3, compression)
    assert run_bag(source, tmp_path / "out") == 0
    assert run_verify(source, tmp_path / "out", "--detect.confidence", 0.5) == 0
    assert not list(tmp_path.glob(".anon_ros-*"))


@pytest.mark.parametrize("name", ["in.mcap", "in.bag", "in.db3"])
def test_verify_handles_single_files(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    source, output = tmp_path / name, tmp_path / name.replace("in", "out")
    if name == "in.db3":
        (write_rosbag2(tmp_path / "folder", "sqlite3") / "folder.db3").rename(source)
    else:
        (write_mcap if name == "in.mcap" else write_rosbag1)(source)
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == 0
    told = capsys.readouterr().out
    assert "49 messages compared: 31 copies, 18 images with 54 persons; " in told
    assert (tmp_path / f"{output.name}.review.html").is_file()
    rewrite_bag(
        output,
        change_message(IMU_TOPIC, 4, lambda each: each._replace(data=each.data[:-1] + b"\7")),
    )
    rewrite_bag(
        output,
        change_message(RAW_TOPIC, 1, lambda _: read_messages(source)[0]._replace(topic=RAW_TOPIC)),
    )
    assert run_verify(source, output) == 2
    assert any(line.startswith(f"{IMU_TOPIC} at ") for line in read_findings(capsys, "error"))


def test_verify_accepts_salvaged_input(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    source, output = write_mcap(tmp_path / "in.mcap"), tmp_path / "out.mcap"
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    assert run_bag(source, output, "--salvage") == 0
    assert run_verify(source, output) == 0


@pytest.mark.parametrize("flag", [(), ("--no-masks",)])
@pytest.mark.parametrize("topic", [RAW_TOPIC, JPEG_TOPIC])
def test_verify_accepts_reported_loss(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, topic: str, flag: tuple[str, ...]
) -> None:
    source, output = write_rosbag2(tmp_path / "in", "sqlite3"), tmp_path / "out"
    rewrite_bag(source, change_message(topic, 2, lambda each: each._replace(data=each.data[:90])))
    assert run_bag(source, output, "--salvage", *flag) == 0
    assert run_verify(source, output) == 0


def restore_person(topic: str) -> Callable[[Path], Edit]:
    """The person in the middle, as in the input."""

    def planted(source: Path) -> Edit:
        (was,) = [
            e for e in read_messages(source) if (e.topic, e.time_ns) == (topic, get_time_ns(topic))
        ]
        window = slice(6, 42), slice(25, 43)

        def change(each: ReadMessage) -> ReadMessage:
            if topic == BAYER_TOPIC:
                return edit_fields(each, lambda message: paste(message, was))
            image = decode_shown_image(each)
            image[window] = decode_shown_image(was)[window]
            return replace_image(each, image)

        def paste(message: Any, was: ReadMessage) -> None:
            data = np.array(message.data).reshape(48, 64)
            before = np.frombuffer(was.data[-48 * 64 :], np.uint8).reshape(48, 64)
            data[window] = before[window]
            message.data = data.reshape(-1)

        return change_message(topic, 2, change)

    return planted


def change_pixel(topic: str) -> Callable[[Path], Edit]:
    """Change a pixel far from all persons: by a level in a raw image, by more in a JPEG."""

    def change(each: ReadMessage) -> ReadMessage:
        if topic == JPEG_TOPIC:
            image = decode_shown_image(each)
            image[0:8, 52:60] += 9
            return replace_image(each, image)
        first = {RAW_TOPIC: -48 * (64 * 3 + 5), BAYER_TOPIC: -48 * 64}[topic]
        return each._replace(
            data=each.data[:first] + bytes([each.data[first] ^ 1]) + each.data[first + 1 :]
        )

    return lambda _: change_message(topic, 2, change)


def change_field(topic: str, change: Callable[[Any], None]) -> Callable[[Path], Edit]:
    return lambda _: change_message(topic, 2, lambda each: edit_fields(each, change))


def fill_padding(message: Any) -> None:
    rows = np.array(message.data).reshape(message.height, message.step)
    rows[:, message.width * 3 :] = 9
    message.data = rows.reshape(-1)


def change_stamp(message: Any) -> None:
    message.header.stamp.nanosec += 1


def change_frame_id(message: Any) -> None:
    message.header.frame_id = "other"


def insert_message(messages: list[ReadMessage]) -> list[ReadMessage]:
    index = [e.topic for e in messages].index(CUSTOM_TOPIC)
    return [*messages[:5], messages[index]._replace(time_ns=START_NS + 5), *messages[5:]]


def flip_bit(each: ReadMessage) -> ReadMessage:
    return each._replace(data=each.data[:30] + bytes([each.data[30] ^ 4]) + each.data[31:])


DEFECTS: dict[str, tuple[Callable[[Path], Edit], str, int, str]] = {
    **{
        f"original {topic}": (
            restore_image(topic),
            topic,
            get_time_ns(topic),
            "is that of the input, with 3",
        )
        for topic in IMAGE_TOPICS
    },
    **{
        f"person of {topic}": (restore_person(topic), topic, get_time_ns(topic), "the person at 2")
        for topic in IMAGE_TOPICS
    },
    "padding": (
        change_field(RAW_TOPIC, fill_padding),
        RAW_TOPIC,
        get_time_ns(RAW_TOPIC),
        "the padding holds bytes",
    ),
    **{
        f"pixel of {topic}": (change_pixel(topic), topic, get_time_ns(topic), "outside the mask")
        for topic in IMAGE_TOPICS
    },
    **{
        f"log time of {topic}": (
            lambda _, topic=topic: change_message(  # type: ignore[misc]  # mypy knows no default here
                topic, 2, lambda each: each._replace(time_ns=each.time_ns + 1)
            ),
            topic,
            get_time_ns(topic) + 1,
            f"the input has {get_time_ns(topic)} ns as log time",
        )
        for topic in (RAW_TOPIC, CAMERA_INFO_TOPIC)
    },
    "stamp": (
        change_field(JPEG_TOPIC, change_stamp),
        JPEG_TOPIC,
        get_time_ns(JPEG_TOPIC),
        "header.stamp.nanosec 14 became 15",
    ),
    "frame_id": (
        change_field(BAYER_TOPIC, change_frame_id),
        BAYER_TOPIC,
        get_time_ns(BAYER_TOPIC),
        "'rear' became 'other'",
    ),
    "byte": (
        lambda _: change_message(CAMERA_INFO_TOPIC, 2, flip_bit),
        CAMERA_INFO_TOPIC,
        get_time_ns(CAMERA_INFO_TOPIC),
        "bytes differ",
    ),
    "missing": (
        lambda _: change_message(CAMERA_INFO_TOPIC, 2, lambda _: None),
        CAMERA_INFO_TOPIC,
        get_time_ns(CAMERA_INFO_TOPIC),
        "is missing",
    ),
    "missing image": (
        lambda _: change_message(RAW_TOPIC, 2, lambda _: None),
        RAW_TOPIC,
        get_time_ns(RAW_TOPIC),
        "is missing",
    ),
    "last": (
        lambda _: change_message(CUSTOM_TOPIC, -1, lambda _: None),
        CUSTOM_TOPIC,
        get_time_ns(CUSTOM_TOPIC, 5) + 20,
        "is missing",
    ),
    "more": (lambda _: insert_message, CUSTOM_TOPIC, START_NS + 5, "the input has no such message"),
    "not decoded": (
        change_field(JPEG_TOPIC, lambda message: setattr(message, "data", message.data[:99])),
        JPEG_TOPIC,
        get_time_ns(JPEG_TOPIC),
        "cannot be decoded",
    ),
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("defect", DEFECTS)
def test_verify_names_planted_defect(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    storage: str,
    defect: str,
) -> None:
    make, topic, time_ns, words = DEFECTS[defect]
    source, clean = make_anonymized_bag(storage)
    output = copy_output(clean, tmp_path)
    rewrite_bag(output, make(source))
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "error")
    # The place alone, but for totals: nothing behind it is taken for wrong.
    assert [t for t in told if " at " in t and words in t], told
    assert {t.partition(": ")[0] for t in told if " at " in t} == {f"{topic} at {time_ns} ns"}


def test_page_never_shows_input_image(
    tmp_path: Path, make_anonymized_bag: Any, run_verify: RunCommand
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = copy_output(clean, tmp_path)
    rewrite_bag(output, restore_image(RAW_TOPIC)(source))
    assert run_verify(source, output) == 2
    page = (output / "review.html").read_text()
    assert page.count("<figure>") == 17
    assert f"{get_time_ns(RAW_TOPIC)} ns: the image is that of the input" in page


def test_verify_names_truncated_output(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = copy_output(clean, tmp_path)
    (file,) = output.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run_verify(source, output) == 2
    assert any("is damaged: " in line for line in read_findings(capsys, "error"))
    source, clean = make_anonymized_bag("sqlite3")
    output = Path(shutil.copytree(clean, tmp_path / "other"))
    (file,) = output.glob("*.db3")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run_verify(source, output) == 2
    (output / "metadata.yaml").unlink()
    file.write_bytes((clean / file.name).read_bytes())
    assert run_verify(source, output) == 2
    assert any("metadata.yaml is missing" in line for line in read_findings(capsys, "error"))


def test_verify_names_mismatched_masks(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, clean = make_anonymized_bag("mcap")
    output = copy_output(clean, tmp_path)
    large = cv2.imencode(".png", np.full((99, 64), 255, np.uint8))[1].tobytes()
    with sqlite3.connect(output / "masks.db") as database:
        update = "UPDATE frames SET mask = ? WHERE topic = ? AND log_time_ns = ?"
        database.execute(update, (large, RAW_TOPIC, get_time_ns(RAW_TOPIC)))
        database.execute(update, (None, JPEG_TOPIC, get_time_ns(JPEG_TOPIC)))
        database.execute("DELETE FROM frames WHERE number = 17")
    assert run_verify(source, output) == 2
    told = read_findings(capsys, "error")
    place = f"{RAW_TOPIC} at {get_time_ns(RAW_TOPIC)} ns"
    assert f"{place}: masks.db: the mask is 64 x 99 px, not 64 x 48 px" in told
    start = f"{JPEG_TOPIC} at {get_time_ns(JPEG_TOPIC)} ns: the person at"
    assert any(t.startswith(start) and "no pixel in the mask" in t for t in told)
    assert any(
        t.startswith(f"{BAYER_TOPIC} at {get_time_ns(BAYER_TOPIC, 5)} ns: masks.db ends")
        for t in told
    )


def test_verify_finds_input_images(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = write_rosbag2(tmp_path / "in"), tmp_path / "out"
    assert run_bag(source, output, "--no-masks") == 0
    rewrite_bag(output, restore_image(RAW_TOPIC)(source))
    assert run_verify(source, output, "--no-redetection") == 2
    padding, total = read_findings(capsys, "error")
    assert padding.endswith("the padding holds bytes, which may be another picture")
    assert total.endswith("1 images are those of the input, but in only 0 nobody was detected")


def test_verify_images_without_persons(
    tmp_path: Path, run_bag: RunCommand, run_verify: RunCommand
) -> None:
    empty = np.full((48, 64, 3), 90, np.uint8)
    messages = [
        each._replace(message=make_jpeg_image(empty, index)) if each.topic == JPEG_TOPIC else each
        for index, each in enumerate(generate_messages())
    ]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output) == 0
    assert run_verify(source, output) == 0
    rewrite_bag(
        output,
        change_message(JPEG_TOPIC, 1, lambda each: replace_image(each, make_street_image(64, 48))),
    )
    assert run_verify(source, output) == 2


# What cannot be compared.


def test_verify_rejects_unusable_inputs(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
    make_anonymized_bag: Any,
) -> None:
    source = write_rosbag1(tmp_path / "in.bag")
    assert run_bag(source, tmp_path / "out") == 0
    assert run_verify(source, tmp_path / "out") == 2
    assert "anonymize to a .bag and verify that" in capsys.readouterr().err
    one, other = make_anonymized_bag("mcap")
    assert run_verify(one, one) == 2
    assert "report.json is missing" in capsys.readouterr().err
    assert run_verify(one, tmp_path / "none") == 2
    assert "does not exist" in capsys.readouterr().err
    assert run_verify(one, other, "--html", tmp_path / "none" / "page.html") == 2
    assert "--html: the folder" in capsys.readouterr().err
    output = copy_output(other, tmp_path / "copies")
    (output / "masks.db").write_bytes(b"SQLite format 3\0 no more")
    assert run_verify(one, output) == 2
    (output / "report.json").write_text("{}")
    assert run_verify(one, output) == 2
    assert "report.json cannot be understood" in capsys.readouterr().err


def test_verify_rejects_other_bag(
    tmp_path: Path,
    make_anonymized_bag: Any,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    messages = [e._replace(time_ns=e.time_ns + 5) for e in generate_messages(frames=3)]
    messages.append(messages[0]._replace(topic="/strange"))
    other = write_rosbag2(tmp_path / "in", messages=messages)
    assert run_verify(other, make_anonymized_bag("mcap")[1]) == 2
    told = read_findings(capsys, "error")
    assert any(t.startswith("/strange: of type std_msgs/msg/String is in the input") for t in told)
    assert any("masks.db has" in t for t in told)
    assert told[-1] == "... and 33 more" or told[-1].startswith("... and ")


def test_much_reduced_images_warned(
    tmp_path: Path,
    run_bag: RunCommand,
    run_verify: RunCommand,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Below the network's eye, a person is missed without a word."""
    image = make_raw_image(np.zeros((4, 200, 3), np.uint8), 0)
    messages = [
        BagMessage(RAW_TOPIC, "sensor_msgs/msg/Image", START_NS + index, image)
        for index in range(3)
    ]
    source, output = write_rosbag2(tmp_path / "in", messages=messages), tmp_path / "out"
    assert run_bag(source, output, "--detect.inference_px", 32) == 0
    warning = f"{RAW_TOPIC}: images of 200 x 4 px are searched at detect.inference_px = 32"
    assert capsys.readouterr().err.count(warning) == 1
    assert json.loads((output / "report.json").read_text())["warnings"][0].startswith(warning)
    assert run_verify(source, output) == 1
    (told,) = read_findings(capsys, "warning")
    assert told.startswith(warning)
