"""The page with doubtful images: complete in itself, and harmless whatever topics are called."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np

from anon_ros.bags.verify.findings import Findings
from anon_ros.bags.verify.review_page import ReviewFrame, ReviewPage
from helpers.fake_models import make_street_image


class TagCollector(HTMLParser):
    """Notes each tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def write_page(tmp_path: Path, sheet: ReviewPage, findings: Findings) -> str:
    sheet.write(tmp_path / "page.html", tmp_path / "<b>out", findings, "5 & more")
    return (tmp_path / "page.html").read_text("utf-8")


def test_page_shows_worst_images_first(tmp_path: Path) -> None:
    sheet = ReviewPage()
    for number in range(100):
        frame = ReviewFrame(number * 7 % 100, f"/cam{number * 7 % 100}", 5, ["why"], [])
        sheet.offer(frame, make_street_image(64, 48))
    shown = re.findall(r"<b>/cam(\d+)</b>", write_page(tmp_path, sheet, Findings()))
    assert shown == [str(number) for number in range(99, 51, -1)]


def test_page_is_self_contained(tmp_path: Path) -> None:
    evil = '<script src="https://x.test/a.js"></script><img src=x onerror=alert(1)>&"\udc80'
    sheet, findings = ReviewPage(), Findings()
    sheet.offer(ReviewFrame(1, evil, 2**62, [evil], [(1, 1, 20, 20)]), make_street_image(64, 48))
    findings.add_error(evil, evil)
    findings.add_warning(evil, evil)
    findings.not_checked.append(evil)
    tags = TagCollector()
    tags.feed(write_page(tmp_path, sheet, findings))
    assert {tag for tag, _ in tags.found}.isdisjoint({"script", "link", "iframe", "object"})
    images = [attributes for tag, attributes in tags.found if tag == "img"]
    assert len(images) == 1
    assert all(str(each["src"]).startswith("data:image/jpeg;base64,") for each in images)
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)


def test_thumbnail_shows_the_box(tmp_path: Path) -> None:
    sheet = ReviewPage()
    image = np.full((1080, 1920, 3), 90, np.uint8)
    sheet.offer(ReviewFrame(1, "/cam", 10**18 + 5 * 10**6, ["why"], [(400, 300, 800, 900)]), image)
    text = write_page(tmp_path, sheet, Findings())
    assert "1000000000005000000 ns, 2001-09-09 01:46:40.005 UTC" in text
    (found,) = re.findall(r'base64,([^"]+)"', text)
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(found), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (270, 480, 3)
    red = shown[..., 2].astype(int) - shown[..., 1] > 80
    rows, columns = np.nonzero(red)
    assert abs(columns.min() - 97) < 4
    assert abs(columns.max() - 203) < 4
    assert abs(rows.min() - 72) < 4
    assert abs(rows.max() - 228) < 4
    assert not red[100:200, 110:190].any()
