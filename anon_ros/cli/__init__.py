"""The console script ``anon_ros``."""
