"""Person detection and segmentation with YOLO (Ultralytics) or RF-DETR (transformers)."""
