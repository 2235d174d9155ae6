"""Planted canaries: an address, a person, a call id and a confidential service are in no byte that leaves.

They are planted in the raw files of a small sample city, in every column of free text, found again in its store, and
then looked for in releases, their GeoJSON, the HTML map and what the commands print and log: in every byte, in every
value of a Parquet file and its metadata, in members of gzip and ZIP files, as text in several encodings.
"""

import base64
import contextlib
import ctypes
import gzip
import html
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow.parquet as pq
import pytest

from pipelines import cli
from pipelines.city import City
from pipelines.flow import run
from pipelines.maps import write_gap_map
from pipelines.policy import load_policy
from pipelines.release import Release, build_release, open_release
from pipelines.store import Store
from tests import runs
from tests.releases import short_policy

ADDRESS = "4711 W ZYXCANARY PL"
PERSON = "QUINXABEL ZORNWHISTLE"
CALL = "P24-7Q3X9Z1"
SERVICE = "Vextrumhaven Safe House"
ORGANIZATION = "Vextrumhaven"
HIDDEN_ADDRESS = "88 W QUVANTIS PL"
CANARIES = (
    ADDRESS,
    PERSON,
    CALL,
    SERVICE,
    ORGANIZATION,
    HIDDEN_ADDRESS,
    "ZYXCANARY",
    "ZORNWHISTLE",
    "7Q3X9Z1",
    "QUVANTIS",
)
TYPES = "type_changes.parquet"
STORED = (ADDRESS, PERSON, CALL, SERVICE, "ZYXCANARY", "ZORNWHISTLE")


# --- the search -----------------------------------------------------------------------------------


def spellings(text: str) -> set[bytes]:
    """A text as it may stand in a file: by case, quoted, and in several encodings."""
    texts = {one for case in (text, text.lower(), text.upper(), text.title()) for one in (case, case.replace(" ", "_"))}
    out: set[bytes] = set()
    for one in texts:
        raw = one.encode("utf-8")
        out |= {raw, one.encode("utf-16-le"), one.encode("utf-16-be"), raw.hex().encode(), raw.hex().upper().encode()}
        out |= {quote(one).encode(), quote_plus(one).encode(), raw[::-1]}
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + raw)
            inner = coded[[0, 2, 3][shift] : -4 if (shift + len(raw)) % 3 else None]
            out |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return out


def pieces(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes of a file under its name, and of what is packed in it."""
    yield name, name.encode() + b"\n" + content
    if content[:2] == b"\x1f\x8b":
        yield from pieces(f"{name} unpacked", gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from pieces(f"{name}/{member}", archive.read(member))
    elif content[:4] == b"PAR1":
        yield f"{name} values", b"\n".join(values(content))
    elif name.endswith((".html", ".json", ".geojson")):
        text = content.decode("utf-8")
        yield f"{name} unescaped", html.unescape(text.encode().decode("raw_unicode_escape", "replace")).encode()


def values(content: bytes) -> Iterator[bytes]:
    """Every value of a Parquet file as text or bytes, and its metadata."""
    table = pq.read_table(io.BytesIO(content))
    yield repr(table.schema.metadata).encode() + repr(pq.read_metadata(io.BytesIO(content)).metadata).encode()
    for column in table.columns:
        for value in dict.fromkeys(json.dumps(one, default=_as_text) for one in column.to_pylist()):
            yield value.encode()


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def found_in(files: Iterable[tuple[str, bytes]], canaries: Iterable[str]) -> set[tuple[str, str]]:
    """(canary, where) for each canary that stands anywhere in the files, in any spelling."""
    wanted = {canary: spellings(canary) for canary in canaries}
    return {
        (canary, where)
        for name, content in files
        for where, piece in pieces(name, content)
        for canary, forms in wanted.items()
        if any(form in piece for form in forms)
    }


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    return ((str(path.relative_to(folder)), path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("canary", CANARIES)
def test_the_search_finds_a_canary_however_it_is_spelled_and_packed(canary: str) -> None:
    raw = canary.encode()
    hidden = [
        b"x" + raw + b"y", f"- {canary.lower()} -".encode("utf-16"), b"ab" + raw.hex().encode(),
        *(base64.b64encode(b"abc"[:shift] + raw + b"tail") for shift in range(3)),
        gzip.compress(b"--" + raw), quote(f"a {canary} b").encode(),
    ]  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.gz", gzip.compress(raw))
    table = io.BytesIO()
    import pandas as pd

    pd.DataFrame({"a": ["x", f"see {canary}"], "b": [b"", raw]}).to_parquet(table, compression="zstd")
    for content in (*hidden, packed.getvalue(), table.getvalue()):
        assert found_in([("file", content)], [canary])
    assert found_in([("page.html", "".join(f"&#{ord(c)};" for c in canary).encode())], [canary])
    assert found_in([("page.json", "".join(f"\\u{ord(c):04x}" for c in canary).encode())], [canary])
    assert found_in([(f"{canary}.txt", b"")], [canary])
    assert not found_in([("file", b"nothing of the kind")], [canary])


# --- what is planted ------------------------------------------------------------------------------


def plant(raw: Path) -> None:
    """Puts the canaries into every free text of the raw files: addresses, types, offences, reasons, bad dates."""

    def calls(rows: list[list[str]]) -> list[list[str]]:
        base = next(row for row in rows if row[6] == "WELFARE CHECK" and row[8] == "911" and row[12] and row[13])
        at = {"CALL_NO": 0, "RECEIVED": 1, "FINAL_TYPE": 6, "NATURE_CODE": 7, "DISPO": 11, "ADDRESS": 12}

        def row(**changes: str) -> list[str]:
            told = list(base)
            for name, value in changes.items():
                told[at[name]] = value
            return told

        planted = [
            row(CALL_NO=CALL, ADDRESS=ADDRESS, NATURE_CODE=PERSON),
            row(CALL_NO="P24-8000001", FINAL_TYPE=f"CHECK ON {PERSON}", ADDRESS=ADDRESS),
            row(CALL_NO="P24-8000002", DISPO=f"LEFT WITH {PERSON}", ADDRESS=f"{PERSON} RESIDENCE"),
            row(CALL_NO="P24-8000003", RECEIVED=f"{PERSON}"),
            row(CALL_NO=CALL, ADDRESS=f"{ADDRESS} APT 2", RECEIVED="not a date"),
        ]
        often = [
            row(CALL_NO=f"P24-81{at:05d}", ADDRESS=ADDRESS, RECEIVED=f"02/{at % 28 + 1:02d}/2024 10:00:00 AM")
            for at in range(28)
        ]  # so that one address makes most of a cell
        return [*rows, *planted, *often]

    def incidents(rows: list[list[str]]) -> list[list[str]]:
        return [*rows, ["R-9000001", CALL, rows[0][2], f"TRESPASS {PERSON}", ADDRESS, rows[0][4], rows[0][5]]]

    def responses(rows: list[list[str]]) -> list[list[str]]:
        planted = [CALL, "MOBILE CRISIS", "", "", "", f"SAW {PERSON}", f"{PERSON} REFUSED"]
        return [*rows, planted]

    runs.rewrite_rows(raw / "cad_calls.csv.gz", calls)
    runs.rewrite_rows(raw / "incidents.csv.gz", incidents)
    runs.rewrite_rows(raw / "responses.csv.gz", responses)
    for name in ("services.csv", "locations.csv", "organizations.csv"):
        path = raw / "hsds" / name
        text = path.read_text("utf-8")
        assert "Harbor Light" in text
        path.write_text(text.replace("Harbor Light", ORGANIZATION), "utf-8")
    where = next(
        line.split(",")[0]
        for line in (raw / "hsds" / "locations.csv").read_text("utf-8").splitlines()
        if f",{SERVICE}," in line
    )
    with (raw / "hsds" / "addresses.csv").open("a", encoding="utf-8", newline="") as file:
        file.write(f"0b0b0b0b-0000-5000-8000-000000000001,{where},{HIDDEN_ADDRESS},Sample City,ZZ,00000,US,physical\n")


@pytest.fixture(scope="module")
def planted(small_raw: Path, small_city: City, tmp_path_factory: pytest.TempPathFactory) -> Store:
    raw = runs.copied(small_raw, tmp_path_factory.mktemp("canary") / "raw")
    plant(raw)
    folder = tmp_path_factory.mktemp("stores") / "sample"
    run(small_city, raw, folder)
    return Store(folder)


@pytest.fixture(scope="module")
def releases(planted: Store, small_city: City, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Release]:
    """Internal, case-conference and public releases of the planted store."""
    root = tmp_path_factory.mktemp("releases")
    made = {}
    for slug in ("internal", "case_conference", "public"):
        policy = short_policy(root, small_city) if slug == "public" else load_policy(slug, city=small_city)
        folder = build_release(small_city, planted, policy, root / "out", audit_path=root / "audit.jsonl", who="tester")
        made[slug] = open_release(folder)
    return made


@pytest.fixture(scope="module")
def found_in_store(planted: Store) -> set[tuple[str, str]]:
    """What the search finds in the store: its files are unpacked and read once for all canaries."""
    return found_in(files_of(planted.folder), STORED)


@pytest.mark.parametrize("canary", STORED)
def test_the_search_finds_the_canaries_in_the_store(found_in_store: set[tuple[str, str]], canary: str) -> None:
    assert [where for name, where in found_in_store if name == canary]


# --- what leaves ----------------------------------------------------------------------------------


def ids_of(planted: Store) -> list[str]:
    """The ids that the store gave to the planted place and service: they must not leave either."""
    calls = planted.read("calls", ["call_id", "place_id"])
    places = calls.loc[calls["call_id"].str.contains("7Q3X9Z1"), "place_id"].dropna()
    services = planted.read("services", ["service_id", "is_confidential"])
    hidden = services.loc[services["is_confidential"], "service_id"]
    assert len(places)
    assert len(hidden)
    return [*places.unique(), *hidden.unique()]


@pytest.mark.parametrize("slug", ["public", "internal", "case_conference"])
def test_no_canary_is_in_any_byte_of_a_release(releases: dict[str, Release], planted: Store, slug: str) -> None:
    ids = ids_of(planted)
    if slug == "case_conference":  # named staff under an agreement see places, by their id
        ids = ids[-1:]
    found = found_in(files_of(releases[slug].folder), [*CANARIES, *ids])
    assert set(found) == set()


@pytest.mark.parametrize("slug", ["internal", "case_conference"])
def test_no_name_typed_as_a_call_type_is_in_a_release_for_staff(releases: dict[str, Release], slug: str) -> None:
    folder = releases[slug].folder
    assert len(releases[slug].table("type_changes"))
    assert found_in([(TYPES, (folder / TYPES).read_bytes())], [PERSON]) == set()


@pytest.mark.parametrize("slug", ["public", "internal"])
def test_no_canary_is_in_any_byte_of_the_map(
    releases: dict[str, Release], planted: Store, slug: str, tmp_path: Path
) -> None:
    page = write_gap_map(releases[slug], tmp_path / "map.html")
    assert found_in(files_of(page.parent), [*CANARIES, *ids_of(planted)]) == set()


def test_no_canary_is_in_what_the_commands_print_write_or_log(
    releases: dict[str, Release],
    planted: Store,
    small_city: City,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    public = releases["public"]
    root, log = public.folder.parents[2], tmp_path / "audit.jsonl"
    monkeypatch.setenv("UNMET_RELEASES", str(root))
    monkeypatch.setenv("UNMET_AUDIT", str(log))
    city, store = str(small_city.path), str(planted.folder.parent)
    policy = str(root.parent / "public.toml")
    asked = [
        ["release", city, "--policy", policy, "--store", store],
        ["release", city, "--policy", policy, "--store", store, "--json"],
        ["map", city, "--policy", policy, "--out", str(tmp_path / "public.html")],
        ["map", city, "--out", str(tmp_path / "internal.html")],
        ["policy", "explain", policy],
        ["audit", "verify"],
        ["retire", "--dry-run"],
    ]
    for words in asked:
        with contextlib.suppress(SystemExit):
            monkeypatch.setattr(sys, "argv", ["unmet", *words])
            cli.main()
        out, err = capsys.readouterr()
        (tmp_path / f"{'-'.join(words[:1])}-{len(words)}.txt").write_text(out + err, "utf-8")
        assert out, err
    assert (tmp_path / "public.html").exists()
    assert (tmp_path / "internal.html").exists()
    assert found_in(files_of(tmp_path), [*CANARIES, *ids_of(planted)]) == set()


# --- what is opened -------------------------------------------------------------------------------

OPENS = """
import json, sys
from pathlib import Path
from pipelines.map_data import map_data
from pipelines.release import open_release

def all_of(folder):
    release = open_release(folder)
    for name in release.tables:
        release.table(name)
    map_data(release)

warm, folder = Path(sys.argv[1]), Path(sys.argv[2])
all_of(warm)
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
all_of(folder)
print(json.dumps(opened))
"""
IN_OPEN, IN_NONBLOCK = 0x20, 0x800


@contextlib.contextmanager
def watched(folders: Iterable[Path]) -> Iterator[Callable[[], int]]:
    """A function that counts the bytes of news of files opened in folders, by the kernel (also when C code opens)."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(IN_NONBLOCK)
    assert handle >= 0
    for folder in folders:
        for one in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            assert libc.inotify_add_watch(handle, str(one).encode(), IN_OPEN) >= 0

    def news() -> int:
        try:
            return len(os.read(handle, 1 << 16))
        except BlockingIOError:
            return 0

    try:
        yield news
    finally:
        os.close(handle)


@pytest.mark.parametrize("slug", ["public", "internal"])
def test_opening_a_release_opens_no_other_file(
    releases: dict[str, Release], planted: Store, slug: str, tmp_path: Path
) -> None:
    """By Python's own audit of `open`, and for the store by the kernel's news, since Parquet is opened by C++."""
    folder = releases[slug].folder
    warm = Path(shutil.copytree(folder, tmp_path / "warm" / folder.name))
    raw = Path(str(planted.folder))
    with watched([raw, warm.parent]) as news:
        done = subprocess.run(
            [sys.executable, "-c", OPENS, str(warm), str(folder)],
            env=runs.environment(), cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert news() > 0  # the watch works: the other copy was opened
    opened = json.loads(done.stdout)
    assert any(path.endswith("release.json") for path in opened)
    outside = [path for path in opened if not Path(path).resolve().is_relative_to(folder.resolve())]
    assert outside == []
    with watched([planted.folder]) as news:
        subprocess.run(
            [sys.executable, "-c", OPENS, str(warm), str(folder)],
            env=runs.environment(), cwd=tmp_path, capture_output=True, check=True,
        )  # fmt: skip
        assert news() == 0
        planted.read("areas", ["level"])
        assert news() > 0
