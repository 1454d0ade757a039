"""HTML pages that need no other file and no network."""

from html import escape

# The policy forbids scripts, fonts and every request, whatever an escaped name may contain.
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 24px auto; padding: 0 24px;
 max-width: 1080px; color: #1c1c1c; background: #fafafa }}
h1 {{ font-size: 24px }} h2 {{ font-size: 18px; margin-top: 36px }}
{css}</style></head><body>
<h1>{title}{badge}</h1>
{body}
</body></html>
"""


def render_html_page(title: str, body: str, css: str, badge: str = "") -> bytes:
    """Return a complete page in UTF-8.

    Args:
        title: plain text, escaped here.
        body: HTML below the heading; its texts must be escaped already.
        css: style rules of this page, after the common ones; ends with a line break.
        badge: HTML behind the heading.
    """
    page = _PAGE.format(title=escape(title), body=body, css=css, badge=badge)
    return page.encode("utf-8", "xmlcharrefreplace")
