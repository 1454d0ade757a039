"""Damage that libjpeg reports on stderr alone."""

import os
from threading import Thread

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


def test_lines_of_others_stay(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    damaged = add_extra_bytes(data, 50)
    stop: list[bool] = []

    def write() -> None:
        while not stop:
            os.write(2, b"another thread\n")

    thread = Thread(target=write)
    thread.start()
    damages = [decode_picture(damaged, cv2.IMREAD_COLOR)[1] for _ in range(50)]
    stop.append(True)
    thread.join()
    assert all("extraneous bytes" in damage for damage in damages)
    written = capfd.readouterr().err
    assert set(written.splitlines()) == {"another thread"}


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
