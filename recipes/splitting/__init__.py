"""Who goes into which split."""
