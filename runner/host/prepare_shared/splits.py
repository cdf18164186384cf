"""Which split of a dataset a trained model is used on."""

from .errors import BadSpecError


def chosen_split(spec, dataset):
    """The split asked for; else the test split, else the one a training is measured on, else for a prediction whatever there is."""
    splits, name = dataset["splits"], dataset.get("name") or "the dataset"
    fallback = [] if spec["kind"] == "eval" else sorted(splits)
    chosen = spec.get("split") or next((split for split in ["test", "val", *fallback] if split in splits), "val")
    if chosen in splits:
        return chosen
    if chosen in dataset["images"]:
        sentence = "The %s split of %s has no annotations, so nothing can be measured on it; `predict` needs none." % (chosen, name)
        raise BadSpecError(sentence, "split")
    raise BadSpecError("%s has no %s split; it has: %s." % (name, chosen, ", ".join(sorted(splits)) or "none"), "split")
