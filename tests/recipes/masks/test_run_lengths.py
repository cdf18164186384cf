from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from recipes.dataset import RunLengths
from recipes.errors import FormatError
from recipes.masks import run_lengths
from recipes.pictures.pixels import Crop, Edit, Flip, Resize, Shift

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2


@st.composite
def pixels(draw: st.DrawFn) -> np.ndarray:
    """A small mask."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    bits = draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    return np.array(bits, dtype=np.uint8).reshape(height, width)


EDITS = st.one_of(
    st.builds(Shift, st.integers(-14, 14), st.integers(-14, 14)),
    st.builds(Flip, st.sampled_from(["horizontal", "vertical"])),
    st.builds(Resize, st.integers(1, 25), st.integers(1, 25)),
    st.builds(Crop, st.integers(-5, 14), st.integers(-5, 14), st.integers(1, 14), st.integers(1, 14)),
)


def encoded(mask: np.ndarray) -> RunLengths:
    text = coco.encode(np.asfortranarray(mask))["counts"].decode()
    return RunLengths(mask.shape[0], mask.shape[1], text)


def decoded(mask: RunLengths) -> np.ndarray:
    """By pycocotools, from text or from numbers."""
    size = [mask.height, mask.width]
    if isinstance(mask.counts, str):
        return coco.decode({"size": size, "counts": mask.counts.encode()})
    return coco.decode(coco.frPyObjects({"size": size, "counts": list(mask.counts)}, *size))


def edited(mask: np.ndarray, edit: Edit) -> np.ndarray:
    """Pixel by pixel: each takes what its centre falls on."""
    height, width = mask.shape
    place = edit.placement(width, height)
    result = np.zeros((place.height, place.width), np.uint8)
    for row in range(place.height):
        for column in range(place.width):
            x = int(np.floor((column + 0.5 - place.left) / place.scale_x + 1e-9))
            y = int(np.floor((row + 0.5 - place.top) / place.scale_y + 1e-9))
            if 0 <= x < width and 0 <= y < height:
                result[row, column] = mask[y, x]
    return result


@settings(max_examples=200, deadline=None)
@given(mask=pixels(), edit=EDITS)
def test_masks_move_as_pixels_do(mask: np.ndarray, edit: Edit) -> None:
    runs = encoded(mask)
    moved = run_lengths.placed(runs, edit.placement(runs.width, runs.height))
    assert np.array_equal(decoded(moved), edited(mask, edit))
    assert run_lengths.area(moved) == decoded(moved).sum()
    numbers = RunLengths(runs.height, runs.width, run_lengths.counts_of(runs))
    again = run_lengths.placed(numbers, edit.placement(runs.width, runs.height))
    assert again.counts == run_lengths.counts_of(moved), "numbers stay numbers, text stays text"


@settings(max_examples=100, deadline=None)
@given(mask=pixels())
def test_reads_and_writes_what_pycocotools_does(mask: np.ndarray) -> None:
    runs = encoded(mask)
    counts = run_lengths.counts_of(runs)
    assert run_lengths.compressed(counts) == runs.counts
    parts = run_lengths.segments(runs)
    assert run_lengths.from_segments(parts, width=runs.width, height=runs.height, as_text=True) == runs
    assert run_lengths.area(runs) == mask.sum()


def test_long_runs_over_many_columns() -> None:
    runs = RunLengths(720, 1280, (5, 720 * 1280 - 10, 5))
    assert run_lengths.placed(runs, Shift(0, 0).placement(1280, 720)) == runs
    assert run_lengths.compressed(run_lengths.counts_of(runs)) == "5foSl05"
    assert decoded(RunLengths(720, 1280, "5foSl05")).sum() == 720 * 1280 - 10
    assert run_lengths.area(run_lengths.placed(runs, Resize(640, 360).placement(1280, 720))) == 640 * 360 - 3


@pytest.mark.parametrize("counts", ["", "abc", "5f", "~~", "\x00", "é", "oooooooooooooooooooo", (3, 4), (1, -1, 12), "5fR`"])
def test_refuses_what_is_no_mask(counts: str | tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="run lengths"):
        run_lengths.counts_of(RunLengths(3, 4, counts))


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=40) | st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=40))
def test_any_text_is_a_mask_or_refused(text: str) -> None:
    try:
        counts = run_lengths.counts_of(RunLengths(3, 4, text))
    except FormatError:
        return
    assert sum(counts) == 12
