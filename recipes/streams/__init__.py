"""Much data in little memory: on disk in chunks, or a window at a time."""
