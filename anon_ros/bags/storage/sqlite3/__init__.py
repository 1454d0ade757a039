"""SQLite files of rosbag2: reader, writer and write-ahead log."""
