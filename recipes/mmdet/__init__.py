"""MMDetection's middle format: pickles that are written and read without the pickle module and without numpy."""
