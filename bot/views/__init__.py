"""What people see: pure functions from values to (text, blocks)."""
