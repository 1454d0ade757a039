from pathlib import Path

import pytest

from anon_ros.utils import share


@pytest.mark.parametrize("root", ["/", "/ws", "/ws/src/anon_ros"])
def test_checkout_anywhere(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may have it in a folder of the root."""
    monkeypatch.setattr(share, "_PACKAGE_ROOT", Path(root))
    candidates = share.shared_candidates("config/profiles")
    assert candidates[0] == Path(root) / "config/profiles"
    assert len(set(candidates)) == len(candidates)


def test_prefix_above_site_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_PACKAGE_ROOT", Path("/opt/ws/lib/python3.12/site-packages"))
    assert Path("/opt/ws/share/anon_ros/generator") in share.shared_candidates("generator")
