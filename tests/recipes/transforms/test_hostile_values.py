"""Whatever a reader passes on, every transform gives a dataset or a named error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import ALONE
from recipes.errors import DatasetError
from recipes.ledger import Ledger
from recipes.transforms import Transform, transforms

pytestmark = pytest.mark.slow

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "classes": [{"drop": ["fish"]}],
    "clip": [{}, {"min_visible": 1.0}],
    "dedupe": [{"near": 3}],
    "drop_border": [{}, {"margin": 1e9}],
    "drop_flagged": [{"flags": ["lost"]}],
    "flip": [{}, {"axis": "vertical", "keep_original": False}],
    "resize": [{"width": 3, "height": 700, "fit": "stretch", "enlarge": True}, {"longest": 5, "fit": "pad"}],
    "sample": [{"share": 0.5, "stratify": True}, {"every": 3}],
    "shift": [{"border": "drop"}, {"semantics": "reference"}, {"offsets": [[-65500, 65500]]}],
    "split": [{"by": "image", "stratify": True}, {"by": "attribute", "attribute": "camera"}, {}],
    "split_lists": [{"lists": {"a": ["0.jpg"]}, "rest": "b"}],
    "tile": [{"width": 64, "height": 64, "min_visible": 0.0}, {"width": 16, "height": 30, "overlap": 8, "empty": "drop"}],
}
numbers = st.floats(width=32) | st.integers(-50, 250).map(float) | st.just(1e308)
polygons = st.lists(st.lists(numbers, max_size=9).map(tuple), max_size=3).map(lambda parts: Polygons(tuple(parts)))
counts = st.lists(st.integers(-3, 60), max_size=6).map(tuple) | st.text(max_size=8) | st.just((0, 200 * 100)) | st.just((1, 3, 19996))
run_lengths = st.builds(RunLengths, st.just(100) | st.integers(1, 40), st.just(200) | st.integers(1, 40), counts)
annotations = st.builds(
    Annotation,
    st.sampled_from(["fish", "shark", "unheard of"]),
    numbers,
    numbers,
    numbers,
    numbers,
    flags=st.sets(st.sampled_from(list(Flag))).map(frozenset),
    track=st.none() | st.integers(-1, 3),
    mask=st.none() | polygons | run_lengths,
    mask_area=st.none() | numbers,
    attributes=st.none() | st.dictionaries(st.just("camera"), st.none() | st.integers() | st.text() | st.lists(st.integers(), max_size=2)),
)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    records = [
        ImageRecord(
            draw(st.sampled_from([f"{number}.jpg", f"d/{number}", f"{number}", "0.jpg"])),
            None,
            draw(st.just(200) | st.integers(1, 300)),
            draw(st.just(100) | st.integers(1, 300)),
            tuple(draw(st.lists(annotations, max_size=3))),
            video=draw(st.none() | st.just("v")),
            frame=draw(st.none() | st.integers(0, 40)),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    return Dataset(("fish", "shark"), lambda chunk, _: iter(records[chunk : chunk + 1]), len(records), len(records))


@pytest.mark.parametrize("transform", [one for one in transforms().values() if one.name != "merge"], ids=lambda one: one.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_values_give_a_dataset_or_a_named_error(transform: Transform, data: st.DataObject) -> None:
    dataset = data.draw(datasets())
    for parameters in PARAMETERS.get(transform.name, [{}]):
        try:
            result = transform.apply(dataset, transform.parameters(**parameters), ALONE)
            for record in result.stream(Ledger()):
                assert record.width > 0
                assert record.height > 0
        except DatasetError as error:
            assert error.message
