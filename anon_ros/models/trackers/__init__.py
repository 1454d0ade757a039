"""Trackers: the ByteTrack of Ultralytics, and an own one that needs no Ultralytics."""
