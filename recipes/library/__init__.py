"""The recipes that come with Signalbox, one YAML file each."""
