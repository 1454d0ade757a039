"""Readers and writers of MCAP, SQLite and ROS 1 files, and their metadata."""
