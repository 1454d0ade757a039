"""Text from outside cannot steer a terminal or a spreadsheet."""

import pytest

from anon_ros.utils.text import escape_controls, quote_formula


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Käfer 📷 /cam/image_raw", "Käfer 📷 /cam/image_raw"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("one\ntwo\r\tthree\0", r"one\ntwo\r\tthree\x00"),
        ("\x7f\x9b31m", r"\x7f\x9b31m"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("file\udcff", r"file\udcff"),
        ("in\u2028line", r"in\u2028line"),
    ],
)
def test_controls_escaped(text: str, escaped: str) -> None:
    assert escape_controls(text) == escaped


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formula_quoted(start: str) -> None:
    assert quote_formula(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"
    assert quote_formula(f"a{start}") == f"a{start}"
