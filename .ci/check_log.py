"""Compare pytest's closing lines with the skip reasons that CONTRIBUTING.md lists."""

import re
import sys
from pathlib import Path


def problems(log: str, listed: str, fewest: int) -> list[str]:
    passed = re.search(r"(\d+) passed", log)
    found = []
    if passed is None or int(passed[1]) < fewest:
        found.append(f"{passed[0] if passed else 'nothing passed'}, expected {fewest} or more")
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+: (.+)$", log, re.MULTILINE)
    found += [f"skipped, CONTRIBUTING.md does not say why: {r}" for r in reasons if r not in listed]
    return found


if __name__ == "__main__":
    text, listed_text = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])
    wrong = problems(text, listed_text, int(sys.argv[3]))
    sys.stderr.writelines(f".ci/run: {line}\n" for line in wrong)
    sys.exit(bool(wrong))
