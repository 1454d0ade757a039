"""The mark of pictures in which a model drew persons: lossless, read by anybody, never copied."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anon_ros.images import CompressedImageData, decode_compressed, encode_compressed, has_mark
from anon_ros.images.files.synthetic_mark import DIGITAL_SOURCE_TYPE, XMP_MARK, describe_mark
from helpers.exiftool import read_by_exiftool, requires_exiftool
from helpers.hidden_pictures import (
    MARKER_JPEG,
    SKY,
    holds_marker,
    insert_chunks,
    insert_segments,
    make_chunk,
    make_exif,
    make_jpeg,
    make_png,
    make_profile,
    make_segment,
)

NOBODY = np.zeros(SKY.shape[:2], np.bool_)
XMP_HEAD, TEXT_HEAD = b"http://ns.adobe.com/xap/1.0/\0", b"XML:com.adobe.xmp\0\0\0\0\0"


def make_progressive_jpeg() -> bytes:
    file = io.BytesIO()
    Image.fromarray(SKY).save(file, "jpeg", progressive=True, icc_profile=make_profile())
    return file.getvalue()


def make_palette_png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(SKY).quantize(9).save(file, "png")
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "baseline.jpg": make_jpeg,
    "progressive.jpg": make_progressive_jpeg,
    "turned.jpg": lambda: insert_segments(make_segment(0xE1, b"Exif\0\0" + make_exif(6))),
    "raw.jpg": lambda: insert_segments(head=False),
    "plain.png": make_png,
    "turned.png": lambda: insert_chunks(make_chunk(b"eXIf", make_exif(6))),
    "palette.png": make_palette_png,
}


def wrap_xmp(suffix: str, packet: bytes) -> bytes:
    """Return a file with this packet of XMP."""
    if suffix == "jpg":
        return insert_segments(make_segment(0xE1, XMP_HEAD + packet))
    return insert_chunks(make_chunk(b"iTXt", TEXT_HEAD + packet))


def encode(data: bytes, *, adds_mark: bool = False) -> bytes:
    """Return what becomes of a file without persons."""
    compressed = CompressedImageData("", data)
    mask = np.zeros(decode_compressed(compressed).shape[:2], np.bool_)
    image = np.zeros((*mask.shape, 3), np.uint8)
    return encode_compressed(compressed, image, mask, 95, adds_mark=adds_mark)


@pytest.mark.parametrize("name", FILES)
def test_mark_is_inserted_losslessly(name: str) -> None:
    """Every byte of the unmarked file stays, in its order: the pixels are not coded again."""
    plain = encode(FILES[name]())
    marked = encode(plain, adds_mark=True)
    is_jpeg = name.endswith(".jpg")
    added = make_segment(0xE1, XMP_HEAD + XMP_MARK)
    if not is_jpeg:
        added = make_chunk(b"iTXt", TEXT_HEAD + XMP_MARK)
    assert marked.count(added) == 1
    assert marked.replace(added, b"") == plain
    assert marked.index(added) < plain.index(b"\xff\xda" if is_jpeg else b"IDAT")
    assert [has_mark(CompressedImageData("", data)) for data in (plain, marked)] == [False, True]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_painted_picture_differs_by_the_mark_alone(suffix: str) -> None:
    data = {"jpg": make_jpeg, "png": make_png}[suffix]()
    mask = NOBODY.copy()
    mask[5:20, 5:20] = True
    plain, marked = (
        encode_compressed(CompressedImageData("", data), SKY, mask, 95, adds_mark=adds_mark)
        for adds_mark in (False, True)
    )
    assert XMP_MARK in marked
    assert encode(plain, adds_mark=True) == marked


@pytest.mark.parametrize("name", FILES)
def test_own_mark_survives_a_second_run(name: str) -> None:
    marked = encode(FILES[name](), adds_mark=True)
    assert encode(marked) == encode(marked, adds_mark=True) == marked


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize(
    "packet",
    [
        XMP_MARK + b" ",
        XMP_MARK.replace(b"composite", b"Composite"),
        XMP_MARK.replace(b"</rdf:RDF>", b"<!--" + MARKER_JPEG.hex().encode() + b"--></rdf:RDF>"),
        XMP_MARK.replace(b'end="r"?>', b'end="r"?>' + MARKER_JPEG),
        b"<?xpacket?>" + XMP_MARK,
        b"",
    ],
)
def test_foreign_packet_is_dropped(suffix: str, packet: bytes) -> None:
    """Nothing passes for the mark that could hold a picture, not even beside the real one."""
    data = wrap_xmp(suffix, packet)
    assert encode(data) == encode({"jpg": make_jpeg, "png": make_png}[suffix]())
    assert not has_mark(CompressedImageData("", data))
    marked = encode(data, adds_mark=True)
    assert marked == encode(wrap_xmp(suffix, XMP_MARK))
    assert not holds_marker(marked)


def test_marks_in_wrong_places_are_dropped() -> None:
    """A compressed text, one of another keyword, and a second one could each hold something."""
    twice = insert_segments(*[make_segment(0xE1, XMP_HEAD + XMP_MARK)] * 2)
    assert encode(twice).count(XMP_MARK) == 1
    for content in (b"Comment\0\0\0\0\0" + XMP_MARK, TEXT_HEAD[:-4] + b"\0\0en\0\0" + XMP_MARK):
        assert XMP_MARK not in encode(insert_chunks(make_chunk(b"iTXt", content)))
    end = make_png()[:-12] + make_chunk(b"tEXt", XMP_MARK) + make_png()[-12:]
    assert XMP_MARK not in encode(end)


@pytest.mark.parametrize("name", FILES)
def test_pillow_reads_the_mark(name: str) -> None:
    texts = Image.open(io.BytesIO(encode(FILES[name](), adds_mark=True))).info
    key = "xmp" if name.endswith(".jpg") else "XML:com.adobe.xmp"
    packet = texts[key]
    assert (packet if isinstance(packet, bytes) else packet.encode()) == XMP_MARK


@requires_exiftool
@pytest.mark.parametrize("name", FILES)
def test_exiftool_reads_the_mark(tmp_path: Path, name: str) -> None:
    plain, marked = tmp_path / f"plain_{name}", tmp_path / name
    plain.write_bytes(encode(FILES[name]()))
    marked.write_bytes(encode(FILES[name](), adds_mark=True))
    before, after = read_by_exiftool(plain), read_by_exiftool(marked)
    assert "XMP:DigitalSourceType" not in before
    assert after["XMP:DigitalSourceType"] == DIGITAL_SOURCE_TYPE
    assert after["ExifTool:Validate"] == before["ExifTool:Validate"], after


def test_description_says_nothing_about_persons() -> None:
    mark = describe_mark(0.45)
    assert {*mark} == {"what", "digital_source_type", "software", "version", "beta_d"}
    assert mark["beta_d"] == 0.45
    assert mark["digital_source_type"] == DIGITAL_SOURCE_TYPE
