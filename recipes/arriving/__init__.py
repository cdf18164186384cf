"""How datasets come in: archives, the web, pipes."""
