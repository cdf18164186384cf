"""The protocol buffers of TFRecord and label map, described at run time: nothing is generated, nothing of TensorFlow is needed.

Sources: tensorflow/core/example/{feature,example}.proto (proto3) and object_detection/protos/string_int_label_map.proto (proto2;
of an item only what a detection needs). The pool is our own, so that TensorFlow's own messages may live in the same process.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
BYTES, FLOATS, INTEGERS = KINDS = ("bytes_list", "float_list", "int64_list")
"""What a Feature may hold, by the names of its fields."""


def _example() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")
    lists = {"BytesList": _Field.TYPE_BYTES, "FloatList": _Field.TYPE_FLOAT, "Int64List": _Field.TYPE_INT64}
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (kind, (name, type_)) in enumerate(zip(KINDS, lists.items(), strict=True), start=1):
        file.message_type.add(name=name).field.add(name="value", number=1, label=_Field.LABEL_REPEATED, type=type_)
        _add(feature, kind, number, f".tensorflow.{name}").oneof_index = 0
    features = descriptor_pb2.DescriptorProto(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    _add(entry, "value", 2, ".tensorflow.Feature")
    _add(features, "feature", 1, ".tensorflow.Features.FeatureEntry", repeated=True)
    example = descriptor_pb2.DescriptorProto(name="Example")
    _add(example, "features", 1, ".tensorflow.Features")
    file.message_type.extend((feature, features, example))
    return file


def _label_map() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="label_map.proto", package="object_detection.protos", syntax="proto2")
    item = file.message_type.add(name="StringIntLabelMapItem")
    texts = {"name": _Field.TYPE_STRING, "id": _Field.TYPE_INT32, "display_name": _Field.TYPE_STRING}
    for number, (name, type_) in enumerate(texts.items(), start=1):
        item.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL, type=type_)
    _add(file.message_type.add(name="StringIntLabelMap"), "item", 1, ".object_detection.protos.StringIntLabelMapItem", repeated=True)
    return file


def _add(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, type_name: str, *, repeated: bool = False
) -> descriptor_pb2.FieldDescriptorProto:
    """Add a field that holds a message."""
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    return message.field.add(name=name, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=type_name)


def _class(file: descriptor_pb2.FileDescriptorProto, name: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


Example: Any = _class(_example(), "Example")
Features: Any = _class(_example(), "Features")
LabelMap: Any = _class(_label_map(), "StringIntLabelMap")
