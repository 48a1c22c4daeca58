"""The dashboard and the alerts of the traced demo read what cachex_otel writes."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from otel import conventions

UNITS = {"percentunit", "ops", "s", "Bps", "short"}
"""Grafana's names for them."""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def series(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("observability.series")


@pytest.fixture
def dashboard(series: Any) -> Any:
    return json.loads(series.DASHBOARD.read_text())


def test_every_metric_of_the_dashboard_and_the_alerts_is_one_of_ours(series: Any) -> None:
    for name, query in series.panels() + series.alerts():
        assert series.metrics_of(query), name
        assert series.metrics_of(query) <= set(series.exposed()), name


def test_every_label_of_the_dashboard_and_the_alerts_is_one_of_ours(series: Any) -> None:
    for name, query in series.panels() + series.alerts():
        assert series.labels_of(query) <= series.labels(), name
    shown = re.findall(r"\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", series.DASHBOARD.read_text())
    told = re.findall(r"\$labels\.(\w+)", series.ALERTS.read_text())
    assert {*shown, *told} <= series.labels()


def test_every_label_is_one_of_the_metric_it_is_asked_of(series: Any) -> None:
    """A query that groups by a label which a metric lacks finds something, and says nothing."""

    def has(name: str) -> Any:
        labels = conventions.METRICS[series.exposed()[name]][3]
        return {one.replace(".", "_") for one in labels} | series.OF_PROMETHEUS

    for title, query in series.panels() + series.alerts():
        for name, asked in series.selected_by(query):
            assert asked <= has(name), title
        for name in series.metrics_of(query):
            assert series.grouped_by(query) <= has(name), title


def test_a_panel_calls_a_line_by_what_it_groups_by(dashboard: Any, series: Any) -> None:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert shown == series.grouped_by(target["expr"]) - {"le"}, panel["title"]


def test_grafana_can_import_the_dashboard(dashboard: Any) -> None:
    assert dashboard["schemaVersion"] >= 36, "data sources are objects"
    assert "id" not in dashboard, "which would overwrite somebody else's"
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0


def test_every_metric_of_ours_is_on_the_dashboard(series: Any) -> None:
    read = {name for _, query in series.panels() for name in series.metrics_of(query)}
    left_out = set(series.exposed().values()) - {series.exposed()[name] for name in read}
    assert left_out == {"db.client.connection.idle.max"}, "which is the same as its max"


def test_names_are_taken_out_of_a_query(series: Any) -> None:
    query = 'sum by (a_b, le) (rate(c_d_total{e_f="x y", g!=""}[5m])) / on (h) i_j > 0.5'
    assert series.metrics_of(query) == {"c_d_total", "i_j"}
    assert series.labels_of(query) == {"a_b", "le", "e_f", "g", "h"}
    assert series.grouped_by(query) == {"a_b", "le", "h"}
    assert dict(series.selected_by(query)) == {"c_d_total": {"e_f", "g"}}


def test_panels_have_their_own_ids_and_places(dashboard: Any) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(set(ids)) == len(set(places)) == len(ids)
    assert all(panel["title"] for panel in dashboard["panels"])


def test_the_dashboard_asks_the_data_source_that_is_chosen(dashboard: Any) -> None:
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    assert variables == {"datasource", "service"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert used - {"__all", "__rate_interval"} <= variables


def test_every_alert_says_how_bad_it_is_and_what_to_do(series: Any) -> None:
    text = series.ALERTS.read_text()
    count = len(series.alerts())
    assert count == 11
    for word in ("labels: {severity: ", "summary: ", "description: "):
        assert text.count(word) == count
