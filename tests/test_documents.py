"""Whatever a document lists that the code also knows is held against the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bot.__main__ import TERMINAL_ONLY
from bot.commands import verbs
from bot.settings import SlackSettings
from bot.verb import Topic, Verb
from recipes.checks.check import WORDS
from recipes.formats import Format, formats
from recipes.recipe import library, load_recipe
from recipes.transforms import transforms
from recipes.yaml_lines import read_yaml
from runner import crash_points
from runner.frameworks import all_frameworks
from runner.presets import load_presets
from runner.settings import Settings
from runner.states import Reason, State

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GUIDE = ROOT / "deploy" / "README.md"
RECIPES_GUIDE = ROOT / "deploy" / "recipes.md"
FRAMEWORKS_GUIDE = ROOT / "deploy" / "frameworks.md"
SAMPLE = ROOT / "deploy" / "settings.sample.yaml"
SOURCES = ("bot", "runner", "recipes")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _sources(suffixes: tuple[str, ...] = (".py", ".sh")) -> dict[str, str]:
    paths = (path for package in SOURCES for path in (ROOT / package).rglob("*") if path.suffix in suffixes)
    return {str(path.relative_to(ROOT)): _text(path) for path in paths}


# Settings


def _flat(group: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in group.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def test_the_sample_of_settings_has_every_key_with_the_default_of_the_code() -> None:
    code = Settings().model_dump(mode="json") | {"slack": SlackSettings().model_dump(mode="json")}
    sample = read_yaml(SAMPLE).data
    assert isinstance(sample, dict)

    assert _flat(sample) == _flat(code)


def test_the_sample_of_settings_is_accepted_as_it_is() -> None:
    settings = read_yaml(SAMPLE).parse(Settings)

    assert settings.model_copy(update={"slack": {}}) == Settings()
    assert SlackSettings.model_validate(settings.slack) == SlackSettings()


def test_every_setting_is_used() -> None:
    code = "\n".join(text for name, text in _sources((".py",)).items() if name not in ("runner/settings.py", "bot/settings.py"))
    last_names = {key.rsplit(".", 1)[-1] for key in _flat(Settings().model_dump() | {"slack": SlackSettings().model_dump()})}
    through_a_method = {"state_folder", "zone", "viewers", "members", "operators", "admins", "slack"}

    assert {name for name in last_names - through_a_method if f".{name}" not in code} == set()


# Commands


def _command_table() -> str:
    """The list of commands as README.md has to show it."""
    lines = []
    for topic in Topic:
        for verb in sorted((verb for verb in verbs().values() if verb.topic is topic), key=lambda verb: verb.name):
            help_line = " ".join((verb.command.help or "").split()).replace("|", "\\|")
            lines.append(f"| {topic.value} | `{verb.name}` | {help_line} |")
    return "\n".join(["| | command | |", "|---|---|---|", *lines])


def test_the_readme_lists_the_commands_as_the_tree_has_them() -> None:
    found = re.search(r"<!-- commands -->\n(.*?)\n?<!-- /commands -->", _text(README), re.DOTALL)

    assert found, "README.md has lost the marks around its list of commands"
    assert found[1] == _command_table(), f"README.md should have, between its marks:\n{_command_table()}"


def _shown_commands(path: Path) -> set[str]:
    """What a document tells people to type: after `signalbox` at the head of a command, and after `/train`."""
    return set(re.findall(r"(?:^signalbox|bin/signalbox|`signalbox|/train) ([a-z]+)", _text(path), re.MULTILINE))


@pytest.mark.parametrize("path", [README, GUIDE], ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_only_commands_that_exist(path: Path) -> None:
    named = _shown_commands(path)

    assert named
    assert named - set(verbs()) - set(TERMINAL_ONLY) == set()


def test_the_readme_lists_the_commands_of_the_terminal_alone() -> None:
    paragraph = re.search(r"In the terminal only: (.*?)\n\n", _text(README), re.DOTALL)

    assert paragraph
    assert set(re.findall(r"`signalbox ([a-z]+)`", paragraph[1])) == set(TERMINAL_ONLY)
    assert set(TERMINAL_ONLY) & set(verbs()) == set()


@pytest.mark.parametrize("verb", verbs().values(), ids=lambda verb: str(verb.name))
def test_every_command_has_help_and_an_example_of_itself(verb: Verb) -> None:
    assert verb.command.help
    assert verb.examples
    assert all(example.split()[0] == verb.name for example in verb.examples)


@pytest.mark.parametrize("path", [README, GUIDE], ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_only_make_targets_that_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text(ROOT / "Makefile"), re.MULTILINE))

    assert set(re.findall(r"`?make ([a-z-]+)", re.sub(r"`make`,", "", _text(path)))) - targets == set()


def test_files_that_documents_point_at_exist() -> None:
    for path in (README, GUIDE):
        named = re.findall(r"deploy/[\w.-]+\.(?:yaml|md|service|timer|sh)", _text(path))
        assert [name for name in named if not (ROOT / name).exists()] == []


# Words


def test_states_that_documents_name_are_those_of_the_code() -> None:
    known = {*State, *Reason}

    shown = set(re.findall(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b|\b[A-Z]{6,}\b", _text(README)))

    assert {str(state) for state in State} <= shown
    assert {word for word in shown if not word.startswith(("SLACK_", "HEADLESS", "README"))} <= {str(word) for word in known}


# Installing


def _requirements() -> list[Requirement]:
    project = tomllib.loads(_text(ROOT / "pyproject.toml"))["project"]
    return [Requirement(text) for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]]


def test_the_lock_pins_everything_that_the_project_asks_for() -> None:
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", _text(ROOT / "requirements.lock"), re.MULTILINE))
    locked = {canonicalize_name(name): version for name, version in locked.items()}

    lacking = [str(wanted) for wanted in _requirements() if locked.get(canonicalize_name(wanted.name), "") not in wanted.specifier]

    assert lacking == [], "run `make lock`"


def test_the_lock_names_no_place_to_install_from() -> None:
    assert not re.search(r"https?://|--index|--extra-index|--find-links|file:/", _text(ROOT / "requirements.lock"))


# Crash points


@pytest.mark.parametrize("name", crash_points.NAMES)
def test_every_crash_point_lies_in_the_code_and_is_visited_by_a_test(name: str) -> None:
    group = name.split(".", maxsplit=1)[0].upper()
    visited = re.compile(rf"{re.escape(name)}\b|\bcrash_points(?:\.| import .*\b)(?:NAMES|{group})\b")
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__))

    assert any(name in text for place, text in _sources().items() if place != "runner/crash_points.py"), "no such place in the code"
    assert any(visited.search(_text(path)) for path in tests), "no test visits it"


# Recipes


def _recipe_tables() -> dict[str, list[str]]:
    """The tables of deploy/recipes.md as the code has them."""
    ways = {(True, True): "read, write", (True, False): "read", (False, True): "write"}
    return {
        "recipes": ["| recipe | |", "|---|---|", *(f"| `{name}` | {load_recipe(name).title} |" for name in library())],
        "formats": [
            "| format | | | options |",
            "|---|---|---|---|",
            *(
                f"| `{entry.name}` | {entry.title} | {ways[bool(entry.read), bool(entry.write)]} | {_options(entry)} |"
                for entry in formats().values()
            ),
        ],
        "transforms": [
            "| transform | parameters |",
            "|---|---|",
            *(f"| `{entry.name}` | {_in_one_line(entry.parameters.__doc__)} |" for entry in transforms().values()),
        ],
        "findings": ["| | |", "|---|---|", *(f"| {severity} | {words} |" for severity, words in sorted(WORDS.values()))],
    }


def _preset_table() -> str:
    """The table of deploy/frameworks.md as the code has it."""
    rows = sorted(load_presets().values(), key=lambda preset: (preset.framework, preset.name))
    lines = [f"| `{each.name}` | {each.framework} | {each.description} |" for each in rows]
    return "\n".join(["| preset | framework | |", "|---|---|---|", *lines])


def test_the_guide_to_frameworks_lists_every_preset_and_framework() -> None:
    text = _text(FRAMEWORKS_GUIDE)
    found = re.search(r"<!-- presets -->\n(.*?)\n?<!-- /presets -->", text, re.DOTALL)

    assert found, f"{FRAMEWORKS_GUIDE} has lost the marks around its presets"
    assert found[1] == _preset_table(), f"{FRAMEWORKS_GUIDE} should have, between its marks:\n{_preset_table()}"
    assert [name for name in all_frameworks() if f"`{name}`" not in text] == []


def _options(entry: Format) -> str:
    named = dict.fromkeys([*entry.read_options.model_fields, *entry.write_options.model_fields])
    return ", ".join(f"`{name}`" for name in named)


def _in_one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


@pytest.mark.parametrize("name", ["recipes", "formats", "transforms", "findings"])
def test_the_guide_to_recipes_lists_what_there_is(name: str) -> None:
    found = re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", _text(RECIPES_GUIDE), re.DOTALL)
    wanted = "\n".join(_recipe_tables()[name])

    assert found, f"{RECIPES_GUIDE} has lost the marks around its {name}"
    assert found[1] == wanted, f"{RECIPES_GUIDE} should have, between its marks:\n{wanted}"
