"""Plots: the right size in both themes, any input, and nothing of matplotlib before it is needed."""

from __future__ import annotations

import math
import subprocess
import sys
from io import BytesIO

import pytest
from PIL import Image

from bot.plots.canvas import Theme
from bot.plots.datasets import box_size_map, class_bars
from bot.plots.trainings import class_aps, curve, overlay, rates
from recipes.checks.box_sizes import BoxSizes, BoxSizeTally
from recipes.dataset import Annotation, ImageRecord
from recipes.observing import SplitCount
from runner.entities import Evaluation, Progress

PROGRESS = [Progress(epoch, iteration, 8, loss=3.0 / (8 * epoch + iteration)) for epoch in range(1, 13) for iteration in range(1, 9)]
EVALUATIONS = [Evaluation(epoch, "bbox", ap=0.6 * epoch / 12, ap50=0.9 * epoch / 12) for epoch in range(1, 13)]


def colours(picture: bytes) -> set[tuple[int, int, int]]:
    image = Image.open(BytesIO(picture)).convert("RGB")
    assert image.size == (1000, 750)
    return {colour for _, colour in image.getcolors(maxcolors=1_000_000) or [] if isinstance(colour, tuple)}


LOSS, AP, AP50 = (0x8A, 0x8F, 0x98), (0x12, 0x64, 0xA3), (0x2F, 0x9E, 0x77)


@pytest.mark.parametrize(("theme", "paper"), [("light", (255, 255, 255)), ("dark", (0x1A, 0x1D, 0x21))])
def test_both_themes(theme: Theme, paper: tuple[int, int, int]) -> None:
    picture = curve(PROGRESS, EVALUATIONS, title="r-7f3k", theme=theme)
    assert Image.open(BytesIO(picture)).convert("RGB").getpixel((2, 2)) == paper
    assert paper in colours(picture)


def test_loss_ap_and_ap50_are_drawn() -> None:
    assert {LOSS, AP, AP50} <= colours(curve(PROGRESS, EVALUATIONS, title="all"))
    assert AP not in colours(curve(PROGRESS, [], title="no evaluation"))
    assert LOSS not in colours(curve([], EVALUATIONS, title="no loss"))


@pytest.mark.parametrize(
    ("progress", "evaluations"),
    [
        ([], []),
        (PROGRESS[:1], EVALUATIONS[:1]),
        ([Progress(1, 1, 8, loss=math.nan), Progress(1, 2, 8), Progress(1, 3, 8, loss=math.inf)], [Evaluation(1, "bbox", ap=None)]),
        ([Progress(1, 1, 0, loss=0.0)], [Evaluation(1, "bbox", ap=math.nan, ap50=math.nan)]),
        ([Progress(1, 1, 8, loss=-5.0), Progress(1, 2, 8, loss=1e12)], [Evaluation(0, "segm", ap=0.0)]),
        ([Progress(5, 1, 8, loss=1.0), Progress(3, 1, 8, loss=1.0)], [Evaluation(3, "bbox", 0.1), Evaluation(3, "bbox", 0.2)]),
    ],
    ids=["empty", "one point", "not numbers", "zero", "extremes", "resumed"],
)
def test_any_input_gives_a_picture(progress: list[Progress], evaluations: list[Evaluation]) -> None:
    assert colours(curve(progress, evaluations, title="$x_$ <!channel> " * 20))


def test_masks_have_a_line_beside_that_of_boxes_and_none_alone() -> None:
    boxes, masks = ([Evaluation(epoch, task, epoch / 10) for epoch in (1, 2, 3)] for task in ("bbox", "segm"))
    lower = [Evaluation(epoch, "segm", epoch / 20) for epoch in (1, 2, 3)]
    assert len({curve([], evaluations, title="t") for evaluations in (boxes, [*boxes, *lower], [*boxes, *masks])}) == 3
    assert curve([], masks, title="t") == curve([], boxes, title="t")


def test_no_number_at_all_says_so_instead_of_an_empty_frame() -> None:
    assert curve([], [], title="t") == curve([Progress(1, 1, 8, loss=math.nan)], [], title="t")


def test_the_same_training_gives_the_same_bytes() -> None:
    assert curve(PROGRESS, EVALUATIONS, title="t") == curve(PROGRESS, EVALUATIONS, title="t")


def test_a_long_training_is_drawn_in_good_time() -> None:
    long = [Progress(epoch, iteration, 1000, loss=1.0) for epoch in range(1, 101) for iteration in range(1, 1001)]
    assert LOSS in colours(curve(long, [], title="long"))


def test_matplotlib_is_loaded_only_by_drawing_and_pyplot_never() -> None:
    program = (
        "import sys; from bot.plots import trainings; assert 'matplotlib' not in sys.modules; trainings.curve([], [], title='t');"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def sizes(*sides: float) -> BoxSizes:
    tally = BoxSizeTally()
    tally(ImageRecord("a", None, 640, 480, tuple(Annotation("cod", 0, 0, side, side) for side in sides)))
    return tally.value()


SPLITS = {"train": SplitCount(1, 30, {"cod": 30, "$eel$": 0}), "val": SplitCount(1, 9, {"cod": 8, "$eel$": 1})}
FIRST_SPLIT, SECOND_SPLIT = (0x12, 0x64, 0xA3), (0x2F, 0x9E, 0x77)


def test_bars_have_the_colours_of_their_splits() -> None:
    assert {FIRST_SPLIT, SECOND_SPLIT} <= colours(class_bars({"cod": 38, "$eel$": 1}, SPLITS, title="fish@1"))
    assert SECOND_SPLIT not in colours(class_bars({"cod": 38}, {}, title="fish@1"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "classes", [{}, {"cod": 0}, {f"class {number} <!channel> $x_$ " * 9: number for number in range(300)}], ids=["none", "no box", "many"]
)
def test_any_classes_give_bars(theme: Theme, classes: dict[str, int]) -> None:
    assert colours(class_bars(classes, {}, title="$x_$ " * 30, theme=theme))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sides", [(), (0.2,), (1e9, 3), (8191,), tuple(range(1, 2000, 3))], ids=["none", "tiny", "huge", "last", "many"])
def test_any_sizes_give_a_map(theme: Theme, sides: tuple[float, ...]) -> None:
    assert colours(box_size_map(sizes(*sides), title="fish@1", theme=theme))


def test_the_same_dataset_gives_the_same_bytes() -> None:
    assert box_size_map(sizes(3, 40), title="t") == box_size_map(sizes(3, 40), title="t")
    assert class_bars({"cod": 1}, SPLITS, title="t") == class_bars({"cod": 1}, SPLITS, title="t")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_learning_rates_and_several_trainings_and_their_classes_are_drawn(theme: Theme) -> None:
    with_rates = [Progress(each.epoch, each.iteration, 8, loss=each.loss, lr=0.1 / each.epoch) for each in PROGRESS]
    several = [(f"r-{place}", with_rates, EVALUATIONS[place:]) for place in range(6)]
    aps = [(f"r-{place}", {"<!channel> $x$": 0.1 * place, "cod": 0.5, "eel": None}) for place in range(6)]
    drawn = [rates(with_rates, title="r", theme=theme), overlay(several, title="r", theme=theme), class_aps(aps, title="r", theme=theme)]
    assert all(len(colours(picture)) > 3 for picture in drawn)


def test_nothing_to_draw_is_drawn_as_such() -> None:
    for picture in (rates([], title="r"), overlay([("a", [], []), ("b", [], [])], title="r"), class_aps([("a", {})], title="r")):
        assert colours(picture)
