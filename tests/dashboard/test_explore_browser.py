"""Explore in Chromium: filters, links, choosing both ways, themes, phone; nothing leaves, nothing complains."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from dashboard import data as reader
from dashboard.data import Data
from dashboard.view import parse
from tests.dashboard.pages import axe, choose, painted

pytestmark = pytest.mark.browser

ROW = ".ag-center-cols-container .ag-row"


def lead(page: Any) -> str:
    text: str = page.locator("#explore-lead").inner_text()
    return text


def numbers(text: str) -> list[int]:
    return [int(one.replace(",", "")) for one in re.findall(r"\d[\d,]*", text)]


def test_the_first_screen_says_what_the_release_says(
    open_page: Callable[..., Any], internal_url: str, data: Data
) -> None:
    page = open_page(internal_url)
    total = reader.city_total(data, parse("", data.allowed).view)
    assert numbers(lead(page)) == [total.n, total.at_least, total.at_most]
    assert "mental-health crisis" in lead(page)
    assert page.locator(f"{ROW}").count() > 10
    assert page.locator(".banners li").first.inner_text() == "internal – not for publication"
    legs = page.locator(".leg h3").all_inner_texts()
    assert legs == ["Someone to respond", "A place to go", "Someone to contact"]
    sizes = sum(int(one.strip("· ")) for one in page.locator(".classes em").all_inner_texts())
    assert sizes == len(data.shapes["tract"].geoids)
    cascade = page.locator(".cascade").inner_text()
    assert "listed as available" in cascade
    assert page.locator("footer").first.inner_text().count(data.release_id) == 1


def test_each_filter_changes_numbers_and_address(open_page: Callable[..., Any], internal_url: str, data: Data) -> None:
    page = open_page(internal_url)
    steps = [
        (lambda: page.locator("#leg label", has_text="Place").click(), "leg=place"),
        (lambda: choose(page, "need", "Substance use"), "need=substance_use&leg=place"),
        (lambda: choose(page, "level", "Neighbourhood"), "need=substance_use&leg=place&level=neighbourhood"),
        (lambda: choose(page, "period", "2024"), None),
        (lambda: page.locator(".chips label", has_text="Sun").click(), None),
        (lambda: choose(page, "hour-from", "18:00"), None),
        (lambda: choose(page, "colour", "Calls × access"), None),
    ]  # fmt: skip
    for act, query in steps:
        painted(page, act)
        if query is not None:
            assert page.url.split("?")[1] == query
    query = page.url.split("?")[1]
    view = parse(query, data.allowed).view
    assert (view.start.year, view.days, view.hour_from, view.colour) == (2024, (0, 1, 2, 3, 4, 5), 18, "both")
    total = reader.city_total(data, view)
    told = [total.n, total.at_least] if total.at_least == total.at_most else [total.n, total.at_least, total.at_most]
    assert numbers(lead(page)) == told
    assert page.locator(".nine i").count() == 9


def test_a_link_opens_as_it_was(open_page: Callable[..., Any], internal_url: str, data: Data) -> None:
    query = "need=welfare_check&leg=contact&level=beat&from=2024-01-01&to=2024-07-01&days=67&hours=08-20&area=2A"
    page = open_page(f"{internal_url}/?{query}")
    page.wait_for_selector(".ag-row-selected")
    view = parse(query, data.allowed).view
    total = reader.city_total(data, view)
    assert numbers(lead(page))[0] == total.n
    assert page.url.endswith(query)
    assert page.locator("#level").input_value() == "Beat"
    assert page.locator("#hour-to").input_value() == "20:00"
    assert page.locator("#explore-area h2").inner_text() == data.name_of("beat", "2A")


def test_back_and_forward_restore_views(open_page: Callable[..., Any], internal_url: str) -> None:
    page = open_page(internal_url)
    first = lead(page)
    painted(page, lambda: page.locator("#leg label", has_text="Place").click())
    second = lead(page)
    assert second != first
    painted(page, lambda: page.go_back())
    assert lead(page) == first
    assert "?" not in page.url
    painted(page, lambda: page.go_forward())
    assert lead(page) == second
    assert page.url.endswith("?leg=place")


def test_table_and_map_choose_each_other(open_page: Callable[..., Any], internal_url: str) -> None:
    page = open_page(internal_url)
    page.locator(ROW).nth(2).click()
    page.wait_for_selector("#explore-area .bar")
    name = page.locator(f"{ROW}.ag-row-selected [col-id=name]").inner_text()
    assert page.locator("#explore-area h2").inner_text() == name
    assert "area=" in page.url
    box = page.locator(".stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.55)
    for _ in range(40):
        other = page.locator("#explore-area h2").inner_text()
        if other != name:
            break
        page.wait_for_timeout(100)
    assert other != name
    assert page.locator(f"{ROW}.ag-row-selected [col-id=name]").inner_text() == other
    painted(page, lambda: choose(page, "level", "Neighbourhood"))
    page.wait_for_selector("#explore-area .soft")
    assert "area=" not in page.url


def test_the_table_works_by_keyboard_and_the_search_finds(open_page: Callable[..., Any], internal_url: str) -> None:
    page = open_page(internal_url)
    page.locator(f"{ROW} [col-id=name]").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_selector("#explore-area .bar")
    assert page.locator(".ag-row-selected").count() == 1
    page.locator("#explore-find").fill("Tract 17")
    page.get_by_role("option", name="Census Tract 17").click()
    page.wait_for_selector("#explore-area h2:has-text('Census Tract 17')")


def test_homelessness_is_off_below_district_level_until_asked_for(
    open_page: Callable[..., Any], internal_url: str, data: Data
) -> None:
    page = open_page(f"{internal_url}/?need=homelessness&level=tract")
    assert page.locator(ROW).count() == 0
    assert "not shown below district level" in page.locator("#explore-legend").inner_text()
    painted(page, lambda: page.locator("#fine-box label").click())
    page.wait_for_selector(ROW)
    assert "fine=1" in page.url
    page = open_page(f"{internal_url}/?need=homelessness")
    assert page.locator("#level").input_value() != "Census tract"
    assert page.locator(ROW).count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desk", "phone"])
def test_no_overflow_and_no_serious_finding(
    open_page: Callable[..., Any], internal_url: str, screen: str, scheme: str
) -> None:
    page = open_page(f"{internal_url}/?area=99001000500", screen, scheme)
    page.wait_for_selector("#explore-area .bar")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    body = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", body))) < 200) == (scheme == "dark")
    page.locator(".grid-box").scroll_into_view_if_needed()
    page.wait_for_selector(f"{ROW}.ag-row-selected")
    assert axe(page) == []
    if screen == "phone":
        assert not page.locator("#need").is_visible()
        page.locator("#rail > summary").click()
        assert page.locator("#need").is_visible()


def test_the_theme_button_turns_colours_and_stays(open_page: Callable[..., Any], internal_url: str) -> None:
    page = open_page(internal_url)
    page.locator("[data-act=theme]").click()
    assert page.evaluate("document.documentElement.getAttribute('data-mantine-color-scheme')") == "dark"
    page.reload()
    page.wait_for_selector("body[data-painted]")
    assert page.evaluate("document.documentElement.getAttribute('data-mantine-color-scheme')") == "dark"


def test_a_suppressed_release_shows_what_it_has(
    open_page: Callable[..., Any], public_url: str, public_data: Data
) -> None:
    page = open_page(public_url)
    assert "mental-health crisis or substance use" in lead(page)
    assert not page.locator("#days").is_visible()
    assert not page.locator("#hour-from").is_visible()
    assert not page.locator("#variant").is_visible()
    view = parse("", public_data.allowed).view
    here = reader.counts(public_data, view)
    hidden = [name for name, n in zip(public_data.shapes[view.level].names, here.n, strict=True) if n < 0]
    for name in hidden:
        row = page.locator(ROW, has_text=name)
        assert row.locator("[col-id=n]").inner_text() == "•"
    assert "community calls are in scope" not in page.locator("#explore-denominators").inner_text()
    page.goto(f"{public_url}/?need=substance_use&from=2023-02-01&to=2023-03-01&days=67")
    page.wait_for_selector(".notes li")
    assert page.locator(".notes li").count() >= 3


def test_an_empty_selection_says_why(open_page: Callable[..., Any], internal_url: str) -> None:
    page = open_page(f"{internal_url}/?leg=contact&from=2023-01-03&to=2023-01-04&hours=04-05")
    assert lead(page).startswith(("There are no community calls", "Of "))
    assert page.locator(ROW).count() > 0


def test_a_filter_answers_in_a_small_message(open_page: Callable[..., Any], internal_url: str) -> None:
    page = open_page(internal_url)
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(len(r.body())) if "_dash-update-component" in r.url else None)
    painted(page, lambda: page.locator("#leg label", has_text="Place").click())
    assert sizes
    assert max(sizes) < 40_000
