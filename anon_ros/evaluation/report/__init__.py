"""The report of an experiment: model, tables, plots, page."""
