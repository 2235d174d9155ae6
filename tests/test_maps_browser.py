"""The gap map in Chromium: fetches nothing, says what the release says, works by keyboard and in each scheme."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from pipelines import map_words, maps
from pipelines.map_words import NOT_SHOWN, plain
from tests import chromium
from tests.chromium import SCREENS
from tests.map_store import NAMES, gaps, make_public, make_release


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return maps.write_gap_map(make_release(tmp_path_factory.mktemp("in")), tmp_path_factory.mktemp("map") / "map.html")


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return maps.write_gap_map(make_public(tmp_path_factory.mktemp("out")), tmp_path_factory.mktemp("map") / "map.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium.launched()


@pytest.fixture
def open_map(browser: Any, written: Path) -> Iterator[Any]:
    """Opens the map at a size and in a scheme; afterwards checks that nothing was fetched and nothing complained."""
    contexts: list[Any] = []
    requests: list[str] = []
    said: list[tuple[str, str]] = []

    def opened(screen: str = "desk", scheme: str = "light", file: Path = written) -> Any:
        width, height = SCREENS[screen]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: requests.append(r.url.replace(file.as_uri(), "the file")))
        page.on("console", lambda m: said.append((m.type, m.text)))
        page.on("pageerror", lambda e: said.append(("error", str(e))))
        page.on("dialog", lambda d: said.append(("error", f"dialog {d.message}")))
        page.goto(file.as_uri())
        page.wait_for_selector("body[data-ready=yes]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert set(requests) == {"the file"}
    assert [one for one in said if one[0] in ("error", "warning")] == []


POINT = """(at) => {
    const told = JSON.parse(document.getElementById('told').textContent);
    const p = map_gap.latLngToContainerPoint(told.at.areas[at]);
    const frame = map_gap.getContainer().getBoundingClientRect();
    return [frame.left + p.x + 14, frame.top + p.y + 14];
}"""
COLOUR = """([x, y]) => {
    const canvas = document.querySelector('#map_gap canvas');
    const frame = canvas.getBoundingClientRect();
    const scale = canvas.width / frame.width;
    const spot = document.createElement('canvas');
    spot.width = spot.height = 1;
    const pen = spot.getContext('2d', { willReadFrequently: true });
    pen.drawImage(canvas, -(x - frame.left) * scale, -(y - frame.top) * scale);
    return Array.from(pen.getImageData(0, 0, 1, 1).data).slice(0, 3);
}"""


def _pixel(page: Any, at: int) -> list[int]:
    """The colour drawn a little beside the centre of an area (clear of its mark)."""
    found: list[int] = page.evaluate(COLOUR, page.evaluate(POINT, at))
    return found


def _class_colour(page: Any, name: str) -> list[int]:
    text = page.evaluate(f"getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()")
    return [int(text[at : at + 2], 16) for at in (1, 3, 5)]


def _expected_lead(row: Any) -> str:
    band = map_words.band(int(row.n_at_least), int(row.n_at_most))
    share = map_words.share(int(row.n_at_least), int(row.n_at_most), int(row.n_calls))
    share = share.replace("-", "–").replace(" %", "\u00a0%")
    return f"{band[0].upper()}{band[1:]} of {row.n_calls:,} calls in scope ({share})"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", list(SCREENS))
def test_renders_without_overflow(open_map: Any, screen: str, scheme: str) -> None:
    page = open_map(screen, scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    wide = page.evaluate(
        """[...document.querySelectorAll('body *')]
            .filter((n) => !n.closest('#map_gap') && !n.closest('.skip') && n.getClientRects().length)
            .filter((n) => n.getBoundingClientRect().right > window.innerWidth + 1).map((n) => n.outerHTML)"""
    )
    assert wide == []
    assert _pixel(page, 10) == _class_colour(page, "c4")
    assert _pixel(page, 0) == _class_colour(page, "c0")
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", body))) < 200) == (scheme == "dark")
    map_box, panel = (page.locator(name).bounding_box() for name in (".stage", ".right"))
    if screen == "phone":
        assert map_box["y"] + map_box["height"] <= panel["y"]
    else:
        assert map_box["x"] + map_box["width"] <= panel["x"]
        legend = page.locator(".legend").bounding_box()
        assert legend["y"] + legend["height"] <= SCREENS[screen][1]


@pytest.mark.browser
def test_names_and_marks_on_the_map_do_not_overlap(open_map: Any) -> None:
    for screen in SCREENS:
        page = open_map(screen)
        boxes = [one.bounding_box() for one in page.locator("#map_gap .name span, #map_gap .spot span").all()]
        assert len(boxes) == 4
        for a, b in combinations(boxes, 2):
            apart = (
                a["x"] + a["width"] <= b["x"]
                or b["x"] + b["width"] <= a["x"]
                or a["y"] + a["height"] <= b["y"]
                or b["y"] + b["height"] <= a["y"]
            )
            assert apart


@pytest.mark.browser
def test_switches_change_colours_and_words(open_map: Any) -> None:
    page = open_map()
    assert page.locator("#headline").inner_text() == "Mental-health crisis: calls with no suitable responder on duty"
    assert page.locator("input[name=leg]:checked").get_attribute("value") == "respond"
    before = [_pixel(page, at) for at in range(10)]
    words = page.locator("#city").inner_text()
    page.locator("#leg-place").check()
    assert page.locator("#headline").inner_text() == "Mental-health crisis: calls with no open place to go"
    assert [_pixel(page, at) for at in range(10)] != before
    assert page.locator("#measure").inner_text().startswith("Share of calls in scope: calls with no open place to go")
    page.locator("#need").select_option("homelessness")
    assert page.locator("#leg-contact").is_disabled()
    assert page.locator("#recurring").inner_text() == "None for this call reason."
    assert page.locator("#map_gap .spot").count() == 0
    page.locator("#need").select_option("substance_use")
    assert page.locator("input[name=leg]:checked").get_attribute("value") == "respond"
    assert page.locator("#nothing").inner_text().startswith("No responder is on record")
    assert page.locator("#city").inner_text() == page.locator("#nothing").inner_text()
    page.locator("#need").select_option("mental_health")
    assert page.locator("#nothing").is_hidden()
    assert page.locator("#city").inner_text() == words
    assert [_pixel(page, at) for at in range(10)] == before


@pytest.mark.browser
def test_panel_and_hover_say_what_the_gaps_table_says(open_map: Any) -> None:
    page = open_map()
    table_of = gaps()
    rows = table_of[(table_of["variant"] == "default") & (table_of["need"] == "mental_health")]
    rows = rows[rows["leg"] == "respond"]
    total: Any = next(rows[rows["level"] == "city"].itertuples())
    assert page.locator("#city .lead").inner_text() == _expected_lead(total)
    for at in (0, 5, 8, 11):
        row: Any = next(rows[rows["geoid"] == f"990010{at:05d}"].itertuples())
        x, y = page.evaluate(POINT, at)
        page.mouse.move(x - 1, y)
        page.wait_for_timeout(80)  # Leaflet hears moves at most every 32 ms
        page.mouse.move(x, y)
        band = map_words.band(int(row.n_at_least), int(row.n_at_most))
        tip = page.locator(".leaflet-tooltip")
        assert plain(NAMES[at]) in tip.inner_text()
        assert f"{band} of {row.n_calls:,} calls" in tip.inner_text()
        page.mouse.click(x, y)
        assert page.locator("#chosen h2").inner_text() == plain(NAMES[at])
        assert page.locator("#chosen .lead").inner_text() == _expected_lead(row)
        numbers = [int(text) for text in page.locator("#chosen .parts li span:last-child").all_inner_texts()]
        assert numbers == [
            row.n_available, row.n_uncertain, row.n_at_least, row.n_spatial, row.n_barrier, row.n_temporal,
        ]  # fmt: skip
        said = page.locator("#chosen dl").inner_text()
        assert ("Too few calls to judge" in said) == (row.flag == "too_few")
        assert "2 to 5 of 12 (1 = most a year; 90\u00a0% interval)" in said
        assert f"± {50}" in said
    page.locator("#every summary").click()
    table = page.locator("#rows tr").all_inner_texts()
    assert len(table) == 12
    assert "200" in table[0]


@pytest.mark.browser
def test_keyboard_reaches_switches_map_and_lists(open_map: Any) -> None:
    page = open_map()
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "(n => n.id || n.className || (n.closest('ul') || n).id || n.tagName)(document.activeElement)"
            )
        )
    for name in ("need", "leg-respond", "map_gap"):
        assert name in seen
    assert any("skip" in name for name in seen)
    assert seen.index("need") < seen.index("map_gap") < seen.index("flagged") < seen.index("recurring")
    page.locator("#leg-respond").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#headline").inner_text().endswith("calls with no open place to go")
    page.keyboard.press("ArrowLeft")
    page.evaluate("map_gap.setView(JSON.parse(document.getElementById('told').textContent).at.areas[0], 15)")
    page.locator("#flagged button").first.focus()
    centre = page.evaluate("map_gap.getCenter()")
    page.locator("#flagged button").last.focus()
    assert page.evaluate("map_gap.getCenter()") != centre
    page.locator("#flagged button").first.focus()
    page.keyboard.press("Enter")
    name = page.locator("#flagged button[aria-pressed=true] > span:nth-child(2)").inner_text().split("\n")[0]
    assert page.locator("#chosen h2").inner_text() == name
    page.locator("#recurring button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator("#chosen h2").inner_text().startswith("Recurring-call area 2")
    assert "Busiest hours" in page.locator("#chosen dl").inner_text()
    page.locator("#map_gap .spot").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#chosen h2").inner_text().startswith("Recurring-call area 1")


@pytest.mark.browser
def test_hostile_names_are_shown_and_never_run(open_map: Any) -> None:
    page = open_map()
    page.locator("#every summary").click()
    assert [text.split("\t")[0] for text in page.locator("#rows th").all_inner_texts()] == [
        plain(name) for name in NAMES
    ]
    for button in page.locator("#rows button").all():
        button.click()
    assert page.title() == "Gap map – Sample City (synthetic)"
    assert page.locator("img, iframe, b[onclick]").count() == 0
    assert "http://evil.invalid/x" in page.locator(".foot").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("screen", list(SCREENS))
def test_public_map_hides_with_one_symbol_and_draws_no_control_without_numbers(
    open_map: Any, public: Path, screen: str
) -> None:
    page = open_map(screen, file=public)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("#need").is_hidden()
    assert page.locator("#sure").is_hidden()
    assert page.locator("#maybe").is_hidden()
    assert page.locator("input[name=leg]").count() == 2
    assert page.locator("#rows tr").first.is_visible()
    page.locator("#leg-place").check()
    shades = {page.evaluate(COLOUR, [x + dx, y]).__repr__() for x, y in [page.evaluate(POINT, 1)] for dx in range(9)}
    plain_shades = [_class_colour(page, f"c{at}").__repr__() for at in range(5)]
    assert not shades & set(plain_shades)
    assert len(shades) > 1
    page.locator("#rows button").nth(1).click()
    assert page.locator("#chosen .lead").inner_text() == NOT_SHOWN
    assert page.locator("#chosen .parts li span:last-child").all_inner_texts() == ["90", "•", "•"]
    assert page.locator("#chosen .bar").count() == 0
    assert page.locator("#rows tr").nth(1).locator("td").all_inner_texts() == ["•", "•", "•"]
    assert page.locator("#recurring small").inner_text() == "Substance use; new"


@pytest.mark.browser
def test_policy_stops_a_script_that_is_not_ours(browser: Any, written: Path, tmp_path: Path) -> None:
    page_text = written.read_text("utf-8").replace("<main", "<script>document.title='owned'</script><main", 1)
    path = tmp_path / "tampered.html"
    path.write_text(page_text, "utf-8")
    context = browser.new_context()
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready=yes]")
    assert page.title() != "owned"
    context.close()
