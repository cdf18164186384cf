"""The scripted framework's prepare program: the scenario is the preset's options, changed by ``key=value`` options and overrides."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    request = json.load(sys.stdin)
    spec = request["spec"]
    preset, overrides = spec["preset"], spec["overrides"]
    scenario = dict(preset["options"]) | {"epochs": overrides["epochs"] or preset["epochs"], "lr": overrides["lr"] or preset["lr"]}
    for option in overrides["options"]:
        key, _, value = option.partition("=")
        if key not in scenario:
            print(json.dumps({"error": {"sentence": f"The scripted program has no option {key!r}.", "where": "options"}}))
            return 3
        scenario[key] = json.loads(value)
    refused, chosen, kept = [], None, {}
    for path in request["checkpoints"]:
        try:
            kept = json.loads(Path(path).read_text())
            chosen = (path, kept["epoch"])
            break
        except (OSError, ValueError) as error:
            refused.append((path, str(error)))
    if spec["start"]["mode"] == "resume":  # goes on as the checkpoint was, unless asked otherwise
        scenario |= {key: kept[key] for key in ("epochs", "lr") if key in kept and overrides[key] is None}
    print(json.dumps({
        "config": json.dumps(scenario), "epochs": scenario["epochs"], "batch": preset["batch"], "lr": scenario["lr"],
        "revision": "scripted-1",
        "checkpoint": chosen and chosen[0], "checkpoint_epoch": chosen and chosen[1], "refused": refused,
    }))
    return 0


if __name__ == "__main__":
    sys.exit(main())
