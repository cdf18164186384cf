"""Cityscapes: its labels, its polygon files, and the images of instance ids."""
