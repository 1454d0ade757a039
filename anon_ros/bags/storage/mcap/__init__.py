"""MCAP files: reader and writer."""
