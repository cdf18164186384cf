"""What deploy/monitoring ships: Prometheus' and Alertmanager's own tools accept it, and it asks for nothing that /metrics lacks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bot.grammar import answer
from bot.settings import WebTokens
from bot.web import Served
from runner.settings import Role
from tests.support.slack_house import free_port, until
from tests.support.web_client import web_client
from tests.support.words_house import add_dataset, at_work, somebody, training, words_house

SHIPPED = Path(__file__).parent.parent / "deploy" / "monitoring"
COLUMNS = 24
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed (Debian: prometheus-alertmanager)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder as somebody copied it, with their token."""
    copied = tmp_path / "prometheus"
    shutil.copytree(SHIPPED, copied)
    (copied / "signalbox-metrics-token").write_text("m" * 16)
    return copied


def accepted(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize(
    "words", ["check config prometheus.yml", "check rules signalbox-rules.yml", "test rules signalbox-rules.test.yml"]
)
def test_promtool_accepts_configuration_and_rules(folder: Path, words: str) -> None:
    accepted(folder, "promtool", *words.split())


@needs_amtool
def test_amtool_accepts_the_configuration(folder: Path) -> None:
    accepted(folder, "amtool", "check-config", "alertmanager.yml")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((SHIPPED / "signalbox-rules.yml").read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHIPPED / "grafana-dashboard.json").read_text())
    return found


def asked() -> list[str]:
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def test_rules_and_dashboard_ask_for_figures_that_there_are_and_for_all_of_them(tmp_path: Path) -> None:
    with web_client(Served(words_house(tmp_path))) as client:
        families = dict(re.findall(r"^# TYPE (\S+) (\w+)$", client.get("/metrics").text, re.MULTILINE))
    there = set(families)
    for name, kind in families.items():
        there |= {f"{name}{end}" for end in {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}.get(kind, ())}
    named = {name for text in [*asked(), *(rule["expr"] for rule in rules())] for name in re.findall(r"\bsignalbox_\w+", text)}
    assert named - there == set()
    shown = {name for name in families if not name.endswith("_created")}
    assert {name for name in shown if not any(one.startswith(name) for one in named)} == set(), "the dashboard leaves these out"



@needs_promtool
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    recorded = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(asked())]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    accepted(tmp_path, "promtool", "check", "rules", "queries.yml")


@needs_promtool
def test_promtool_has_nothing_to_say_against_the_figures(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    at_work(house, training(house))
    with web_client(Served(house)) as client:
        told = client.get("/metrics").text
    checked = subprocess.run(["promtool", "check", "metrics"], input=told, capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
def test_a_real_prometheus_scrapes_it_with_its_token(folder: Path) -> None:
    scraped, port = words_house(folder / "house"), free_port()
    configuration = (folder / "prometheus.yml").read_text().replace("15s", "1s")
    with web_client(Served(scraped, WebTokens(metrics="m" * 16))) as client:
        (folder / "prometheus.yml").write_text(configuration.replace("9464", str(client.base_url.port)))
        command = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
        with subprocess.Popen(command, cwd=folder) as prometheus:
            try:
                def ask(query: str) -> list[dict[str, Any]]:
                    try:
                        told = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}, timeout=20).raise_for_status()
                    except httpx.HTTPError:  # it listens before it is ready
                        return []
                    return list(told.json()["data"]["result"])

                [up] = until(lambda: ask("up == 1"), timeout_s=60, what="a scrape")
                assert up["metric"]["job"] == "signalbox"
                [age] = ask('signalbox_heartbeat_age_seconds{process="runner"}')
                assert age["metric"]["process"] == "runner"
            finally:
                prometheus.kill()


def test_the_dashboard_is_shaped_as_grafana_reads_it() -> None:
    board = dashboard()
    assert {"title", "uid", "schemaVersion", "time", "panels", "templating"} <= board.keys()
    assert [each["type"] for each in board["templating"]["list"]] == ["datasource"]
    source, taken = {"type": "prometheus", "uid": "${datasource}"}, set()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    for panel in board["panels"]:
        assert panel["type"] in ("stat", "timeseries") and panel["title"] and panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= COLUMNS and not cells & taken, panel["title"]
        taken |= cells


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    tested = (SHIPPED / "signalbox-rules.test.yml").read_text()
    for rule in rules():
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["alert"] in tested, "promtool tests each rule"


GUIDE = (SHIPPED.parent / "README.md").read_text()


@pytest.mark.parametrize("line", re.findall(r"^trigger add .*$", GUIDE, re.MULTILINE))
def test_the_triggers_that_the_guide_shows_are_taken(tmp_path: Path, line: str) -> None:
    house = words_house(tmp_path)
    add_dataset(house)
    given = answer(house, somebody(role=Role.OPERATOR), line)
    assert given.ok, given.text


def test_the_post_that_the_guide_shows_is_taken(tmp_path: Path) -> None:
    [body] = re.findall(r"--data '(.*)'", GUIDE)
    with web_client(Served(words_house(tmp_path), WebTokens(hook="t" * 16))) as client:
        told = client.post("/hooks/generic", content=body, headers={"Authorization": f"Bearer {'t' * 16}"})
    assert (told.status_code, told.json()) == (200, {"told": 1, "new": 1})


def figures_table(text: str) -> str:
    """The table of deploy/README.md, from what /metrics says of itself."""
    found = re.findall(r"^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)$", text, re.MULTILINE)
    rows = [f"| `{name}` | {kind} | {said} |" for name, said, kind in found if not name.endswith("_created")]
    return "\n".join(["| figure | | |", "|---|---|---|", *rows])


def test_the_guide_lists_the_figures(tmp_path: Path) -> None:
    with web_client(Served(words_house(tmp_path))) as client:
        wanted = figures_table(client.get("/metrics").text)
    shown = re.search(r"<!-- metrics -->\n(.*?)\n?<!-- /metrics -->", GUIDE, re.DOTALL)
    assert shown and shown[1] == wanted, f"deploy/README.md should have, between its marks:\n{wanted}"
