"""The shape of a request: which keys it must and may hold."""

from .errors import BadSpecError, did_you_mean

PRESET = (
    {"name", "config", "epochs", "batch", "lr"},
    {"framework", "description", "environment", "eval_every", "seed", "gpus", "start", "code", "imports", "options"},
)
OVERRIDES = (set(), {"epochs", "lr", "batch", "eval_every", "keep", "distributed", "options"})
START = (set(), {"mode", "run_id", "checkpoint", "at_epoch"})
DATASET = ({"classes", "splits", "images"}, {"name", "format", "unmasked"})
# By path: (required keys, optional keys).
TRAINING = {
    "": ({"spec", "dataset", "checkpoints", "folder", "code_folder"}, {"lr", "code", "trained", "trained_classes"}),
    "spec": ({"preset", "dataset"}, {"kind", "overrides", "start", "gpus", "host", "devices"}),
    "spec.preset": PRESET, "spec.overrides": OVERRIDES, "spec.start": START, "dataset": DATASET,
}  # fmt: skip
USING = {
    "": ({"spec", "checkpoints", "folder", "code_folder", "trained", "trained_classes"}, {"dataset", "lr", "code"}),
    "spec": (
        {"kind", "preset", "model", "trained_on"},
        {"dataset", "split", "files", "overrides", "gpus", "host", "devices", "results", "score", "publish_as"},
    ),
    "spec.preset": PRESET, "spec.overrides": OVERRIDES, "spec.model": START, "dataset": DATASET,
}  # fmt: skip
FRAMEWORKS = {1: "mmdet1", 2: "mmdet2"}


def check_request(request, schema):
    """Refuse unknown and missing keys at every level that is ours."""
    for path, (required, optional) in schema.items():
        part = request
        for key in filter(None, path.split(".")):
            part = part.get(key)
            if part is None:
                break
        if part is None and (path == "dataset" or not required):
            continue
        if not isinstance(part, dict):
            raise BadSpecError("The request's %s is not an object." % (path or "body"), path)
        for key in sorted(set(part) - required - optional):
            raise BadSpecError("The request holds an unknown key %r%s." % (key, did_you_mean(key, required | optional)), path)
        for key in sorted(required - set(part)):
            raise BadSpecError("The request lacks the key %r." % key, path)


def check_framework(preset, version):
    """The preset is for the generation that the environment holds."""
    wanted, found = preset.get("framework"), FRAMEWORKS.get(version[0])
    if wanted and wanted != found:
        sentence = "The environment holds MMDetection %s, whose presets are for the framework %s; %s is for %s."
        raise BadSpecError(sentence % (".".join(map(str, version)), found, preset["name"], wanted), "preset.framework")
