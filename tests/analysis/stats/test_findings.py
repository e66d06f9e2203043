"""Findings: bars, JSON and tables."""

import json

import pytest

from prefrontal.analysis.stats.findings import Finding, number, table
from prefrontal.analysis.stats.intervals import interval


@pytest.mark.parametrize(
    ("fields", "met"),
    [
        ({"bar": 1.95, "better": "lower"}, True),
        ({"bar": 1.75, "better": "lower"}, False),
        ({"bar": 1.75, "better": "higher"}, True),
        ({"bar": 1.83, "better": "lower"}, True),
        ({"bar": (1.8, 1.9), "better": "near"}, True),
        ({"bar": (1.9, 2.0), "better": "near"}, False),
        ({"bar": (1.8, 1.9), "better": "lower"}, True),
        ({}, None),
    ],
)
def test_met_follows_the_bar(fields, met):
    assert Finding("regret", 1.83, **fields).met is met


def test_json_has_null_where_absent():
    finding = Finding("regret", float("nan"), bar=(0.0, 1.0), better="near")
    as_json = json.loads(json.dumps(finding.to_json(), allow_nan=False))
    assert as_json["value"] is None
    assert as_json["low"] is None
    assert as_json["published"] is None
    assert as_json["bar"] == [0.0, 1.0]
    assert as_json["met"] is False
    assert as_json["goal_met"] is None


def test_a_finding_from_an_interval():
    finding = Finding.of("regret", interval([1.0, 2.0, 3.0]), better="lower", bar=2.5, goal=1.5)
    assert finding.low < finding.value < finding.high
    assert finding.met
    assert finding.goal_met is False


def test_tables_line_up_and_leave_out_empty_columns():
    findings = [
        Finding("regret", 1.834, 1.8, 1.9, optimum=1.748, bar=1.95, better="lower"),
        Finding("rewarded, rare", 0.6412, 0.62, 0.66, published=0.635, bar=(0.55, 0.7)),
    ]
    text = table(findings).splitlines()
    assert "goal" not in text[0]
    assert "<= 1.950" in text[2]
    assert "0.550 to 0.700" in text[3]
    markdown = table(findings, "markdown").splitlines()
    assert len({line.count("|") for line in markdown}) == 1
    assert len({len(line) for line in markdown}) == 1
    assert "1.834" in markdown[2]


def test_numbers_are_short():
    assert [number(x) for x in (0.6641, 12.346, 123.46, 20_000, 0.0, 1e-5)] == [
        "0.664",
        "12.35",
        "123.5",
        "20,000",
        "0.000",
        "1.0e-05",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"better": "more"}, "better must be"),
        ({"bar": (2.0, 1.0)}, "bar must be"),
        ({"bar": 1.0, "better": "near"}, "near needs a range"),
    ],
)
def test_wrong_fields_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Finding("x", 1.0, **fields)


def test_a_bar_that_the_whole_interval_has_to_meet():
    near = Finding("effect", 0.5, -0.1, 1.1, bar=0.0)
    assert near.met
    strict = Finding("effect", 0.5, -0.1, 1.1, bar=0.0, throughout=True)
    assert strict.met is False
    assert Finding("effect", 0.5, 0.1, 0.9, bar=0.0, throughout=True).met
    assert Finding("effect", -0.5, -0.9, -0.1, bar=0.0, better="lower", throughout=True).met
    assert Finding("effect", 0.5, throughout=True).met is None
    assert ">= 0.000 throughout" in table([strict])
    assert "throughout" not in table([Finding("effect", 0.5, throughout=True)])
