"""Damage that libjpeg reports on stderr alone."""

import os
import subprocess
import sys
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


def test_closed_stderr_is_no_failure(data: bytes) -> None:
    before = os.dup(2)
    os.close(2)
    try:
        samples, damage = decode_picture(data, cv2.IMREAD_COLOR)
    finally:
        os.dup2(before, 2)
        os.close(before)
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
