"""Sets of person images for re-identification, in the formats in which they are published."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from anon_ros.errors import LabelError, format_error
from anon_ros.metrics import JUNK_ID

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_MARKET_NAME = re.compile(r"(?P<person>-1|\d+)_c(?P<camera>\d+)(s\d+)?_.+")
_LAST_NAME = re.compile(r"(?P<person>\d+)_.+")
_MARKET_GALLERY = "bounding_box_test"
_LAST_PARTS = ("test", "val")
_TOO_LARGE = 2**63
_COLUMNS = ("split", "path", "person", "camera")
_QUERY, _GALLERY = "query", "gallery"


class PersonImage(NamedTuple):
    """One image, the number of the person it shows, and of the camera that took it."""

    path: Path
    person: int
    camera: int


@dataclass(frozen=True)
class ReidDataset:
    """Images to search for, and images to search in.

    Attributes:
        name: for people.
        query: never junk.
        gallery: junk has the person JUNK.
        num_junk_queries: queries that were junk: nobody to search for.
    """

    name: str
    query: Sequence[PersonImage]
    gallery: Sequence[PersonImage]
    num_junk_queries: int = 0


def load_reid_dataset(path: Path, format_name: str = "") -> ReidDataset | None:
    """The set at ``path``; None if there is none and no format was asked for.

    Args:
        path: folder of Market-1501 or LaST, or a CSV file.
        format_name: of FORMATS; empty to tell by what is there.

    Raises:
        LabelError: if a file or folder is not as the format has it.
        OSError: if something cannot be read.
    """
    if not format_name:
        format_name = _format_of(path)
    if format_name:
        read = {"market1501": read_market1501, "last": read_last_dataset, "csv": read_csv_dataset}[
            format_name
        ]
        return read(path)
    inner = [each for each in _folders(path) if _format_of(each)]
    if inner:
        message = f"{path} is no set for re-identification, but {inner[0]} is; give that"
        raise LabelError(message)
    return None


def is_reid_dataset(path: Path) -> bool:
    """Whether a set is at ``path``, be it whole or not."""
    return bool(_format_of(path))


def _format_of(path: Path) -> str:
    """By what is there, even if more is missing; empty if it is no set."""
    if path.is_file() and path.suffix.lower() == ".csv":
        return "csv"
    if any((path / part).is_dir() for part in (_QUERY, _MARKET_GALLERY)):
        return "market1501"
    sides = [path / part / side for part in _LAST_PARTS for side in (_QUERY, _GALLERY)]
    return "last" if any(side.is_dir() for side in sides) else ""


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir()) if path.is_dir() else []


def read_market1501(folder: Path) -> ReidDataset:
    """Market-1501: query/ and bounding_box_test/ with names such as 0002_c1s1_000451_03.jpg.

    Person -1 is junk; person 0 are distractors, who are wrong answers.

    Raises:
        LabelError: if a folder is missing or empty, or a name is another.
    """
    query = [_market_image(path) for path in _images(folder / _QUERY)]
    gallery = [_market_image(path) for path in _images(folder / _MARKET_GALLERY)]
    return _checked(ReidDataset(f"{folder.name} (Market-1501)", query, gallery), folder)


def read_last_dataset(folder: Path) -> ReidDataset:
    """LaST: test/query/ and test/gallery/ (of a part without test/: val/).

    Names begin with the person's number and an underscore; gallery images may lie in folders. It
    knows no cameras: as its authors do, each image is taken to come from another one.

    Raises:
        LabelError: if a folder is missing or empty, or a name is another.
    """
    parts = [folder / name for name in _LAST_PARTS]
    whole = [each for each in parts if (each / _QUERY).is_dir()]
    part = next((each for each in (*whole, *parts) if each.is_dir()), parts[0])
    paths = [_images(part / _QUERY), _images(part / _GALLERY)]
    numbered = enumerate(path for side in paths for path in side)
    images = [PersonImage(path, _last_person(path), index) for index, path in numbered]
    count = len(paths[0])
    name = f"{folder.name} (LaST, {part.name})"
    return _checked(ReidDataset(name, images[:count], images[count:]), part)


def read_csv_dataset(path: Path) -> ReidDataset:
    """A table with the columns split (query or gallery), path, person and camera.

    Paths are relative to the table; persons and cameras are whole numbers, person -1 is junk.

    Raises:
        LabelError: if a column is missing, or a line is not so.
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
                split, image = _csv_image(path, row, f"{path}, line {reader.line_num}")
                sides[split].append(image)
    except (OSError, csv.Error) as error:
        message = f"{path} cannot be read: {format_error(error)}"
        raise LabelError(message) from error
    return _checked(ReidDataset(path.stem, sides[_QUERY], sides[_GALLERY]), path)


def _csv_image(table: Path, row: dict[str, str], place: str) -> tuple[str, PersonImage]:
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


def _market_image(path: Path) -> PersonImage:
    found = _MARKET_NAME.fullmatch(path.stem)
    if found is None:
        message = f"{path}: expected a name such as 0002_c1s1_000451_03.jpg (person, camera)"
        raise LabelError(message)
    return PersonImage(path, int(found["person"]), int(found["camera"]))


def _last_person(path: Path) -> int:
    found = _LAST_NAME.fullmatch(path.stem)
    if found is None:
        message = f"{path}: expected a name that begins with the person's number and _"
        raise LabelError(message)
    return int(found["person"])


def _images(folder: Path) -> list[Path]:
    if not folder.is_dir():
        message = f"{folder} is missing; expected query and gallery images as published"
        raise LabelError(message)
    found = sorted(
        path
        for path in folder.rglob("*")
        # Some systems leave a hidden file of theirs beside each image.
        if path.suffix.lower() in _SUFFIXES and path.name[0] != "." and path.is_file()
    )
    if not found:
        message = f"{folder} holds no image ({', '.join(sorted(_SUFFIXES))})"
        raise LabelError(message)
    return found


def _checked(found: ReidDataset, place: Path) -> ReidDataset:
    for image in (*found.query, *found.gallery):
        if not max(abs(image.person), abs(image.camera)) < _TOO_LARGE:
            message = f"{image.path}: person {image.person}, camera {image.camera}: expected "
            message += "numbers below 2^63; number them anew"
            raise LabelError(message)
    query = [image for image in found.query if image.person != JUNK_ID]
    found = replace(found, query=query, num_junk_queries=len(found.query) - len(query))
    for name, side in ((_QUERY, found.query), (_GALLERY, found.gallery)):
        if not side:
            message = f"{place}: no {name} image"
            raise LabelError(message)
    if not any(_answers(image, found.gallery) for image in found.query):
        message = f"{place}: no query has an image of its person from another camera in the gallery"
        raise LabelError(message)
    return found


def _answers(query: PersonImage, gallery: Iterable[PersonImage]) -> bool:
    return any(image.person == query.person and image.camera != query.camera for image in gallery)
