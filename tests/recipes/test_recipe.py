from __future__ import annotations

from pathlib import Path

import pytest

from recipes.errors import DatasetError, DocumentError, RecipeError
from recipes.recipe import RESERVED, library, load_recipe

GOOD = """\
name: mine
title: Mine
read:
  format: vatic
steps:
  - drop_flagged: {flags: [lost]}
  - drop_tiny
  - split:
      val: 0.3
write:
  format: coco
"""


def written(tmp_path: Path, text: str) -> str:
    (tmp_path / "mine.yaml").write_text(text)
    return str(tmp_path / "mine.yaml")


def test_the_library_recipe_does_exactly_what_it_says() -> None:
    recipe = load_recipe("vatic-to-coco")
    assert [step.transform.name for step in recipe.steps] == ["drop_flagged", "split"]
    assert recipe.parameters()["steps"][0] == {"drop_flagged": {"flags": ["lost", "occluded"]}}
    assert recipe.parameters()["steps"][1]["split"]["by"] == "track_and_time"
    assert recipe.describe().splitlines() == [
        "VATIC video annotations to COCO, for training.",
        "1. Read VATIC's dump with the frames of its videos.",
        "2. Leave out boxes that are lost or occluded.",
        "3. Split by track and time, 5 frames apart (train 80%, val 20%).",
        "4. Write COCO detection JSON.",
    ]


def test_a_file_a_bare_transform_and_overrides(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, GOOD), ["gap=9", "split.val=0.1", "drop_flagged.flags=[occluded]", "offset=1", "tracks=whole"])
    split = recipe.parameters()["steps"][2]["split"]
    assert (split["gap"], split["val"], split["tracks"]) == (9, 0.1, "whole")
    assert recipe.parameters()["steps"][0]["drop_flagged"]["flags"] == ["occluded"]
    assert recipe.parameters()["read"] == {"format": "vatic", "offset": 1, "missing_frames": "refuse"}


def test_from_to_is_a_recipe_without_steps() -> None:
    recipe = load_recipe("vatic:coco")
    assert (recipe.name, recipe.steps, recipe.writer.name) == ("vatic-to-coco", (), "coco")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("drop_tiny", "drop_tny", "mine.yaml, line 7, steps.1: There is no transform 'drop_tny'. Did you mean 'drop_tiny'?"),
        ("val: 0.3", "val: much", "mine.yaml, line 9, steps.2.split.val: Input should be a valid number"),
        ("val: 0.3", "vla: 0.3", "mine.yaml, line 9, steps.2.split.vla: There is no such key here."),
        ("val: 0.3", "val: 0.6\n      test: 0.6", "line 8, steps.2.split: val and test together leave nothing to train on."),
        ("[lost]", "[losst]", "mine.yaml, line 6, steps.0.drop_flagged.flags.0: Input should be 'lost'"),
        ("format: vatic", "format: vatik", "mine.yaml, line 4, read.format: There is no format 'vatik'. Did you mean 'vatic'?"),
        ("format: coco", "format: kitti", "mine.yaml, line 11, write.format: The format 'kitti' cannot be written."),
        ("title: Mine\n", "", "title: This key is missing."),
        ("title: Mine", "titel: Mine", "titel: There is no such key here."),
        ("name: mine", "name: My Recipe", "line 1, name: String should match pattern"),
        ("title: Mine", "title: [", "line 4: This is not YAML"),
        ("title: Mine", "title: A\ntitle: B", "line 3: The key 'title' stands here twice."),
        ("title: Mine", "title: &a A\nname2: *a", "line 3: Aliases (*name) are not allowed."),
        ("title: Mine", "title: !!python/object/apply:os.system [ls]", "title"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_key(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load_recipe(written(tmp_path, GOOD.replace(old, new)))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("gap", "'gap' is no key=value."),
        ("gp=3", "The recipe has no parameter 'gp'. Did you mean 'gap'?"),
        ("spit.gap=3", "The recipe has no parameter 'spit.gap'. Did you mean 'split.gap'?"),
        ("gap=many", "split.gap: Input should be a valid integer"),
        ("gap=[", "This is not YAML"),
    ],
)
def test_overrides_are_typed(override: str, says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load_recipe("vatic-to-coco", [override])
    assert says in str(caught.value)


def test_a_key_that_several_parts_know_needs_its_part(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("format: vatic", "format: coco") + "  # twice\n")
    text = Path(path).read_text().replace("  - drop_tiny\n", "  - clip\n  - classes: {keep: [a]}\n  - drop_flagged: {flags: [difficult]}\n")
    with pytest.raises(RecipeError, match=r"Say drop_flagged.flags or drop_flagged2.flags"):
        load_recipe(written(tmp_path, text), ["flags=[lost]"])
    recipe = load_recipe(written(tmp_path, text), ["drop_flagged2.flags=[crowd]"])
    assert recipe.parameters()["steps"][3] == {"drop_flagged": {"flags": ["crowd"]}}


def test_unknown_recipes_are_hinted_at() -> None:
    with pytest.raises(RecipeError, match=r"Did you mean 'vatic-to-coco'\?"):
        load_recipe("vatic-to-cocoo")
    with pytest.raises(RecipeError, match="There is no format 'voc2'"):
        load_recipe("voc2:coco")
    with pytest.raises(DocumentError, match="cannot be read"):
        load_recipe("gone.yaml")


def test_no_recipe_has_the_name_of_a_command() -> None:
    assert not RESERVED & set(library())
