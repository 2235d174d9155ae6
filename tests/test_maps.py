"""The gap map: made from a release only, escapes every value, fetches nothing, says what the release says."""

import json
import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from geo.errors import UnmetError
from pipelines import map_words as words
from pipelines import maps, screen, show
from pipelines.map_cells import HIDDEN_CLASS, NOT_ON_RECORD, TOO_FEW, share_class
from pipelines.map_data import map_data
from pipelines.map_words import plain
from pipelines.release import Release, open_release
from tests.map_store import BBOX, HIDDEN_AREA, HOSTILE, NAMES, gaps, make_public, make_release

CSS = Path(maps.__file__).parent / "map_assets" / "gap_map.css"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_release(tmp_path_factory.mktemp("internal"))


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_public(tmp_path_factory.mktemp("public"))


@pytest.fixture(scope="module")
def written(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return maps.write_gap_map(release, tmp_path_factory.mktemp("map") / "new" / "map.html")


# ---- without a browser ----


def test_escape_leaves_nothing_that_a_reader_could_run() -> None:
    assert maps.escape("a&<>\"'{}$`\\\u2028") == ("a&#38;&#60;&#62;&#34;&#39;&#123;&#125;&#36;&#96;&#92;&#8232;")
    for text in HOSTILE:
        assert not re.search(r"[<>\"'{}$`\\\u2028\u2029]|&(?!#\d+;)", maps.escape(text))


def test_inert_json_stays_in_its_element_and_comes_back_whole() -> None:
    text = maps.inert_json(list(HOSTILE))
    assert text.isascii()
    assert not re.search("[<>&]", text)
    assert json.loads(text) == list(HOSTILE)


def test_plain_keeps_words_and_drops_what_breaks_lines_or_turns_them() -> None:
    assert plain("a\u2028b\u202ec\x00d\n  e") == "a b c d e"
    assert plain("Ñuñoa – São José") == "Ñuñoa – São José"
    assert len(plain("x" * 500)) == 80


def test_share_classes_hold_their_lower_limit() -> None:
    least = np.array([0, 9, 10, 24, 25, 49, 50, 74, 75, 100])
    assert share_class(least, np.full(10, 100)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert share_class(np.array([0]), np.array([0])).tolist() == [0]


def test_words_are_those_of_the_command_line() -> None:
    assert (words.LEG_WORDS, words.HEADLINES, words.INTERNAL) == (show.LEG_WORDS, show.HEADLINES, show.INTERNAL)
    for least, most, n in ((0, 0, 0), (0, 5, 9), (95, 100, 200), (10, 100, 200), (89, 99, 99), (7, 7, 7)):
        assert words.band(least, most) == screen.band(least, most)
        assert words.share(least, most, n) == screen.share(least, most, n)


def test_rolled_up_call_reasons_are_named_by_those_in_them() -> None:
    assert words.need_label("mental_health") == "Mental-health crisis"
    assert words.need_label("social") == "Calls related to homelessness, welfare check and youth and family"
    assert words.shown_under("welfare_check", {"social"}) == "social"
    assert words.shown_under("welfare_check", {"behavioral_health"}) == ""


def test_only_tables_of_the_release_are_read(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    original = Release.table

    def table(self: Release, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        seen.add(name)
        return original(self, name, columns)

    monkeypatch.setattr(Release, "table", table)
    map_data(release)
    areas = {"areas_tract", "areas_neighbourhood"}
    assert seen == {"measures", "cells", "ranks", "hotspots", "services", "breaks"} | areas


def test_a_release_of_calls_without_outcomes_is_refused(public: Release, tmp_path: Path) -> None:
    release = make_public(tmp_path / "release")
    cells = release.table("cells")
    cells.assign(leg="", outcome="all").to_parquet(release.path("cells"))
    with pytest.raises(UnmetError, match="expected outcomes by leg, got counts of calls only"):
        maps.write_gap_map(open_release(release.folder), tmp_path / "map.html")
    assert not (tmp_path / "map.html").exists()


def test_the_same_release_gives_the_same_bytes(written: Path, release: Release, tmp_path: Path) -> None:
    again = maps.write_gap_map(release, tmp_path / "map.html")
    assert again.read_bytes() == written.read_bytes()
    assert written.stat().st_size < maps.LARGEST_BYTES


def test_hostile_names_reach_neither_markup_nor_folium(written: Path, release: Release) -> None:
    page = written.read_text("utf-8")
    told = json.loads(page.split('id="told">')[1].split("</script>")[0])
    assert "{{" not in re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert [area["name"] for area in told["areas"]] == [plain(name) for name in NAMES]
    assert "onerror=document" not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    drawing = maps._drawing(map_data(release))
    assert not re.search("Tract|owned|7\\*7|https?:", drawing)
    assert set(re.findall(r'"properties": (\{[^}]*\})', drawing)) == {f'{{"i": {at}}}' for at in range(12)}


def test_page_has_its_policy_and_its_licence_and_no_eval(written: Path) -> None:
    page = written.read_text("utf-8")
    assert "Redistributions in binary form must reproduce" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert page.index("Content-Security-Policy") < page.index("<script")


@pytest.mark.parametrize(
    "part",
    [
        '<script src="https://cdn.jsdelivr.net/x.js"></script>',
        '<link rel="stylesheet" href="x.css">',
        "<style>a{background:url(//evil.invalid/x)}</style>",
        "<style>@import 'x.css';</style>",
        "<script>fetch('https://evil.invalid')</script>",
        "<script>fetch('//evil.invalid/x')</script>",
        "<script>new WebSocket('wss://evil.invalid')</script>",
        '<meta http-equiv="refresh" content="0">',
        "<img src=x onerror=alert(1)>",
        '<a href="https://evil.invalid">x</a>',
        "<p onclick='x()'>x</p>",
    ],
)
def test_anything_that_could_fetch_is_refused(part: str) -> None:
    maps.check_offline('<p>http://only.text/</p><a href="#x">x</a>')
    with pytest.raises(UnmetError, match="fetches nothing"):
        maps.check_offline(f"<body>{part}</body>")


def test_an_unknown_page_of_folium_is_refused() -> None:
    with pytest.raises(UnmetError, match="folium"):
        maps._script_of('<script src="https://new.host/x.js"></script></body><script>1</script></html>')
    with pytest.raises(UnmetError, match="folium"):
        maps._script_of("<html></html>")


def test_words_for_people(written: Path) -> None:
    class Text(HTMLParser):
        said = ""
        inside = ""

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = tag

        def handle_data(self, data: str) -> None:
            if self.inside not in ("script", "style"):
                self.said += data

    text = Text()
    text.feed(written.read_text("utf-8"))
    text.close()
    data = written.read_text("utf-8").split('id="told">')[1].split("</script>")[0]
    for said in (text.said, data):
        assert not re.search(r"hot ?spot|\bdemand\b|\bcovered\b|recidivism", said, re.IGNORECASE)
    assert show.DISCLAIMER in text.said
    assert "Internal – not for publication" in text.said
    assert "Synthetic: describes no real place" in text.said
    assert "Draft matching – not for publication" in text.said
    assert "policy internal 1.0.0, release internal-handmade" in text.said
    assert "Counts before and after 2024-01-01 cannot be compared" in text.said
    assert "Services as of 6 January 2025" in text.said


def test_cells_say_what_the_gaps_table_says(release: Release) -> None:
    told = map_data(release).told
    table = gaps()
    rows = table[(table["variant"] == "default") & (table["level"] == "tract") & ~table["geoid"].str.startswith("_")]
    assert len(rows) == sum(len(cell["areas"]) for cell in told["cells"].values()) == 12 * 6
    at = {area["id"]: number for number, area in enumerate(told["areas"])}
    for row in rows.itertuples():
        cell = told["cells"][f"{row.need}|{row.leg}"]["areas"][at[row.geoid]]
        assert cell["n"] == row.n_calls == sum(cell["parts"])
        assert cell["least"] == row.n_at_least == sum(cell["split"])
        assert cell["most"] == row.n_at_most
    crisis = told["cells"]["mental_health|respond"]["areas"]
    assert crisis[11]["class"] == TOO_FEW
    assert crisis[3]["rate"] == "none given: residents are not the people exposed"
    assert crisis[0]["rate"] == "at least 1.2, at most 4.6 calls per 1,000 residents a year"
    assert told["areas"][3]["residents"] == "not on record (2018-2022)"
    assert told["areas"][1]["residents"] == "1,100 ± 50 (2018-2022)"
    assert {cell["class"] for cell in told["cells"]["substance_use|respond"]["areas"]} == {NOT_ON_RECORD}


def test_only_recurring_areas_by_excess_are_drawn(release: Release) -> None:
    data = map_data(release)
    assert [(spot["need"], spot["label"]) for spot in data.told["recurring"]] == [
        ("mental_health", "1"),
        ("mental_health", "2"),
    ]
    facts = dict(data.told["recurring"][0]["facts"])
    assert facts["Busiest hours"] == "20:00–04:00, 46\u00a0% of its calls"
    assert facts["No suitable responder on duty"] == "at least 21, at most 33"
    assert facts["No open place to go"] == "35"


def test_shapes_are_in_rounded_degrees_and_share_their_borders(release: Release) -> None:
    data = map_data(release)
    corners = shapely.get_coordinates(np.array(data.areas, dtype=object))
    assert np.abs(corners - np.round(corners, 5)).max() == 0
    west, south, east, north = BBOX
    assert ((corners > (west, south)) & (corners < (east, north))).all()
    assert shapely.union_all(np.array(data.areas, dtype=object)).area == pytest.approx(
        sum(one.area for one in data.areas), rel=1e-9
    )


# ---- what a public release does not show ----


def test_what_is_hidden_has_no_number_no_share_and_no_colour(public: Release) -> None:
    told = map_data(public).told
    assert [area["id"] for area in told["areas"]] == ["N0", "N1"]
    assert {need["id"] for need in told["needs"]} == {"behavioral_health"}
    assert [leg["id"] for leg in told["legs"]] == ["respond", "place"]
    at = [area["id"] for area in told["areas"]].index(HIDDEN_AREA)
    cell = told["cells"]["behavioral_health|place"]["areas"][at]
    assert cell == {"n": None, "parts": [90, None, None], "recorded": True, "shown": False, "class": HIDDEN_CLASS}
    other = told["cells"]["behavioral_health|place"]["areas"][1 - at]
    assert (other["n"], other["parts"], other["class"]) == (400, [300, 60, 40], 1)
    assert told["cells"]["behavioral_health|respond"]["areas"][at]["n"] == 106


def test_outcomes_that_a_release_lists_nowhere_are_nought(tmp_path: Path) -> None:
    release = make_public(tmp_path / "release")
    cells = release.table("cells")
    cells = cells[~((cells["leg"] == "place") & (cells["outcome"] == "available"))]
    cells.to_parquet(release.path("cells"))
    cell = map_data(open_release(release.folder)).told["cells"]["behavioral_health|place"]["areas"][1]
    assert cell["parts"] == [0, None, None]


def test_what_is_not_in_a_release_is_not_on_its_map(public: Release, written: Path, tmp_path: Path) -> None:
    page = maps.write_gap_map(public, tmp_path / "map.html").read_text("utf-8")
    body = page.split("<body>")[1].split('<script type="application/json"')[0]
    data = json.loads(page.split('id="told">')[1].split("</script>")[0])
    assert words.NOT_SHOWN in body
    assert not re.search("flagged</li>|internal|possibly flagged when|not on record|P\\(share", body)
    assert "No counsel has read this policy" in body
    assert data["has"] == {"flags": False, "hidden": True, "causes": False, "named": False}
    assert not {"flag", "p", "rank", "rate", "split", "flag_words"} & set(
        data["cells"]["behavioral_health|respond"]["areas"][0]
    )
    (spot,) = data["recurring"]
    assert (spot["need"], spot["small"]) == ("behavioral_health", "Substance use; new")
    facts = dict(spot["facts"])
    assert facts["Busiest hours"] == "08:00–16:00"
    assert "Calls" not in facts
    assert "flagged</li>" in written.read_text("utf-8")


# ---- colours ----

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def _lab(colour: str, sight: str) -> np.ndarray:
    """CIELAB of a hex colour as seen with one kind of colour vision (D65)."""
    rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.clip(SIGHTS[sight] @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", list(SIGHTS))
def test_classes_stay_apart_for_every_eye(scheme: int, sight: str) -> None:
    css = CSS.read_text("utf-8")
    classes = re.findall(r"--c\d: (#\w{6})", css)[5 * scheme : 5 * scheme + 5]
    assert len(classes) == 5
    labs = [_lab(colour, sight) for colour in classes]
    assert min(np.linalg.norm(a - b) for a, b in combinations(labs, 2)) > 12
    steps = np.diff([lab[0] for lab in labs])
    assert (steps < -5).all() if scheme == 0 else (steps > 5).all()
    accent = _lab(re.findall(r"--accent: (#\w{6})", css)[scheme], sight)
    assert min(np.linalg.norm(accent - lab) for lab in labs) > 20
