"""Image files: what their headers say, what is done to their pixels, and pictures for people."""
