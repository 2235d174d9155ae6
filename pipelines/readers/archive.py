"""The gate every supplier's archive passes before a byte of it is used."""

import gzip
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from geo.errors import FileRejected

MAX_MEMBERS = 200
MAX_TOTAL = 1 << 30
MAX_RATIO = 100
RATIO_FROM = 1 << 20
_NESTED = (".zip", ".gz", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".rar", ".zst")
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")


def read_members(
    path: str | Path, *, stem: str | None = None, suffixes: tuple[str, ...]
) -> tuple[str, dict[str, bytes]]:
    """The name of the one data set in a zip and its members by lower-case suffix, for instance `.shp`.

    All members are checked (names, links, number, size, ratio, nesting, repeats), the wanted ones are read whole with
    their checksum. `suffixes[0]` is the member that makes a data set; `stem` chooses one of several.

    Raises:
        FileRejected: FILE_ARCHIVE, ARCHIVE_UNSAFE_NAME, ARCHIVE_UNSAFE_MEMBER, ARCHIVE_EXPANSION, ARCHIVE_NESTED,
            ARCHIVE_DUPLICATE_MEMBER, ARCHIVE_AMBIGUOUS, FILE_FORMAT.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _gate(infos, path.name)
            name = _choose(
                [info.filename for info in infos if not _is_junk(info.filename)], stem, suffixes[0], path.name
            )
            return name, {
                suffix: _read(archive, info, path.name)
                for info in infos
                for suffix in suffixes
                if not _is_junk(info.filename) and info.filename.lower() == (name + suffix).lower()
            }
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        said = "CRC does not match" if "CRC" in str(error) else "not a zip, or truncated"
        member = str(error).split("'")[1] if "'" in str(error) else ""
        raise FileRejected(path.name, "FILE_ARCHIVE", f"{said} [{member}]; copy the file again") from None
    except (NotImplementedError, RuntimeError):
        raise FileRejected(path.name, "FILE_ARCHIVE", "encrypted or of an unknown method; zip it plainly") from None


def gunzip(path: str | Path, *, limit: int = MAX_TOTAL) -> bytes:
    """The content of a .gz file of at most `limit` bytes.

    Raises:
        FileRejected: FILE_ARCHIVE, ARCHIVE_EXPANSION.
    """
    path = Path(path)
    allowed = min(limit, max(RATIO_FROM, MAX_RATIO * path.stat().st_size))
    try:
        with gzip.open(path) as stream:
            data = stream.read(allowed + 1)
    except (OSError, EOFError, zlib.error):
        raise FileRejected(path.name, "FILE_ARCHIVE", "not a gzip file, or truncated; copy it again") from None
    if len(data) > allowed:
        raise FileRejected(path.name, "ARCHIVE_EXPANSION", f"grows past the ratio or size limit [{allowed} bytes]")
    return data


def _gate(infos: list[zipfile.ZipInfo], path: str) -> None:
    if len(infos) > MAX_MEMBERS:
        raise FileRejected(path, "ARCHIVE_EXPANSION", f"expected at most {MAX_MEMBERS} members, got [{len(infos)}]")
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        _gate_name(info.orig_filename, path)
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise FileRejected(path, "ARCHIVE_UNSAFE_MEMBER", f"a symlink or special file [{name[:80]}] is refused")
        if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise FileRejected(path, "ARCHIVE_EXPANSION", f"[{name[:80]}] grows past the ratio limit of {MAX_RATIO}")
        if name.lower().endswith(_NESTED):
            raise FileRejected(path, "ARCHIVE_NESTED", f"an archive inside the archive [{name[:80]}] is refused")
        if name.lower() in seen:
            raise FileRejected(
                path, "ARCHIVE_DUPLICATE_MEMBER", f"[{name[:80]}] stands twice; which holds is not known"
            )
        seen.add(name.lower())
    if sum(info.file_size for info in infos) > MAX_TOTAL:
        raise FileRejected(path, "ARCHIVE_EXPANSION", f"unpacks to more than the size limit of {MAX_TOTAL >> 20} MiB")


def _gate_name(name: str, path: str) -> None:
    parts = PurePosixPath(name).parts
    unsafe = ".." in parts or name.startswith("/") or "\\" in name or ":" in name or "\0" in name
    if unsafe or not name.isprintable():
        raise FileRejected(path, "ARCHIVE_UNSAFE_NAME", f"member name [{ascii(name)[:80]}] leads out of the archive")


def _is_junk(name: str) -> bool:
    return any(part in _JUNK or part.startswith("._") for part in PurePosixPath(name).parts)


def _choose(names: list[str], stem: str | None, suffix: str, path: str) -> str:
    sets = [name[: -len(suffix)] for name in names if name.lower().endswith(suffix)]
    if not sets:
        raise FileRejected(path, "FILE_FORMAT", f"expected a member that ends in {suffix}, got none")
    chosen = [name for name in sets if stem is None or PurePosixPath(name).name.lower() == stem.lower()]
    if len(chosen) != 1:
        listed = "; ".join(sorted(PurePosixPath(name).name + suffix for name in sets))[:200]
        raise FileRejected(path, "ARCHIVE_AMBIGUOUS", f"expected one data set, got [{listed}]; name it with `layer`")
    return chosen[0]


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> bytes:
    with archive.open(info) as stream:
        data = stream.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise FileRejected(path, "FILE_ARCHIVE", f"[{info.filename[:80]}] is not as long as the archive says")
    return data
