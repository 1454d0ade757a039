"""Compare two methods on your images: python examples/compare_methods.py IN/ OUT/ [CONFIG.yaml].

OUT/report.html is the page that ``anon_ros evaluate quality`` writes; here, without a command line.
"""

import sys
from pathlib import Path

from anon_ros import load_config
from anon_ros.evaluation.options import Comparison, FrameSelection, QualityOptions
from anon_ros.evaluation.quality.experiment import evaluate_quality
from anon_ros.evaluation.report.tables import format_markdown
from anon_ros.evaluation.runner import run_evaluation


def main(source: str, output: str, config_file: str | None = None) -> int:
    """Write the report and print its tables."""
    options = QualityOptions(
        frames=FrameSelection(path=Path(source)),
        output=Path(output),
        comparison=Comparison(methods=("fill", "blur")),
    )
    report = run_evaluation(evaluate_quality, options, load_config(config_file))
    for table in report.tables:
        print(f"{table.title}\n\n{format_markdown(table)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
