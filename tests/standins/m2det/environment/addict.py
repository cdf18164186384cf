"""Stands in for addict: a dictionary whose keys are attributes, at every depth."""


class Dict(dict):
    def __init__(self, values):
        super().__init__({key: Dict(value) if isinstance(value, dict) else value for key, value in values.items()})

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("'ConfigDict' object has no attribute '{}'".format(name))
