"""Write what is installed here: build/sbom.json (CycloneDX) and build/licenses.csv."""

import csv
import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

SPEC_VERSION = "1.5"


def read_license(package: Distribution) -> str:
    """Return the license that a package declares; empty if it declares none."""
    metadata = package.metadata
    classifiers = metadata.get_all("Classifier") or []
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    text = metadata.get("License-Expression") or metadata.get("License") or ""
    lines = text.strip().splitlines()
    # Some packages put the whole text of the license there.
    return lines[0] if len(lines) == 1 else "; ".join(named) or (lines[0] if lines else "")


def read_hashes(requirements: Path) -> dict[str, list[str]]:
    """Return the SHA-256 hashes that requirements.txt allows, by normalized name and version."""
    hashes: dict[str, list[str]] = {}
    for block in re.split(r"\n(?=\S)", requirements.read_text("utf-8")):
        if match := re.match(r"([\w.-]+)==([^\s;\\]+)", block):
            key = f"{normalize_name(match[1])}=={match[2]}"
            hashes[key] = re.findall(r"sha256:(\w+)", block)
    return hashes


def normalize_name(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe_package(package: Distribution, hashes: dict[str, list[str]]) -> dict[str, Any]:
    """Return a CycloneDX component."""
    name, version = normalize_name(package.name), package.version
    component: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "bom-ref": f"pkg:pypi/{name}@{version}",
    }
    if license_name := read_license(package):
        component["licenses"] = [{"license": {"name": license_name}}]
    if allowed := hashes.get(f"{name}=={version}"):
        component["properties"] = [{"name": "anon_ros:sha256", "value": h} for h in allowed]
    return component


def main(folder: Path) -> None:
    """Write both files into ``folder``."""
    hashes = read_hashes(Path(__file__).parents[1] / "requirements.txt")
    unique = {normalize_name(package.name): package for package in distributions()}
    packages = [unique[name] for name in sorted(unique)]
    folder.mkdir(parents=True, exist_ok=True)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "components": [describe_package(package, hashes) for package in packages],
    }
    (folder / "sbom.json").write_text(json.dumps(bom, indent=1) + "\n", "utf-8")
    with (folder / "licenses.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("package", "version", "license"))
        writer.writerows((p.name, p.version, read_license(p)) for p in packages)
    print(f"{len(packages)} packages: {folder / 'sbom.json'}, {folder / 'licenses.csv'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
