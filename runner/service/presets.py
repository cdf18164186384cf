"""What people may train: the presets, with the datasets' formats that their frameworks read."""

from __future__ import annotations

from collections.abc import Mapping

from runner.presets import load_presets
from runner.service.house import House
from runner.specs import Preset


def all_presets(house: House) -> Mapping[str, Preset]:
    """Every preset by name, those of the extension folders included."""
    return load_presets(house.settings.extensions)
