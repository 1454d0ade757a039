"""Check the relative links of all Markdown pages: files exist, and anchors are headings there.

python .ci/check_links.py [FOLDER]; links to other hosts are not checked: it opens no connection.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_BLOCK = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_OTHER_HOST = re.compile(r"[a-z][a-z0-9+.-]*:|//")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that code hosts and the site give to the headings of a page."""
    text = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    names: list[str] = []
    for heading in _HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
        names.append(f"{slug}-{names.count(slug)}" if slug in names else slug)
    return frozenset(names)


def find_problems(page: Path) -> Iterator[str]:
    """Yield a line for each broken relative link of ``page``."""
    for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if _OTHER_HOST.match(target):
            continue
        name, _, anchor = unquote(target).partition("#")
        path = (page.parent / name).resolve() if name else page.resolve()
        if not path.exists():
            yield f"{page}: {target}: no such file"
        elif anchor and path.suffix == ".md" and anchor not in anchors(path):
            yield f"{page}: {target}: no such heading"


def list_pages(root: Path) -> list[Path]:
    """Return the Markdown files that git knows or would add."""
    command = ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [root / name for name in listed.stdout.splitlines() if (root / name).exists()]


def main(folder: str = ".") -> int:
    """Print the problems; return 1 if there are some."""
    pages = list_pages(Path(folder))
    problems = [problem for page in pages for problem in find_problems(page)]
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    print(f"{len(pages)} pages, {len(problems)} broken links")
    return int(bool(problems) or not pages)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
