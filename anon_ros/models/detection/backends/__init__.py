"""Detection networks behind one interface: YOLO of Ultralytics, RF-DETR of transformers."""
