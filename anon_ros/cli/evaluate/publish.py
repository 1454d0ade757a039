"""What every question does in the end."""

from pathlib import Path

from anon_ros.evaluate import Report, text_table, write_report


def publish(report: Report, folder: Path) -> int:
    """Write the report, print its figures, and return the exit code.

    Raises:
        ReportError: if it cannot be written.
    """
    page = write_report(report, folder)
    for table in report.tables:
        print(f"{table.title}\n\n{text_table(table)}\n")
        if table.note:
            print(f"{table.note}\n")
    for answer in report.answers:
        print(f"* {answer}")
    for limit in report.limits:
        print(f"! {limit}")
    print(page)
    return 0
