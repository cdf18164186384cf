"""The watch of a single host: ``watch.py`` follows the attempts, ``gpus.py`` looks at the devices."""
