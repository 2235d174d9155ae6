"""A city's TOML read into a `City`; every fault of the file at once, each with its key path and a near name.

Nothing is opened but the file itself: whether the data fit it is the matter of `pipelines/check.py`.
"""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from geo.errors import ConfigError
from pipelines.city import City, Standard, Travel
from pipelines.city_columns import LEGS
from pipelines.city_layers import read_denominators, read_levels, read_path
from pipelines.city_place import (
    read_box,
    read_breaks,
    read_city_crs,
    read_outages,
    read_points,
    read_timezone,
    read_windows,
)
from pipelines.city_refuse import secrets, without_secrets
from pipelines.city_section import Section, hint, shown
from pipelines.city_sources import read_sources

SCHEMA = 1
LARGEST_BYTES = 1_000_000
_SLUG = re.compile(r"[a-z][a-z0-9_]{0,39}")


def read_city(name_or_path: str | Path) -> City:
    """The city of a slug of `data/cities/` or of a TOML file.

    Raises:
        ConfigError: with all faults of the file, each `key.path: what was expected, [what was got]; what to do`.
    """
    path = find_city(name_or_path)
    faults: list[str] = []
    table = _load(path)
    found = secrets(table)
    faults += [message for _, message in found]
    city = _city(Section(where="", table=without_secrets(table, {p for p, _ in found}), faults=faults), path)
    if faults or city is None:
        raise ConfigError(path.name, faults)
    return city


def find_city(name_or_path: str | Path) -> Path:
    """The path of a city's file, by slug or by path.

    Raises:
        ConfigError: no such file; the slugs there are, and the nearest.
    """
    text = str(name_or_path)
    path = Path(text)
    if path.suffix.lower() in (".yaml", ".yml", ".json", ".ini"):
        raise ConfigError(shown(path.name), [
            f"expected a .toml file, got [{path.suffix}]; configuration is TOML: write key = value under [tables], "
            "see data/cities/sample.toml (CONFIG_FORMAT)"
        ])  # fmt: skip
    if path.suffix == ".toml" or isinstance(name_or_path, Path) or "/" in text:
        if not path.is_file():
            raise ConfigError(shown(text), ["expected a city's TOML file, got no file at this path (CONFIG_MISSING)"])
        return path
    known = city_slugs()
    if text not in known:
        raise ConfigError(shown(text), [
            f"expected a city of data/cities ({', '.join(known)}) or the path of a .toml file, "
            f"got [{shown(text)}]{hint(text, known)} (CONFIG_MISSING)"
        ])  # fmt: skip
    return _cities_folder() / f"{text}.toml"


def city_slugs() -> tuple[str, ...]:
    """The slugs of the cities that ship with the project."""
    return tuple(sorted(p.stem for p in _cities_folder().glob("*.toml") if _SLUG.fullmatch(p.stem)))


def settings_of(city: City) -> dict[str, object]:
    """The settings of a city by section, as JSON types in a fixed order: what a stage's fingerprint is made of.

    A stage hashes the sections it reads, so that a changed setting re-runs only what depends on it. The place
    of the file and the words shown to people (`words`) change no number.
    """
    plain = _plain(city)
    sections = {
        "city": ("slug", "timezone", "crs", "bbox", "is_synthetic"),
        "windows": ("windows", "outages", "as_of"),
        "levels": ("levels",),
        "denominators": ("denominators",),
        "classify": ("tier_priority_raise",),
        "places": ("placeholders", "institutions", "institution_radius_m"),
        "merge": ("merge_minutes",),
        "supply": ("services_as_of", "directory_complete"),
        "random": ("seed", "n_sim", "n_draws"),
        "words": ("name", "breaks", "caveats"),
    }
    out: dict[str, object] = {name: {key: plain[key] for key in keys} for name, keys in sections.items()}
    out["travel"] = plain["travel"]
    out["standard"] = plain["standard"]
    out["sources"] = {source["id"]: source for source in plain["sources"]}
    return out


def _cities_folder() -> Path:
    from pipelines.resources import data_path

    return data_path("cities")


def _load(path: Path) -> dict[str, Any]:
    """The tables of the file.

    Raises:
        ConfigError: it is too large, not UTF-8 or not TOML.
    """

    def refuse(message: str) -> ConfigError:
        return ConfigError(path.name, [f"{message} (CONFIG_SYNTAX)"])

    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_BYTES:
            raise refuse(f"expected at most {LARGEST_BYTES} bytes, got [{len(raw)}]")
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise refuse(f"expected UTF-8, got [another byte at {error.start}]; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise refuse(f"expected TOML, got [{shown(str(error))}]") from None
    except RecursionError:
        raise refuse("expected TOML, got [tables nested too deep]") from None
    except OSError as error:
        raise refuse(f"expected a file that can be read, got [{error.strerror}]") from None


def _city(section: Section, path: Path) -> City | None:
    if section.whole("schema", low=1, high=SCHEMA) != SCHEMA:
        return None
    slug = section.text("slug", about="a short name as san_francisco")
    if slug and not _SLUG.fullmatch(slug):
        section.wrong("slug", "lower-case letters, digits and _, starting with a letter", slug)
    box = read_box(section)
    timezone = read_timezone(section, "timezone", required=True)
    windows = read_windows(section)
    places = section.section("places")
    levels = read_levels(section.section("levels"))
    services_as_of = section.day("services_as_of")
    values: dict[str, Any] = {
        "slug": slug,
        "name": section.text("name", about="the city's name as people say it"),
        "is_synthetic": section.flag("is_synthetic", False),
        "crs": read_city_crs(section, box),
        "levels": levels,
        "denominators": read_denominators(section.section("denominators"), levels),
        "sources": read_sources(section.section("sources")),
        "seed": section.whole("seed", 1, low=0, high=2**31 - 1),
        "as_of": section.day("as_of", None),
        "outages": read_outages(section, windows),
        "breaks": read_breaks(section, windows),
        "caveats": section.texts("caveats"),
        "directory_complete": section.texts("directory_complete", choices=LEGS),
        "tier_priority_raise": _raises(section.section("tier_priority_raise")),
        "placeholders": read_points(places, "placeholders", box),
        "institutions": read_points(places, "institutions", box),
        "institution_radius_m": places.number("institution_radius_m", 50.0, low=0, high=1000, unit="m"),
        "merge_minutes": section.number("merge_minutes", 30.0, low=0, high=240, unit="minutes"),
        "travel": _travel(section.section("travel")),
        "standard": _standard(section.section("standard")),
        "n_sim": section.whole("n_sim", 999, low=19, high=99_999),
        "n_draws": section.whole("n_draws", 2000, low=100, high=100_000),
    }
    places.done()
    section.done()
    if section.faults or timezone is None or box is None or services_as_of is None:
        return None
    return City(timezone=timezone, bbox=box, windows=windows, services_as_of=services_as_of, path=path, **values)


def _travel(section: Section) -> Travel:
    minutes = {name: section.number(name, getattr(_DEFAULT_TRAVEL, name), low=1, high=240, unit="minutes")
               for name in ("walk_min", "drop_off_min", "respond_min")}  # fmt: skip
    travel = Travel(
        walk_kmh=section.number("walk_kmh", _DEFAULT_TRAVEL.walk_kmh, low=1, high=10, unit="km/h"),
        drive_kmh=section.number("drive_kmh", _DEFAULT_TRAVEL.drive_kmh, low=5, high=130, unit="km/h"),
        circuity=section.number("circuity", _DEFAULT_TRAVEL.circuity, low=1, high=3),
        matrix=read_path(section, "matrix") if section.has("matrix") else None,
        **minutes,
    )
    section.done()
    return travel


def _standard(section: Section) -> Standard:
    standard = Standard(
        share=section.number("share", 0.5, low=0, high=1),
        adopted=section.day("adopted", None),
        source=section.text("source", "", about="who adopted it"),
    )
    section.done()
    return standard


def _raises(section: Section) -> tuple[tuple[str, int], ...]:
    return tuple((priority, section.whole(priority, low=0, high=3)) for priority in section.table)


def _plain(value: Any) -> Any:
    """JSON types of dataclasses, tuples and dates; the path of the file is left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        skip = "path" if isinstance(value, City) else ""
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != skip}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    return value


_DEFAULT_TRAVEL = Travel()
