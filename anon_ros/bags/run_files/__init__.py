"""Files of a run: report, journal, masks."""
