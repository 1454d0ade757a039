"""Person detection and segmentation with Ultralytics YOLO."""
