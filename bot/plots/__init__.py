"""Pictures for a phone's width, light and dark."""
