"""Reports in a real browser: clicks, keys, sliders, numbers; nothing is asked of any host."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prefrontal as pf
from prefrontal.doors import Doors
from prefrontal.showing.agents_data import agents
from prefrontal.showing.fits_data import fit as fit_data
from prefrontal.showing.report import page as page_of
from prefrontal.showing.runs import opened
from tests.showing.test_report import HOSTILE

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 240_000  # ms, on a busy machine
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Any]:
    with playwright.sync_playwright() as library:
        context = library.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, headless=True, args=QUIET
        )
        context.set_default_timeout(PATIENCE)
        playwright.expect.set_options(timeout=PATIENCE)
        yield context
        context.close()


@pytest.fixture
def visit(browser) -> Iterator[Any]:
    """Open a file; afterwards nothing may have been said, and no other address asked for."""
    said, asked, pages = [], [], []

    def go(path: Path) -> Any:
        page = browser.new_page()
        pages.append(page)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=true]", state="attached")
        return page

    yield go
    for page in pages:
        page.close()
    assert not said
    assert all(url.startswith(("file://", "data:")) for url in asked)
    assert len([url for url in asked if url.startswith("file://")]) == len(pages)


@pytest.fixture(scope="module")
def shown(runs, tmp_path_factory) -> tuple[Path, dict[str, np.ndarray]]:
    """A report of an evaluated run beside another one, and the record of the first."""
    folder = tmp_path_factory.mktemp("shown")
    shutil.copytree(runs["lstm"], folder / "lstm")
    found = pf.evaluate(folder / "lstm", episodes=20, record=2, figures=False)
    return pf.report(folder / "lstm", runs["gru"], out=folder / "r.html"), found.record


def shown_number(page: Any, name: str) -> float:
    text = page.locator(f"#player0-{name}").inner_text().replace("\u2212", "-").replace(",", "")
    return float(text)


def same(page: Any, record: dict[str, np.ndarray], m: int, e: int, t: int) -> None:
    """Check that the player shows the recorded numbers of a step."""
    for name in ("action", "reward", "value", "rpe"):
        np.testing.assert_allclose(shown_number(page, name), record[name][m, e, t], rtol=1e-4)
    for k in range(2):
        shown = shown_number(page, f"policy-{k}")
        np.testing.assert_allclose(shown, record["policy"][m, e, t, k], rtol=1e-4)
    for k in range(record["observation"].shape[3]):
        shown = shown_number(page, f"seen-{k}")
        np.testing.assert_allclose(shown, record["observation"][m, e, t, k], rtol=1e-4, atol=1e-9)
    fact = page.locator("#player0-card [data-fact=optimal_action]").inner_text()
    assert int(fact) == record["optimal_action"][m, e, t]


def test_the_player_shows_the_recorded_numbers(visit, shown, tmp_path):
    path, record = shown
    page = visit(path)
    same(page, record, 0, 0, 0)
    card = page.locator("#player0-card")
    card.get_by_label("next step").click()
    same(page, record, 0, 0, 1)
    page.locator("#player0-step").fill("3")
    same(page, record, 0, 0, 3)
    card.focus()
    for key, t in (("ArrowLeft", 2), ("End", 4), ("PageUp", 0), ("ArrowRight", 1), ("Home", 0)):
        page.keyboard.press(key)
        same(page, record, 0, 0, t)
    card.get_by_label("member", exact=True).select_option("2")
    card.get_by_label("episode", exact=True).select_option("1")
    card.get_by_label("previous step").click()
    same(page, record, 2, 1, 0)
    assert page.locator("#player0-told").inner_text() == "Step 1 of 5"
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert (tmp_path / "report.png").stat().st_size > 20_000
    assert path.stat().st_size < 5e6


def test_space_plays_to_the_end(visit, shown):
    page = visit(shown[0])
    page.locator("#player0-card").focus()
    page.keyboard.press(" ")
    assert page.locator("#player0-play").inner_text() == "pause"
    playwright.expect(page.locator("#player0-told")).to_have_text("Step 5 of 5")
    assert "play" in page.locator("#player0-play").inner_text()


def test_curves_are_read_by_key_and_smoothed_by_a_slider(visit, shown):
    page = visit(shown[0])
    chart, told = page.locator("#curves-chart"), page.locator("#curve-readout")
    chart.focus()
    last = told.inner_text()
    assert "lstm" in last
    assert "gru" in last
    for _ in range(9):
        page.keyboard.press("PageUp")
    assert told.inner_text() != last
    line = "#curves-chart path[stroke='var(--c0)']"
    before = page.locator(line).first.get_attribute("d")
    page.locator("#smoothing").fill("20")
    assert page.locator(line).first.get_attribute("d") != before
    page.get_by_label("members", exact=True).select_option("1")
    assert "(members" not in told.inner_text()
    page.locator("fieldset input").nth(1).uncheck()
    assert "gru" not in told.inner_text()
    page.get_by_label("curve", exact=True).select_option("entropy")
    assert page.locator("#curves-chart").count() == 1


def test_what_is_shown_has_names_and_an_order(visit, shown):
    page = visit(shown[0])
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, svg[role=img]")]
            .filter((one) => !one.getAttribute("aria-label") && !one.textContent.trim())
            .filter((one) => !one.closest("label")).map((one) => one.outerHTML)"""
    )
    assert not nameless
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
    assert {"A", "SELECT", "INPUT"} <= set(reached)
    # Lines of two runs differ in more than colour
    dashes = page.evaluate(
        """() => [...document.querySelectorAll("fieldset svg line")]
            .map((one) => one.getAttribute("stroke-dasharray"))"""
    )
    assert len(set(dashes)) == 2


def hostile(value: Any) -> Any:
    """Put markup into every text of a run that a user or a file can choose."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [hostile(one) for one in value]
    if isinstance(value, dict):
        kept = ("kind", "shape", "type", "data", "verdict", "better", "src")
        names = ("settings", "curves", "levels", "parameters", "predictive", "metrics")
        made = {}
        for key, one in value.items():
            made[key] = one if key in kept else hostile(one)
            if key in names and isinstance(one, dict):
                made[key] = {inner + HOSTILE: each for inner, each in made[key].items()}
        return made
    return value


def test_names_are_text_and_no_markup(visit, shown, fit, tmp_path):
    path, _ = shown
    run = agents(opened(path.parent / "lstm", Doors()), 1, "held_out", 0, 1e6)
    evil = hostile(json.loads(json.dumps(run)))
    for player in evil["players"]:
        arrays = player["arrays"]
        player["facts"] = [name.removesuffix(HOSTILE) + HOSTILE for name in player["facts"]]
        for name in player["facts"]:
            arrays[name] = arrays.pop(name.removesuffix(HOSTILE))
        player["map"] = None
    study = hostile(json.loads(json.dumps(fit_data(fit, "fit", 1e6))))
    stay = study["predictive"]
    study["predictive"] = {"subjects": stay.pop("subjects" + HOSTILE), **stay}
    for player in study["players"]:
        player["facts"] = []
    place = tmp_path / "evil.html"
    place.write_text(page_of({"runs": [evil, study], "version": HOSTILE}), encoding="utf-8")
    page = visit(place)
    page.locator("#player0-card").get_by_label("next step").click()
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == len(evil["figures"]) + len(study["figures"])
    assert HOSTILE.split("\u2028")[0] in page.locator("h1").inner_text()


def test_a_fit_is_stepped_through(visit, fit, tmp_path):
    page = visit(pf.report(fit, out=tmp_path / "fit.html"))
    for title in ("Models", "Parameters", "Step by step"):
        assert page.get_by_role("heading", name=title, exact=True).count() == 1
    rows = (fit / "trials.csv").read_text().splitlines()
    names = rows[0].split(",")
    page.locator("#player0-card").get_by_label("next step").click()
    second = dict(zip(names, rows[2].split(","), strict=True))
    assert shown_number(page, "action") == float(second["choice"])
    assert shown_number(page, "reward") == float(second["reward"])
    chance = np.exp(float(second["rw.log_p"]))
    np.testing.assert_allclose(shown_number(page, "probability"), chance, rtol=1e-4)
    page.get_by_label("model", exact=True).first.select_option("rw+persev")
    assert page.get_by_role("heading", name="perseveration").count() == 1
