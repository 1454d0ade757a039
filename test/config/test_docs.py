"""The generated files."""

from anon_ros.config import (
    Config,
    dump_markdown,
    dump_yaml,
)
from helpers.paths import ROOT


def test_generated_files_up_to_date() -> None:
    """`make docs` writes them."""
    assert (ROOT / "config/anonymize.yaml").read_text(encoding="utf-8") == dump_yaml(Config())
    assert (ROOT / "docs/parameters.md").read_text(encoding="utf-8") == dump_markdown()
