"""Where datasets are kept: versions that never change, in a store by content."""
