"""Metadata of image files, read by exiftool."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

requires_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None,
    reason="needs exiftool, a package of Debian and Ubuntu (`libimage-exiftool-perl`)",
)


def read_by_exiftool(path: Path) -> dict[str, Any]:
    """Return all tags as group:name, with warnings about the file."""
    command = ["exiftool", "-j", "-G0", "-n", "-validate", "-warning", "-error", "-all", path]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (tags,) = json.loads(output)
    return dict(tags)
