"""A city's TOML as frozen dataclasses: what its files are, what their columns mean, where and when it is.

`load_city(name_or_path)` reads one; the checking is in `pipelines/city_file.py`, which lists every fault at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

SOURCE_KINDS = ("calls", "incidents", "services", "duty", "responses")
ROLES = ("census", "patrol", "planning", "parent", "grid")
TABULAR = ("csv", "parquet")
VECTOR = ("geojson", "gpkg", "shapefile_zip")
DIRECTORIES = ("hsds_3", "hsds_1", "service_table", "sf_service_guide", "linksf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open local dates [start, end) in which every call is on file."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Dates inside a window that are missing, and why."""

    start: date
    end: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A date across which counts cannot be compared, and why."""

    date: date
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of areas and the file it comes from.

    `id_prefix` is put before the layer's ids; `where` keeps the features whose attributes equal these values (one of
    them where an attribute is named several times); `columns` takes denominators (our name → attribute) from the layer
    itself, of `columns_vintage`.
    """

    name: str
    role: str
    path: str
    format: str
    id: str
    vintage: str
    label: str = ""
    layer: str | None = None
    crs: str | None = None
    id_prefix: str = ""
    where: tuple[tuple[str, str], ...] = ()
    is_base: bool = False
    columns: tuple[tuple[str, str], ...] = ()
    columns_vintage: str = ""

    def keeps(self, said: Iterable[str]) -> bool:
        """Whether a feature stays; `said` is what it says of each attribute of `where`, in that order."""
        told = list(zip(self.where, said, strict=True))
        fits = {name for (name, asked), value in told if asked == value}
        return fits == {name for (name, _), _ in told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Denominator:
    """A census table joined to a level: our column name → the file's column name.

    `id_prefix` is taken off the file's ids (TOML key `id_strip`), `id_width` pads them with zeros on the left;
    `tract_vintage` says which boundaries the table was made for, empty where the file does not say.
    """

    level: str
    path: str
    format: str
    id: str
    vintage: str
    columns: tuple[tuple[str, str], ...]
    id_width: int = 0
    id_prefix: str = ""
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    tract_vintage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One raw file: how it is written and which of its columns are what.

    `columns` maps our name to the file's name, or to several that are joined by one space.
    `values` maps (our column, the file's value) to ours, for origin, caller_role and the like.
    `id` is kind and name, as in `calls.cad`.
    """

    id: str
    kind: str
    path: str
    format: str
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    unused: tuple[str, ...] = ()
    values: tuple[tuple[str, str, str], ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    skip_lines: int = 0
    time_format: str | None = None
    timezone: str | None = None
    ambiguous_time: str = "first"
    date_range: tuple[date, date] | None = None
    crs: str | None = None
    origin: str = "inferred"
    type_split: str | None = None
    duration_unit: str = "seconds"
    point_pattern: str | None = None
    max_bad_share: float = 0.5
    max_distinct_types: int = 2000
    kind_of_service: str | None = None
    prefix: str = ""
    valid_as_of: date | None = None

    @property
    def short(self) -> str:
        """The id without its kind: `cad` of `calls.cad`."""
        return self.id.rpartition(".")[2]

    @property
    def table(self) -> str:
        """What tables of this source are named after: `calls_cad`."""
        return f"{self.kind}_{self.short}"

    def column(self, name: str) -> tuple[str, ...]:
        """The file's column(s) for our `name`, or () where it has none."""
        return dict(self.columns).get(name, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Travel:
    """Speeds, thresholds in minutes, and an optional supplied matrix (place cell, service, minutes)."""

    walk_kmh: float = 4.8
    drive_kmh: float = 25.0
    circuity: float = 1.3
    walk_min: float = 30.0
    drop_off_min: float = 20.0
    respond_min: float = 60.0
    matrix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """The share of calls that may be unmet before an area is flagged, and who adopted it."""

    share: float = 0.5
    adopted: date | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPoint:
    """A point known not to be an ordinary address: a default geocode or an institution."""

    lon: float
    lat: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Everything the pipeline knows of a city before it opens a data file."""

    slug: str
    name: str
    is_synthetic: bool
    timezone: str
    crs: str
    bbox: tuple[float, float, float, float]
    windows: tuple[Window, ...]
    services_as_of: date
    levels: tuple[Level, ...]
    sources: tuple[Source, ...]
    seed: int = 1
    as_of: date | None = None
    outages: tuple[Outage, ...] = ()
    breaks: tuple[Break, ...] = ()
    caveats: tuple[str, ...] = ()
    denominators: tuple[Denominator, ...] = ()
    directory_complete: tuple[str, ...] = ()
    tier_priority_raise: tuple[tuple[str, int], ...] = ()
    placeholders: tuple[KnownPoint, ...] = ()
    institutions: tuple[KnownPoint, ...] = ()
    institution_radius_m: float = 50.0
    merge_minutes: float = 30.0
    travel: Travel = field(default_factory=Travel)
    standard: Standard = field(default_factory=Standard)
    n_sim: int = 999
    n_draws: int = 2000
    path: Path | None = None

    @property
    def years(self) -> float:
        """Study length T: days in the windows less outages, over 365.25."""
        return self.n_days / 365.25

    @property
    def n_days(self) -> int:
        """Days in the windows less declared outages."""
        return sum(window.days for window in self.windows) - sum(
            max(0, (min(o.end, w.end) - max(o.start, w.start)).days) for o in self.outages for w in self.windows
        )

    @property
    def base_level(self) -> Level:
        """The level declared `base = true`, else the first of role census."""
        marked = [level for level in self.levels if level.is_base]
        census = [level for level in self.levels if level.role == "census"]
        return (marked or census or list(self.levels))[0]

    def sources_of(self, kind: str) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if source.kind == kind)


def load_city(name_or_path: str | Path) -> City:
    """A city by slug of `data/cities/` or by path of a TOML.

    Raises:
        ConfigError: all faults of the file at once, each with its key path and a near-name hint.
    """
    from pipelines.city_file import read_city

    return read_city(name_or_path)
