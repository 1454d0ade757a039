"""Readers and writers of MCAP, SQLite and ROS 1 files, and the metadata of bags."""
