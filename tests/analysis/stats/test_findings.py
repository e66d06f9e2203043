"""Findings: bars, JSON and tables."""

import json

import pytest

from prefrontal.analysis.stats.findings import Finding, number, table, tally, tally_text
from prefrontal.analysis.stats.intervals import interval


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"bar": 1.95, "better": "lower"}, "met"),
        ({"bar": 1.90, "better": "lower"}, "met"),  # the end lies on the bar
        ({"bar": 1.85, "better": "lower"}, "open"),
        ({"bar": 1.81, "better": "lower"}, "open"),  # the value alone is beyond
        ({"bar": 1.75, "better": "lower"}, "missed"),
        ({"bar": 1.75, "better": "higher"}, "met"),
        ({"bar": 1.81, "better": "higher"}, "open"),  # the value alone would do
        ({"bar": 1.95, "better": "higher"}, "missed"),
        ({"bar": (1.8, 1.9), "better": "near"}, "met"),
        ({"bar": (1.82, 1.9), "better": "near"}, "open"),
        ({"bar": (1.91, 2.0), "better": "near"}, "missed"),
        ({"bar": (1.8, 1.9), "better": "lower"}, "met"),
        ({}, None),
    ],
)
def test_the_interval_decides(fields, verdict):
    assert Finding("regret", 1.83, 1.8, 1.9, **fields).verdict == verdict
    goal = {"goal" if key == "bar" else key: value for key, value in fields.items()}
    assert Finding("regret", 1.83, 1.8, 1.9, **goal).goal_verdict == verdict
    assert Finding("regret", 1.83, **fields).verdict is None  # one member: numbers only


def test_findings_are_counted_by_verdict():
    bars = (1.0, 1.0, 2.0, 3.0, None)
    findings = [Finding("a", 2.0, 1.5, 2.5, bar=bar) for bar in bars]
    assert tally(findings) == {"met": 2, "open": 1, "missed": 1}
    assert tally_text(findings) == "2 met, 1 open, 1 missed"
    assert tally_text(findings[-1:]) == ""


def test_findings_survive_json():
    findings = [
        Finding("a", 1.0, 0.5, 1.5, (1.0, 2.0), 3.0, (0.0, 2.0), None, "near", "cm", "note"),
        Finding("c", 1.0, other=(1.0, 2.0), bound=3.0),
        Finding("b", 1.0, bar=2.0, better="lower"),
    ]
    assert [Finding.from_json(json.loads(json.dumps(f.to_json()))) for f in findings] == findings
    # Those of earlier versions said whether the value met the bar.
    old = findings[0].to_json() | {"met": True, "goal_met": None, "throughout": False}
    assert Finding.from_json(old) == findings[0]


def test_members_that_failed_stand_beside_the_mean():
    high = Finding.of_members("a", [0.7, 0.5, 0.71], 0.635, bar=0.6)
    assert (high.succeeded, high.failure) == ((2, 3), 0.635)
    low = Finding.of_members("b", [1.9, 2.1, 2.79, 16.0], 2.79, "lower")
    assert low.succeeded == (3, 4)
    assert (low.value, low.low) == pytest.approx((5.6975, interval([1.9, 2.1, 2.79, 16.0]).low))
    assert "3 of 4 (<= 2.790)" in table([low])
    assert "members that learned" not in table([Finding("c", 1.0)])
    again = Finding.from_json(json.loads(json.dumps(low.to_json())))
    assert again == low


def test_json_has_null_where_absent():
    finding = Finding("regret", float("nan"), bar=(0.0, 1.0), better="near")
    as_json = json.loads(json.dumps(finding.to_json(), allow_nan=False))
    assert as_json["value"] is None
    assert as_json["low"] is None
    assert as_json["published"] is None
    assert as_json["bar"] == [0.0, 1.0]
    assert as_json["verdict"] == "open"
    assert as_json["goal_verdict"] is None


def test_a_finding_from_an_interval():
    finding = Finding.of("regret", interval([1.0, 2.0, 3.0]), better="lower", bar=2.5, goal=1.5)
    assert finding.low < finding.value < finding.high
    assert finding.verdict == "open"
    assert finding.goal_verdict == "open"


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


def test_what_others_say_and_bounds_have_columns_of_their_own():
    findings = [
        Finding(
            "reward", 0.43, published=0.5, bound=0.44, other=(0.3, 0.4), note="other: a rebuild"
        ),
        Finding("regret", 1.9, optimum=1.7),
    ]
    header, _, first, second = table(findings).splitlines()
    names = ("published", "other source", "optimum", "bound")
    assert [header.index(name) for name in names] == sorted(header.index(name) for name in names)
    assert first.split() == [
        *("reward", "0.430", "0.500", "0.300", "to", "0.400", "0.440"),
        *("other:", "a", "rebuild"),
    ]
    assert second.split() == ["regret", "1.900", "1.700"]


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
