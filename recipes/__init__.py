"""Datasets: read, transform, check, write, keep. Imports neither bot nor runner.

The doors: ``recipes.recipe.load_recipe`` and ``recipes.running.run`` convert a folder or an archive;
``recipes.catalog.catalog.Catalog`` keeps versions, ``recipes.ingest.ingest`` and ``convert`` add them;
``recipes.arriving.archive.unpack`` unpacks what nobody vouches for; ``recipes.yaml_lines.read_yaml`` loads YAML with its lines.
``python -m recipes --help`` lists the same for the terminal.
"""

VERSION = "0.1.0"
"""Written into every lineage; equals the version of the distribution (a test compares them)."""
