import os
from collections.abc import Iterator
from glob import glob

from setuptools import find_packages, setup

PACKAGE = "anon_ros"


def list_files(root: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder from ``root`` down with its files."""
    for folder, _, files in os.walk(root):
        if files:
            yield folder, [f"{folder}/{file}" for file in sorted(files)]


setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", glob("launch/*.launch.py")),
        (f"share/{PACKAGE}/config", glob("config/*.*")),
        (f"share/{PACKAGE}/config/profiles", glob("config/profiles/*")),
        *((f"share/{PACKAGE}/{folder}", files) for folder, files in list_files("generator")),
    ],
    # The rest stands in package.xml (apt) and requirements/ (pip).
    install_requires=["setuptools"],
    extras_require={
        "test": ["pytest", "pytest-timeout", "hypothesis", "rosbags"],
        # Renders the synthetic people of training/, which is not installed.
        "training": ["anny==0.6.*", "roma", "trimesh", "warp-lang", "moderngl"],
    },
    zip_safe=True,
    maintainer="The anon_ros maintainers",
    maintainer_email="maintainers@anon-ros.dev",
    description="Anonymizes persons in camera images",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "anonymizer = anon_ros.ros.main:main",
            "anon_ros = anon_ros.cli.main:main",
        ],
        "ros2bag.verb": [
            "anonymize = anon_ros.ros.bag_verbs:AnonymizeVerb",
            "verify = anon_ros.ros.bag_verbs:VerifyVerb",
        ],
    },
)
