"""Re-identification sets as published, in miniature, and broken in every way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from anon_ros.errors import LabelError
from anon_ros.evaluation.reid.datasets import load_reid_dataset
from anon_ros.metrics import JUNK_ID

MARKET = [
    "query/0001_c1s1_001051_00.jpg",
    "query/0002_c1s1_000451_03.jpg",
    "bounding_box_test/-1_c1s1_000401_03.jpg",
    "bounding_box_test/0000_c1s1_000151_01.jpg",
    "bounding_box_test/0001_c1s1_001051_01.jpg",
    "bounding_box_test/0001_c2s1_000301_00.jpg",
    "bounding_box_test/0002_c3s1_000551_01.jpg",
    "bounding_box_train/0007_c1s1_000001_01.jpg",
    "readme.txt",
]
LAST = [
    "train/000001/000001_a_b.jpg",
    "val/query/000002_x.jpg",
    "val/gallery/000002/000002_y.jpg",
    "test/query/000003_m_1.jpg",
    "test/query/000004_m_1.jpg",
    "test/gallery/000003/000003_n_7.jpg",
    "test/gallery/000009/000009_n_7.jpg",
]


def make_files(folder: Path, names: list[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_market1501_read(tmp_path: Path) -> None:
    found = load_reid_dataset(make_files(tmp_path, MARKET))
    assert found is not None
    assert [(image.person, image.camera) for image in found.query] == [(1, 1), (2, 1)]
    gallery = [(image.person, image.camera) for image in found.gallery]
    assert gallery == [(JUNK_ID, 1), (0, 1), (1, 1), (1, 2), (2, 3)]


def test_junk_is_no_query(tmp_path: Path) -> None:
    litter = ["query/-1_c1s1_000001_00.jpg", "query/._0001_c1s1_001051_00.jpg"]
    make_files(tmp_path, [*MARKET, *litter])
    (tmp_path / "query" / "folder.jpg").mkdir()
    (tmp_path / "query" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    found = load_reid_dataset(tmp_path)
    assert found is not None
    assert [image.person for image in found.query] == [1, 2]
    assert found.num_junk_queries == 1


def test_last_has_camera_per_image(tmp_path: Path) -> None:
    found = load_reid_dataset(make_files(tmp_path, LAST))
    assert found is not None
    assert [image.person for image in found.query] == [3, 4]
    assert [image.person for image in found.gallery] == [3, 9]
    cameras = [image.camera for image in (*found.query, *found.gallery)]
    assert len(set(cameras)) == 4
    for path in (tmp_path / "test").rglob("*.jpg"):
        path.unlink()
    (tmp_path / "test" / "query").rmdir()
    only_val = load_reid_dataset(tmp_path)
    assert only_val is not None
    assert [image.person for image in (*only_val.query, *only_val.gallery)] == [2, 2]


def test_csv_table_read(tmp_path: Path) -> None:
    make_files(tmp_path, ["a.png", "b/c.png"])
    table = tmp_path / "set.CSV"
    table.write_text("split,path,person,camera\nquery,a.png,5,0\ngallery,b/c.png,5,1\n", "utf-8")
    found = load_reid_dataset(table)
    assert found is not None
    assert found.query[0].path == tmp_path / "a.png"
    assert (found.gallery[0].person, found.gallery[0].camera) == (5, 1)


def test_frames_are_no_dataset(tmp_path: Path) -> None:
    assert load_reid_dataset(make_files(tmp_path, ["000.jpg"])) is None


def write_table(*lines: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        make_files(folder, ["a.png", "b.png"])
        path = folder / "set.csv"
        path.write_text("\n".join(lines), "utf-8")
        return path

    return write


HEAD = "split,path,person,camera"


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (lambda f: make_files(f, [MARKET[0]]), "bounding_box_test is missing"),
        (lambda f: make_files(f, [MARKET[0], "bounding_box_test/a.txt"]), "holds no image"),
        (
            lambda f: make_files(f, [*MARKET, "query/person1.jpg"]),
            "person1.jpg: expected a name such as",
        ),
        (lambda f: make_files(f, MARKET[2:7]), "query is missing"),
        (lambda f: make_files(f, ["query/-1_c1s1_1_0.jpg", *MARKET[2:7]]), "no query image"),
        (lambda f: make_files(f, [*MARKET, f"query/{2**63}_c1s1_000001_00.jpg"]), "below 2.63"),
        (
            lambda f: make_files(f, [MARKET[0], "bounding_box_test/0001_c1s1_1_1.jpg"]),
            "from another camera",
        ),
        (lambda f: make_files(f, LAST[:2]), "gallery is missing"),
        (lambda f: make_files(f, LAST[5:]), "query is missing"),
        (
            lambda f: make_files(f / "set", MARKET).parent,
            "is no re-identification dataset, but .*set is; give that",
        ),
        (lambda f: make_files(f, [*LAST, "test/query/x_1.jpg"]), "begins with the person's number"),
        (write_table("split,path,person", "query,a.png,1"), "no column camera"),
        (write_table(""), "no column split, path, person, camera"),
        (write_table(HEAD, "train,a.png,1,1"), "line 2: split 'train'"),
        (write_table(HEAD, "query,a.png,one,1"), "line 2: person 'one' is no whole number"),
        (write_table(HEAD, "query,a.png,1"), "line 2: camera None"),
        (write_table(HEAD, "query,c.png,1,1"), "c.png is no file"),
        (write_table(HEAD, f"query,{'c' * 300},1,1"), "cannot be read: .*too long"),
        (write_table(HEAD, f'query,"{"c" * 140_000}'), "cannot be read: .*field"),
        (write_table(HEAD, f"query,a.png,{2**64},1", "gallery,b.png,1,2"), "below 2.63"),
        (write_table(HEAD, "query,a.png,1,1"), "no gallery image"),
        (write_table(HEAD, "query,a.png,1,1", "gallery,b.png,2,2"), "from another camera"),
        (write_table(HEAD, "query,a.png,\udc80".encode("utf-8", "replace").decode()), "person"),
    ],
)
def test_damaged_dataset_named(
    broken: Callable[[Path], Path], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(LabelError, match=problem):
        load_reid_dataset(broken(tmp_path))


def test_requested_format_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="query is missing"):
        load_reid_dataset(make_files(tmp_path, ["000.jpg"]), "market1501")
    with pytest.raises(LabelError, match="is no file; expected a table"):
        load_reid_dataset(tmp_path, "csv")
