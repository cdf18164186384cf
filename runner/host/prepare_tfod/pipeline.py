"""The pipeline config: found, parsed as the text proto it is, and fitted to a dataset and its classes."""

from __future__ import annotations

import os
import pkgutil
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadSpecError, did_you_mean, first_line

SHIPPED = "configs"
COLLECTION = os.path.join("configs", "tf2")
EVALUATED = ("val", "test")


def parse(text: str, where: str) -> Any:
    """A TrainEvalPipelineConfig; BadSpecError names the line that is wrong."""
    from google.protobuf import text_format
    from object_detection.protos import pipeline_pb2

    try:
        return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())
    except text_format.ParseError as error:
        place = where if error.GetLine() is None else "%s, line %d" % (where, error.GetLine())
        said = str(error).split(" : ", 1)[-1]
        raise BadSpecError("The pipeline config cannot be read: %s" % said, place) from error


def frozen_text(pipeline: Any) -> str:
    """The config as it is stored and launched."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(pipeline))


def base_text(name: str, code: Mapping[str, str], code_folder: str) -> str:
    """The text of a preset's config: a file of its own code, one of the checkout's collection, or one that comes with Signalbox."""
    if name in code:
        return code[name]
    for folder in filter(None, [os.path.join(code_folder, COLLECTION), code_folder] if code_folder else []):
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
    shipped = _shipped()
    if name in shipped:
        return (pkgutil.get_data(__package__, "%s/%s" % (SHIPPED, name)) or b"").decode()
    known = shipped | set(code) | _listed(os.path.join(code_folder, COLLECTION))
    raise BadSpecError("There is no pipeline config %r%s." % (name, did_you_mean(name, known)), "preset.config")


def _shipped() -> set[str]:
    """The names of the configs beside this file, which may lie in the zip that this program travels as."""
    folder = os.path.dirname(os.path.abspath(__file__))
    archive = getattr(globals().get("__loader__"), "archive", None)
    if archive is None:
        return set(_listed(os.path.join(folder, SHIPPED)))
    inside = "%s/%s/" % (os.path.relpath(folder, archive).replace(os.sep, "/"), SHIPPED)
    with zipfile.ZipFile(archive) as content:
        return {name[len(inside) :] for name in content.namelist() if name.startswith(inside)}


def _listed(folder: str) -> set[str]:
    return {name for name in (os.listdir(folder) if os.path.isdir(folder) else ()) if name.endswith(".config")}


def fit_dataset(pipeline: Any, splits: Mapping[str, Sequence[str]], label_map: str, highest: int) -> None:
    """Let the readers read the dataset's records, and every head have as many classes as the label map's highest id."""
    architecture(pipeline).num_classes = highest
    _set_reader(pipeline.train_input_reader, splits["train"][0], label_map)
    evaluated = next((splits[each] for each in EVALUATED if each in splits), None)
    if evaluated is None:
        del pipeline.eval_input_reader[:]
    else:
        fit_evaluation(pipeline, evaluated[0], label_map)


def fit_evaluation(pipeline: Any, records: str, label_map: str) -> None:
    """One evaluation input, read once in its order; mAP for every class besides."""
    del pipeline.eval_input_reader[1:]
    reader = pipeline.eval_input_reader[0] if pipeline.eval_input_reader else pipeline.eval_input_reader.add()
    _set_reader(reader, records, label_map)
    reader.shuffle, reader.num_epochs = False, 1
    settings = pipeline.eval_config
    if not any("coco" in name for name in settings.metrics_set):
        settings.metrics_set[:] = [*settings.metrics_set, "coco_detection_metrics"]
    settings.include_metrics_per_category = True


def _set_reader(reader: Any, records: str, label_map: str) -> None:
    reader.label_map_path = label_map
    reader.tf_record_input_reader.input_path[:] = [records]
    del reader.sample_from_datasets_weights[:]


def architecture(pipeline: Any) -> Any:
    """The message of the model's family (ssd, faster_rcnn, center_net), which holds its class count."""
    family = pipeline.model.WhichOneof("model")
    if family is None or "num_classes" not in getattr(pipeline.model, family).DESCRIPTOR.fields_by_name:
        raise BadSpecError("The pipeline config describes no model (ssd, faster_rcnn or center_net) whose classes can be set.", "model")
    return getattr(pipeline.model, family)


def prove(pipeline: Any) -> None:
    """Build the model and its optimizer once: what the library refuses, it refuses here."""
    from object_detection.builders import model_builder, optimizer_builder

    try:
        model_builder.build(pipeline.model, is_training=True)
        optimizer_builder.build(pipeline.train_config.optimizer)
    except Exception as error:
        raise BadSpecError("The pipeline config cannot be built: %s: %s" % (type(error).__name__, first_line(error)), "model") from error


def drop_drawing(pipeline: Any) -> list[str]:
    """Pillow 10 and later lack ``getsize``, with which the API draws what it evaluates: then it draws nothing. Returns notes."""
    import PIL

    if int(PIL.__version__.split(".", 1)[0]) < 10:
        return []
    pipeline.eval_config.num_visualizations = 0
    return ["The evaluation draws no pictures for TensorBoard: this API cannot with Pillow %s." % PIL.__version__]
