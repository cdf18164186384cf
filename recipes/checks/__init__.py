"""What is wrong with a dataset, and what it holds."""
