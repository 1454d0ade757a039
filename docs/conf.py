"""Configuration of the documentation site: ``make site``."""

import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
# Files beside docs/ that are pages of the site, too.
ROOT_PAGES = {
    "changelog": "CHANGELOG.rst",
    "contributing": "CONTRIBUTING.md",
    "generator": "generator/README.md",
    "security": "SECURITY.md",
}
# The sidebar. It is added to the pages here, since a code host would show it as a block of code.
NAVIGATION = {
    "index": {
        "Start": [
            "quickstart/image_folder",
            "quickstart/rosbag",
            "quickstart/live_camera",
            "install",
            "quickstart/without_sdxl",
            "examples",
        ],
        "Look up": [
            "ros_interface",
            "secure_ros",
            "parameters",
            "regions",
            "recordings",
            "encodings",
            "models",
            "measuring",
        ],
        "Trust": [
            "privacy",
            "marking",
            "reliability",
            "evaluation",
            "detection",
            "mask_memory",
            "generator",
            "performance",
            "gallery",
            "comparison",
        ],
        "Help": ["troubleshooting", "faq", "security"],
        "Take part": ["contributing", "architecture", "conventions", "adr/index", "changelog"],
    },
    "adr/index": {"": ["0*"]},
}

project = "anon_ros"
author = "The anon_ros maintainers"
project_copyright = author
extensions = ["myst_parser"]
exclude_patterns = ["requirements.txt"]
root_doc = "index"
html_theme = "sphinx_rtd_theme"
html_title = "anon_ros"
html_theme_options = {"navigation_depth": 2, "collapse_navigation": False}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 3
pygments_style = "friendly"


def use_root_pages(_: Sphinx, docname: str, source: list[str]) -> None:
    """Show the files beside docs/ in place of their stubs, and link to them there."""
    text = source[0]
    if docname in ROOT_PAGES:
        text = (ROOT / ROOT_PAGES[docname]).read_text(encoding="utf-8")
        folder = posixpath.dirname(f"../{ROOT_PAGES[docname]}")
        text = re.sub(
            r"\]\((?!\w+:|#)([^)]*)",
            lambda link: "](" + posixpath.normpath(f"{folder}/{link[1]}"),
            text,
        ).replace("](../docs/", "](")
    for page, name in ROOT_PAGES.items():
        above = "../" * docname.count("/")
        text = text.replace(f"](../{above}{name}", f"]({above}{page}{Path(name).suffix}")
    # Other Markdown files of the repository are no pages.
    source[0] = re.sub(r"\[[^\]]+\]\((?:\.\./)+(test/[^)]+\.md)\)", r"`\1`", text)


def add_navigation(_: Sphinx, docname: str, source: list[str]) -> None:
    """Append the tables of contents of a page."""
    for caption, pages in NAVIGATION.get(docname, {}).items():
        options = f":hidden:\n:glob:\n:caption: {caption}\n" if caption else ":hidden:\n:glob:\n"
        source[0] += "\n```{toctree}\n" + options + "\n" + "\n".join(pages) + "\n```\n"


def setup(app: Sphinx) -> None:
    """Register the hooks."""
    app.connect("source-read", use_root_pages)
    app.connect("source-read", add_navigation)
