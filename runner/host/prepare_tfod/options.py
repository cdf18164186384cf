"""Options: dotted keys of the pipeline's protos, from a preset (values) or from a person (texts)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadSpecError, did_you_mean, first_line

PIPELINE = "the pipeline config"
RESERVED = {
    "train_config.num_steps": "ask with --epochs",
    "train_config.batch_size": "ask with --batch",
    "train_config.fine_tune_checkpoint": "ask for a fine-tune",
    "train_config.fine_tune_checkpoint_type": "it follows what fits the checkpoint",
    "train_config.fine_tune_checkpoint_version": "only V2 exists in TensorFlow 2",
    "train_input_reader.label_map_path": "it is the dataset's",
    "train_input_reader.tf_record_input_reader": "it is the dataset's",
    "eval_input_reader": "it is the dataset's",
    "model.ssd.num_classes": "it follows the dataset",
    "model.faster_rcnn.num_classes": "it follows the dataset",
    "model.center_net.num_classes": "it follows the dataset",
}


def set_values(pipeline: Any, options: Mapping[str, Any]) -> None:
    """Set a preset's options; None clears a field."""
    from google.protobuf import json_format

    for key, value in options.items():
        where = "preset.options.%s" % key
        message, field = place(pipeline, key, where)
        message.ClearField(field.name)
        if value is not None:
            try:
                json_format.ParseDict({field.name: value}, message)
            except (json_format.ParseError, TypeError, ValueError) as error:
                raise BadSpecError("The option %s cannot be %r: %s" % (key, value, first_line(error)), where) from error


def set_texts(pipeline: Any, texts: Sequence[str]) -> None:
    """Set a person's ``key=value`` options; the value is written as in a pipeline config, or plainly where it is a text."""
    from google.protobuf import text_format

    where = "overrides.options"
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.replace(".", "").replace("_", "").isalnum():
            raise BadSpecError("The raw option %r is not of the form key=value." % text, where)
        refuse_reserved(key)
        message, field = place(pipeline, key, where)
        if field.type == field.TYPE_STRING and field.label != field.LABEL_REPEATED and value[:1] not in ("'", '"'):
            setattr(message, field.name, value)
            continue
        message.ClearField(field.name)
        try:
            text_format.Merge("%s%s %s" % (field.name, "" if field.message_type and value[:1] in "{<" else ":", value), message)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise BadSpecError("The raw option %r cannot be read: %s" % (text, first_line(error)), where) from error


def refuse_reserved(key: str) -> None:
    """Refuse what Signalbox sets itself."""
    for reserved, why in RESERVED.items():
        if key == reserved or key.startswith(reserved + "."):
            raise BadSpecError("The raw option %s is Signalbox's own: %s." % (key, why), "overrides.options")


def place(pipeline: Any, key: str, where: str) -> tuple[Any, Any]:
    """(the message that holds a key's last field, that field's descriptor); an index chooses among repeated ones."""
    message, parts, passed = pipeline, key.split("."), []
    while True:
        part = parts.pop(0)
        field = message.DESCRIPTOR.fields_by_name.get(part)
        if field is None:
            known = did_you_mean(part, message.DESCRIPTOR.fields_by_name)
            raise BadSpecError("There is no option %r: %s has no %r%s." % (key, ".".join(passed) or PIPELINE, part, known), where)
        passed.append(part)
        if not parts:
            return message, field
        if field.message_type is None:
            raise BadSpecError("There is no option %r: %s is a value, and nothing lies below it." % (key, ".".join(passed)), where)
        message = getattr(message, part)
        if field.label == field.LABEL_REPEATED:
            index = parts.pop(0)
            if not (index.isdigit() and int(index) < len(message) and parts):
                say = "%s is a list of %d; go on with a number below that and a field." % (".".join(passed), len(message))
                raise BadSpecError("There is no option %r: %s" % (key, say), where)
            passed.append(index)
            message = message[int(index)]
