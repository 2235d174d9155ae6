"""Views and addresses: there and back, nothing else let in, snapped outward on a coarser release."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.data import Data
from dashboard.view import ALL_DAYS, LAYERS, BadView, View, default, listed, parse, to_query


def views(data: Data) -> st.SearchStrategy[View]:
    allowed = data.allowed
    whole = allowed.whole
    n_days = (whole.end - whole.start).days

    @st.composite
    def make(draw: st.DrawFn) -> View:
        need = draw(st.sampled_from(allowed.needs))
        level = draw(st.sampled_from(allowed.levels))
        first = draw(st.integers(0, n_days - 1))
        last = draw(st.integers(first + 1, n_days))
        hours = draw(st.tuples(st.integers(0, 23), st.integers(0, 24)).filter(lambda pair: pair[0] != pair[1]))
        view = View(
            need=need,
            leg=draw(st.sampled_from(allowed.legs[need])),
            level=level,
            start=whole.start + timedelta(days=first),
            end=whole.start + timedelta(days=last),
            days=tuple(sorted(draw(st.sets(st.sampled_from(ALL_DAYS), min_size=1)))),
            hour_from=hours[0],
            hour_to=hours[1],
            colour=draw(st.sampled_from(allowed.colours)),
            layers=tuple(name for name in LAYERS if draw(st.booleans())),
            area=draw(st.sampled_from(["", *allowed.areas[level]])),
            fine=draw(st.booleans()),
            item=draw(st.sampled_from(["", "a1b2", "svc@place"])),
        )
        is_listed = listed(view, allowed) is not None and view.is_all_hours
        return replace(view, variant=draw(st.sampled_from(allowed.variants))) if is_listed else view

    return make()


def test_every_view_comes_back_from_its_address(data: Data) -> None:
    @settings(max_examples=150, deadline=None)
    @given(view=views(data))
    def check(view: View) -> None:
        back = parse(to_query(view, data.allowed), data.allowed)
        assert back.view == view
        assert back.said == ()

    check()


def test_an_empty_query_is_the_default(data: Data) -> None:
    assert parse("", data.allowed).view == default(data.allowed)
    assert default(data.allowed).need == "mental_health"
    assert default(data.allowed).leg == "respond"
    assert to_query(default(data.allowed), data.allowed) == ""


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_is_a_view_or_a_refusal(data: Data, text: str) -> None:
    try:
        view = parse(text, data.allowed).view
    except BadView:
        return
    assert view.need in data.allowed.needs
    assert view.level in data.allowed.levels


@pytest.mark.parametrize(
    "query",
    [
        "need=bogus", "leg=bogus", "level=parcel", "from=yesterday", "from=2024-02-30", "to=2023-01-02&from=2024-01-01",
        "days=0", "days=21", "days=11", "hours=25-26", "hours=08-08", "hours=8-9", "variant=all", "show=red",
        "layers=calls", "layers=services,services", "area=99999999999", "fine=yes", "role=admin", "need=a&need=b",
        "need", "from=1950-01-01&to=2024-01-01", "item=<b>", "area=" + "9" * 500, "x" * 2000,
    ],
)  # fmt: skip
def test_what_no_link_has_is_refused(data: Data, query: str) -> None:
    with pytest.raises(BadView):
        parse(query, data.allowed)


def test_a_link_snaps_outward_on_a_suppressed_release(public_data: Data) -> None:
    told = parse("need=mental_health&level=block_group&from=2023-02-10&to=2023-03-02&days=67", public_data.allowed)
    assert told.view.need == "behavioral_health"
    assert told.view.level in public_data.allowed.levels
    assert told.view.start.isoformat() <= "2023-02-10"
    assert told.view.end.isoformat() >= "2023-03-02"
    assert listed(told.view, public_data.allowed) is not None
    assert {key for key, _ in told.said} == {"snap_need", "snap_level", "snap_period", "snap_hours"}


def test_homelessness_starts_at_district_level(data: Data) -> None:
    assert parse("need=homelessness", data.allowed).view.level in data.allowed.coarse
