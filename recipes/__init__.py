"""Datasets: read, transform, check, write, keep. Imports neither bot nor runner."""

VERSION = "0.1.0"
"""Written into every lineage; equals the version of the distribution (a test compares them)."""
