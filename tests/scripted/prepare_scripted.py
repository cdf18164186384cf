"""The scripted framework's prepare program: the scenario is the preset's options, changed by ``key=value`` options and overrides."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def pictures(request: dict) -> list[str]:
    """What a prediction reads, relative to the attempt's directory; of a split only the names that lie beside this are known."""
    spec = request["spec"]
    if spec.get("files"):
        return [f"data/inputs/{file['name']}" for file in spec["files"]]
    count = request["dataset"]["images"].get(spec.get("split"), 0) if spec["kind"] == "predict" else 0
    return [f"data/images/{spec['split']}_{number}.jpg" for number in range(1, count + 1)]


def identify(request: dict) -> int:
    """What is there; an environment whose SCRIPTED_LACKS names something lacks that."""
    lacks = os.environ.get("SCRIPTED_LACKS")
    if lacks:
        print(json.dumps({"error": {"sentence": f"This environment lacks {lacks}.", "where": "code"}}))
        return 3
    revision = os.environ.get("SCRIPTED_REVISION", "scripted-1")
    print(json.dumps({"python": "3", "code": request["code"], "revision": revision, "fingerprint": f"of {revision}"}))
    return 0


def main() -> int:
    if sys.argv[1] not in ("prepare", "identify"):
        sys.exit("usage: prepare_scripted prepare|identify < request.json")
    request = json.load(sys.stdin)
    if sys.argv[1] == "identify":
        return identify(request)
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
    if spec["kind"] == "train" and spec["start"]["mode"] == "resume":  # goes on as the checkpoint was, unless asked otherwise
        scenario |= {key: kept[key] for key in ("epochs", "lr") if key in kept and overrides[key] is None}
    if spec["kind"] == "train" and spec["start"]["mode"] == "finetune" and chosen:
        scenario["load_from"] = chosen[0]
    if spec["kind"] != "train" and chosen is None:
        print(json.dumps({"error": {"sentence": "There is no whole checkpoint to use.", "where": "model"}}))
        return 3
    print(json.dumps({
        "values": {"pictures": pictures(request)},
        "config": json.dumps(scenario), "epochs": scenario["epochs"], "batch": preset["batch"], "lr": scenario["lr"],
        "revision": os.environ.get("SCRIPTED_REVISION", "scripted-1"),
        "checkpoint": chosen and chosen[0], "checkpoint_epoch": chosen and chosen[1], "refused": refused,
    }))
    return 0


if __name__ == "__main__":
    sys.exit(main())
