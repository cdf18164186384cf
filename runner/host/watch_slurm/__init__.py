"""The watch of a Slurm cluster from its login node; ``watch.py`` here is the watch of a single host, of which this is a variation."""
