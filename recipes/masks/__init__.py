"""Outlines and run lengths, moved with the pixels they belong to."""
