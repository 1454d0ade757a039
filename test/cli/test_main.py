"""The help of the commands, and the Python that they run on."""

import os
import subprocess
import sys

import pytest

from anon_ros.cli.main import main
from anon_ros.config import all_parameters
from anon_ros.errors import format_error
from helpers.paths import ROOT

_NOT_OF_ONE_IMAGE = (
    *("autostart", "allow_weaker", "topics.", "qos.", "skip."),
    *("fail.error_after", "fail.max_consecutive", "fail.max_decompressed_mib"),
    *("track.", "memory.", "identity."),
)


def test_image_help_lists_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["image", "--help"])
    told = capsys.readouterr().out
    for name in all_parameters():
        assert (f"--{name} " in told) == (not name.startswith(_NOT_OF_ONE_IMAGE))


@pytest.mark.parametrize("package", ["rosbags", "tqdm"])
def test_missing_package_is_one_line(package: str) -> None:
    """As on the system's Python of a vehicle, outside the virtual environment."""
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from anon_ros.cli.main import main; sys.exit(main(['bag', 'in', 'out']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"anon_ros: error: the Python package {package} is not installed in {sys.prefix}; activate "
        "the virtual environment that has it (docs/install.md)\n"
    )


def test_missing_package_is_told_by_the_node_as_well() -> None:
    error = ModuleNotFoundError("No module named 'torch'", name="torch")
    assert format_error(error).startswith("the Python package torch is not installed in ")
