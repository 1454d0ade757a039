"""Versions of the packages that decide a result."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "anon_ros",
    "numpy",
    "opencv-python-headless",
    "torch",
    "ultralytics",
    "diffusers",
    "transformers",
    "rosbags",
    "mcap",
)


def package_versions() -> dict[str, str]:
    """Return the version of Python and of each package by name, "not installed" without one."""
    return {
        "python": platform.python_version(),
        **{name: _read_version(name) for name in _PACKAGES},
    }


def _read_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
