"""HTML pages that need no other file and no network."""

from anon_ros.utils.html_page import render_html_page


def test_title_is_escaped() -> None:
    page = render_html_page("<script>a & b", "<p>body</p>", "p { color: red }\n").decode()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;a &amp; b") == 2
    assert "<p>body</p>" in page
    assert "p { color: red }" in page


def test_policy_forbids_requests() -> None:
    assert b"default-src 'none'" in render_html_page("t", "", "")


def test_lone_surrogates_are_encoded() -> None:
    assert b"&#56448;" in render_html_page("\udc80", "", "")
