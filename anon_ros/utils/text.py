"""Text from outside, made safe for terminals, logs and spreadsheets."""

import re

# Controls of terminals (C0, C1), of the direction of writing, invisible spaces, line separators
# and the halves of surrogate pairs that stand for bytes of a file name.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def escape_controls(text: str) -> str:
    r"""Return ``text`` with control characters as escapes, such as \x1b, on one line."""
    return _UNSAFE.sub(
        lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text
    )


def mask_controls(text: str) -> str:
    """Return ``text`` with ? for control characters: a topic pattern that still fits it."""
    return _UNSAFE.sub("?", text)


def quote_formula(text: str) -> str:
    """Return the text of a CSV cell so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
