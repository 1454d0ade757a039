"""Files that are installed beside the code: profiles and the generator."""

import sysconfig
from pathlib import Path

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_SHARE = Path("share") / "anon_ros"


def shared_candidates(relative: str) -> list[Path]:
    """Return the places of a shared file or folder: the source checkout, then the installation.

    ``pip install --target`` puts ``share`` beside the packages; pip, colcon and Debian put it below
    the prefix, three levels above them.
    """
    # A checkout may lie near the root, as in a container.
    above = _PACKAGE_ROOT.parents[2:3]
    prefixes = _PACKAGE_ROOT, *above, Path(sysconfig.get_path("data"))
    installed = [prefix / _SHARE / relative for prefix in prefixes]
    return list(dict.fromkeys([_PACKAGE_ROOT / relative, *installed]))
