"""Readers of re-identification datasets: Market-1501, LaST, tables."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from anon_ros.errors import LabelError, format_error
from anon_ros.metrics import JUNK_ID
from anon_ros.utils.files import walk_files

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_MARKET_NAME = re.compile(r"(?P<person>-1|\d+)_c(?P<camera>\d+)(s\d+)?_.+")
_LAST_NAME = re.compile(r"(?P<person>\d+)_.+")
_MARKET_GALLERY = "bounding_box_test"
_LAST_SPLITS = ("test", "val")
_TOO_LARGE = 2**63
_COLUMNS = ("split", "path", "person", "camera")
_QUERY, _GALLERY = "query", "gallery"


class PersonImage(NamedTuple):
    """A person image, with the numbers of its person and of its camera."""

    path: Path
    person: int
    camera: int


@dataclass(frozen=True)
class ReidDataset:
    """Query images, and the gallery to search.

    Attributes:
        name: for tables and messages.
        query: images to search for; never junk.
        gallery: images to search; junk has the person JUNK_ID.
        num_junk_queries: junk images that were left out of ``query``.
    """

    name: str
    query: Sequence[PersonImage]
    gallery: Sequence[PersonImage]
    num_junk_queries: int = 0


def load_reid_dataset(path: Path, format_name: str = "") -> ReidDataset | None:
    """Return the dataset at ``path``; None if there is none and no format was requested.

    Args:
        path: folder of Market-1501 or LaST, or a CSV file.
        format_name: of DATASET_FORMATS; empty to detect it.

    Raises:
        LabelError: if a file or folder does not fit the format.
        OSError: if something cannot be read.
    """
    if not format_name:
        format_name = _detect_format(path)
    if format_name:
        read = {"market1501": read_market1501, "last": read_last_dataset, "csv": read_csv_dataset}[
            format_name
        ]
        return read(path)
    inner = [folder for folder in _list_folders(path) if _detect_format(folder)]
    if inner:
        message = f"{path} is no re-identification dataset, but {inner[0]} is; give that"
        raise LabelError(message)
    return None


def is_reid_dataset(path: Path) -> bool:
    """Return True if a dataset is at ``path``, complete or not."""
    return bool(_detect_format(path))


def _detect_format(path: Path) -> str:
    """Return the format by the parts that exist; empty if it is no dataset."""
    if path.is_file() and path.suffix.lower() == ".csv":
        return "csv"
    if any((path / part).is_dir() for part in (_QUERY, _MARKET_GALLERY)):
        return "market1501"
    sides = [path / part / side for part in _LAST_SPLITS for side in (_QUERY, _GALLERY)]
    return "last" if any(side.is_dir() for side in sides) else ""


def _list_folders(path: Path) -> list[Path]:
    return sorted(inner for inner in path.iterdir() if inner.is_dir()) if path.is_dir() else []


def read_market1501(folder: Path) -> ReidDataset:
    """Read Market-1501: query/ and bounding_box_test/, names such as 0002_c1s1_000451_03.jpg.

    Person -1 is junk; person 0 are distractors, which count as wrong matches.

    Raises:
        LabelError: if a folder is missing or empty, or a name has another form.
    """
    query = [_parse_market_name(path) for path in _list_images(folder / _QUERY)]
    gallery = [_parse_market_name(path) for path in _list_images(folder / _MARKET_GALLERY)]
    return _validate(ReidDataset(f"{folder.name} (Market-1501)", query, gallery), folder)


def read_last_dataset(folder: Path) -> ReidDataset:
    """Read LaST: test/query/ and test/gallery/ (val/ where there is no test/).

    Names begin with the person's number and an underscore; gallery images may lie in folders.
    LaST has no camera numbers: as its authors do, each image counts as from its own camera.

    Raises:
        LabelError: if a folder is missing or empty, or a name has another form.
    """
    parts = [folder / name for name in _LAST_SPLITS]
    complete = [part for part in parts if (part / _QUERY).is_dir()]
    part = next((part for part in (*complete, *parts) if part.is_dir()), parts[0])
    paths = [_list_images(part / _QUERY), _list_images(part / _GALLERY)]
    numbered = enumerate(path for side in paths for path in side)
    images = [PersonImage(path, _parse_last_name(path), index) for index, path in numbered]
    count = len(paths[0])
    name = f"{folder.name} (LaST, {part.name})"
    return _validate(ReidDataset(name, images[:count], images[count:]), part)


def read_csv_dataset(path: Path) -> ReidDataset:
    """Read a CSV table with the columns split (query or gallery), path, person and camera.

    Paths are relative to the table; persons and cameras are integers, person -1 is junk.

    Raises:
        LabelError: if a column is missing, or a line has another form.
    """
    if not path.is_file():
        message = f"{path} is no file; expected a table with the columns {', '.join(_COLUMNS)}"
        raise LabelError(message)
    sides: dict[str, list[PersonImage]] = {_QUERY: [], _GALLERY: []}
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or [])]:
                message = f"{path}: no column {', '.join(missing)}; expected {', '.join(_COLUMNS)}"
                raise LabelError(message)
            for row in reader:
                split, image = _parse_row(path, row, f"{path}, line {reader.line_num}")
                sides[split].append(image)
    except (OSError, csv.Error) as error:
        message = f"{path} cannot be read: {format_error(error)}"
        raise LabelError(message) from error
    return _validate(ReidDataset(path.stem, sides[_QUERY], sides[_GALLERY]), path)


def _parse_row(table: Path, row: dict[str, str], place: str) -> tuple[str, PersonImage]:
    split, name = row["split"], row["path"]
    if split not in {_QUERY, _GALLERY}:
        message = f"{place}: split {split!r}, expected {_QUERY} or {_GALLERY}"
        raise LabelError(message)
    numbers = []
    for column in ("person", "camera"):
        try:
            numbers.append(int(row[column]))
        except (TypeError, ValueError):
            message = f"{place}: {column} {row[column]!r} is no whole number"
            raise LabelError(message) from None
    image = table.parent / (name or "")
    if not image.is_file():
        message = f"{place}: {image} is no file"
        raise LabelError(message)
    return split, PersonImage(image, *numbers)


def _parse_market_name(path: Path) -> PersonImage:
    match = _MARKET_NAME.fullmatch(path.stem)
    if match is None:
        message = f"{path}: expected a name such as 0002_c1s1_000451_03.jpg (person, camera)"
        raise LabelError(message)
    return PersonImage(path, int(match["person"]), int(match["camera"]))


def _parse_last_name(path: Path) -> int:
    match = _LAST_NAME.fullmatch(path.stem)
    if match is None:
        message = f"{path}: expected a name that begins with the person's number and _"
        raise LabelError(message)
    return int(match["person"])


def _list_images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        message = f"{folder} is missing; expected query and gallery images as published"
        raise LabelError(message)
    paths = [
        path
        for path in walk_files(folder)
        # Some systems leave a hidden file of theirs beside each image.
        if path.suffix.lower() in _SUFFIXES and path.name[0] != "." and path.is_file()
    ]
    if not paths:
        message = f"{folder} holds no image ({', '.join(sorted(_SUFFIXES))})"
        raise LabelError(message)
    return paths


def _validate(dataset: ReidDataset, place: Path) -> ReidDataset:
    for image in (*dataset.query, *dataset.gallery):
        if not max(abs(image.person), abs(image.camera)) < _TOO_LARGE:
            message = f"{image.path}: person {image.person}, camera {image.camera}: expected "
            message += "numbers below 2^63; number them anew"
            raise LabelError(message)
    query = [image for image in dataset.query if image.person != JUNK_ID]
    dataset = replace(dataset, query=query, num_junk_queries=len(dataset.query) - len(query))
    for name, side in ((_QUERY, dataset.query), (_GALLERY, dataset.gallery)):
        if not side:
            message = f"{place}: no {name} image"
            raise LabelError(message)
    if not any(_has_match(image, dataset.gallery) for image in dataset.query):
        message = f"{place}: no query has an image of its person from another camera in the gallery"
        raise LabelError(message)
    return dataset


def _has_match(query: PersonImage, gallery: Iterable[PersonImage]) -> bool:
    return any(image.person == query.person and image.camera != query.camera for image in gallery)
