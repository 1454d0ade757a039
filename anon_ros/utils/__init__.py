"""Helpers of every layer: files, progress, prefetching; standard library and tqdm only."""
