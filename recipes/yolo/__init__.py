"""YOLO's label files, and the data files and lists that say which images belong to them."""
