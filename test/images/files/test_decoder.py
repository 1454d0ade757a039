"""Damage that libjpeg reports on stderr alone."""

import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from time import sleep

import cv2
import numpy as np
import pytest

from anon_ros.core import RgbImage
from anon_ros.errors import ImageFormatError
from anon_ros.images import CompressedImageData, decode_compressed
from anon_ros.images.files.decoder import decode_picture
from helpers.hidden_pictures import make_chunk


@pytest.fixture(scope="module")
def data(bus_rgb: RgbImage) -> bytes:
    return cv2.imencode(".jpg", bus_rgb[::4, ::4, ::-1])[1].tobytes()


def change_byte(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]


def add_extra_bytes(data: bytes, count: int) -> bytes:
    return data[:-2] + b"\0" * count + data[-2:]


def is_refused(data: bytes) -> bool:
    try:
        decode_compressed(CompressedImageData("jpeg", data))
    except ImageFormatError:
        return True
    return False


def test_wrong_byte_refused(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """Most wrong bytes shift all that follows; the rest look the same to every decoder."""
    places = range(len(data) // 4, len(data) - 20, len(data) // 60)
    refused = [at for at in places if is_refused(change_byte(data, at))]
    assert len(refused) > len(places) / 3
    assert capfd.readouterr().err == ""
    with pytest.raises(ImageFormatError, match="is damaged: Corrupt JPEG data"):
        decode_compressed(CompressedImageData("jpeg", change_byte(data, refused[0])))


def test_padding_of_webcams_accepted(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    assert not is_refused(data)
    assert not is_refused(add_extra_bytes(data, 8))
    assert is_refused(add_extra_bytes(data, 20))  # of which libjpeg has read some
    assert capfd.readouterr().err == ""


@pytest.fixture(scope="module", params=["color, parts of rows", "gray, two rows"])
def striped(request: pytest.FixtureRequest, bus_rgb: RgbImage) -> bytes:
    """A JPEG of restart intervals, of which the last is shorter."""
    image, units = (bus_rgb[::4, ::4, ::-1], 25) if "color" in request.param else (
        bus_rgb[:1060:4, ::4, 1], 2 * 26
    )  # fmt: skip
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_RST_INTERVAL, units])[1].tobytes()


def find_restarts(data: bytes) -> list[int]:
    return [match.start() for match in re.finditer(rb"\xff[\xd0-\xd7]", data)]


def insert(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


def list_refused_changes(data: bytes, start: int) -> list[int]:
    places = range(start, len(data) - 300, (len(data) - start) // 50)
    return [at for at in places if is_refused(change_byte(data, at))]


def test_padding_hides_no_later_damage(striped: bytes) -> None:
    """The decoder prints the first warning of a picture alone."""
    first, _, third, *_ = find_restarts(striped)
    changes = list_refused_changes(striped, third)
    assert len(changes) > 10
    for at in changes:
        damaged = change_byte(striped, at)
        assert is_refused(insert(damaged, first, bytes(6)))
    for at in changes[:3]:
        assert is_refused(insert(change_byte(striped, at), len(striped) - 2, bytes(8)))


@pytest.mark.parametrize("stride", [1, 3])
def test_padding_of_intervals_accepted(
    striped: bytes, capfd: pytest.CaptureFixture[str], stride: int
) -> None:
    """As a Logitech C270 writes, 1 to 4 bytes; the decoder adds up those of several intervals."""
    padded = striped
    for index, at in reversed([*enumerate(find_restarts(striped))][::stride]):
        padded = insert(padded, at, b"\x12\x34\x56\x78"[: 1 + index % 4])
    image = decode_picture(striped, cv2.IMREAD_COLOR)[0]
    samples, damage = decode_picture(add_extra_bytes(padded, 8), cv2.IMREAD_COLOR)
    assert not damage
    assert samples is not None
    assert image is not None
    assert np.array_equal(samples, image)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("count", [9, 12])
def test_long_padding_of_later_interval_refused(striped: bytes, count: int) -> None:
    first, second, *_ = find_restarts(striped)
    assert is_refused(insert(striped, first, bytes(count)))
    assert is_refused(insert(insert(striped, second, bytes(count)), first, bytes(3)))


def test_padding_hides_no_missing_interval(striped: bytes) -> None:
    first, second, third, *_ = find_restarts(striped)
    padded = insert(striped, first, bytes(3))
    assert is_refused(padded[: third + 3] + bytes(4) + b"\xff\xd9")
    assert is_refused(padded[: second + 3] + padded[third + 3 :])
    assert is_refused(striped[:third] + bytes(4) + b"\xff\xd9")


@pytest.mark.parametrize("head", ["JFIF", "Adobe"])
def test_odd_head_hides_no_damage(data: bytes, head: str) -> None:
    """Versions of JFIF and transforms of Adobe that libjpeg does not know are harmless."""
    if head == "JFIF":
        at = data.index(b"JFIF\0") + 5
        odd = data[:at] + b"\2" + data[at + 1 :]
    else:
        adobe = b"Adobe\0\x64\0\0\0\0\7"
        odd = data[:2] + b"\xff\xee\0\x0e" + adobe + data[20:]
    assert decode_picture(odd, cv2.IMREAD_COLOR)[1]
    image = decode_compressed(CompressedImageData("jpeg", data))
    assert np.array_equal(decode_compressed(CompressedImageData("jpeg", odd)), image)
    more = len(odd) - len(data)
    for at in list_refused_changes(data, 1000):
        assert is_refused(change_byte(odd, at + more))


def test_libpng_warns_of_all(bus_rgb: RgbImage) -> None:
    """It gives no picture of damaged pixels, whatever it has warned of before."""
    data = cv2.imencode(".png", bus_rgb[::8, ::8])[1].tobytes()
    head, stream = data[:33], zlib.compress(bytes(range(256)) * 8)
    harmless = make_chunk(b"sBIT", b"\x09\x09\x09") + make_chunk(b"iCCP", b"x\0\0bad")
    samples, damage = decode_picture(head + harmless + data[33:], cv2.IMREAD_UNCHANGED)
    assert samples is not None
    assert not damage
    for pixels in (stream, stream[:-4] + bytes(4), stream[:20]):
        damaged = head + harmless + make_chunk(b"IDAT", pixels) + make_chunk(b"IEND", b"")
        assert decode_picture(damaged, cv2.IMREAD_UNCHANGED)[0] is None


@contextmanager
def write_beside(text: bytes) -> Iterator[list[bytes]]:
    """Let three threads write to stderr; yield what they have written."""
    written: list[bytes] = []
    stop = Event()

    def write() -> None:
        while not stop.is_set():
            os.write(2, text)
            written.append(text)
            sleep(0.0005)  # or the test writes gigabytes

    threads = [Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize(
    "text",
    [
        b"another thread" * 2000 + b"\n",  # of several pages: a file grows page by page
        b"\r50% done",  # the warning stands behind it
    ],
)
def test_lines_of_others_stay(
    data: bytes, capfdbinary: pytest.CaptureFixture[bytes], text: bytes
) -> None:
    damaged = add_extra_bytes(data, 50)
    with write_beside(text) as written:
        damages = [decode_picture(damaged, cv2.IMREAD_COLOR)[1] for _ in range(50)]
    decode_picture(data, cv2.IMREAD_COLOR)  # what came too late for the last picture comes out
    assert all("extraneous bytes" in damage for damage in damages)
    assert capfdbinary.readouterr().err == b"".join(written)


def test_log_about_another_picture_is_no_damage(data: bytes) -> None:
    line = b"frame lost: picture is damaged: Corrupt JPEG data: premature end of data segment\n"
    with write_beside(line):
        assert not any(decode_picture(data, cv2.IMREAD_COLOR)[1] for _ in range(50))


_FORK = """
import os, sys
import cv2
from anon_ros.images.files.decoder import decode_picture

pictures = [open(path, "rb").read() for path in sys.argv[1:]]
decode_picture(pictures[1], cv2.IMREAD_COLOR)
child = os.fork()
for _ in range(200):
    damage = decode_picture(pictures[child != 0], cv2.IMREAD_COLOR)[1]
    assert bool(damage) == bool(child), damage
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def test_forked_process_reads_its_own_lines(data: bytes, tmp_path: Path) -> None:
    paths = [tmp_path / "whole.jpg", tmp_path / "damaged.jpg"]
    paths[0].write_bytes(data)
    paths[1].write_bytes(add_extra_bytes(data, 50))
    command = [sys.executable, "-c", _FORK, *map(str, paths)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr


def test_closed_stderr_hides_no_damage(data: bytes) -> None:
    before = os.dup(2)
    os.close(2)
    try:
        samples, damage = decode_picture(data, cv2.IMREAD_COLOR)
        is_damaged_refused = is_refused(add_extra_bytes(data, 50))
    finally:
        os.dup2(before, 2)
        os.close(before)
    assert is_damaged_refused
    assert isinstance(samples, np.ndarray)
    assert not damage


def test_error_of_decoder_restores_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise cv2.error

    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises((ImageFormatError, AttributeError)):
        decode_picture(b"data", cv2.IMREAD_COLOR)
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"
