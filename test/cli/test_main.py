"""The help of the commands."""

import pytest

from anon_ros.cli.main import main
from anon_ros.config import all_parameters

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
