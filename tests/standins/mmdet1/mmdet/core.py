"""The evaluation hooks of 1.x choose no best checkpoint."""
