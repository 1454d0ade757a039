"""Compare pytest's log with the number of tests and the skip reasons in CONTRIBUTING.md."""

import re
import sys
from pathlib import Path


def problems(log: str, listed: str, fewest: int) -> list[str]:
    collected, passed, skipped = (
        sum(map(int, re.findall(pattern, log)[-1:]))
        for pattern in (r"\[(\d+) items\]", r"(\d+) passed", r"(\d+) skipped")
    )
    found = []
    if passed < fewest:
        found.append(f"{passed} passed, expected {fewest} or more")
    if passed + skipped != collected:
        found.append(
            f"{passed} passed and {skipped} were skipped of {collected} that were collected"
        )
    reasons = re.findall(r"^SKIPPED \[\d+\] \S+: (.+)$", log, re.MULTILINE)
    found += [f"skipped, CONTRIBUTING.md does not say why: {r}" for r in reasons if r not in listed]
    return found


if __name__ == "__main__":
    text, listed_text = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:3])
    wrong = problems(text, listed_text, int(sys.argv[3]))
    sys.stderr.writelines(f".ci/run: {line}\n" for line in wrong)
    sys.exit(bool(wrong))
