"""One pass over a delimited file's bytes: what it is, whether it may be read, and a plain UTF-8 copy where needed."""

import codecs
import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from geo.errors import FileRejected

CHUNK = 8 << 20
LARGEST_RATIO = 100
LARGEST_EXPANDED = 32 << 30
_RATIO_FLOOR = 16 << 20
_ENCODINGS = {
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "ascii", "iso8859-1", "iso8859-15", "cp1252", "cp1250",
    "cp437", "cp850", "mac-roman",
}  # fmt: skip
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip/xlsx"),
    (b"PK\x05\x06", "zip"),
    (b"PAR1", "parquet"),
    (b"SQLite format 3", "sqlite/gpkg"),
    (b"%PDF", "pdf"),
    (b"\xd0\xcf\x11\xe0", "xls/doc"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89PNG", "png"),
)
_MARKUP = re.compile(rb"\s*(<!doctype|<html|<\?xml|<table|\{\s*\"|\[\s*\{)", re.IGNORECASE)
_CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\r")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf](?![\x80-\xbf])|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A file's hash, where its plain UTF-8 text is, and the counts that decide how it is read.

    `n_lines` counts lines that are not blank: the records, header included, of a file whose cells hold no line ends.
    """

    plain: Path
    sha256: str
    n_lf: int
    n_crlf: int
    n_cr: int
    n_quotes: int
    has_nul: bool
    has_bom: bool
    bad_utf8: bool
    is_printable_ascii: bool
    n_lines: int

    @property
    def mixes_line_ends(self) -> bool:
        """Line ends of more than one kind, or lone carriage returns (an old Macintosh file, or damage)."""
        return self.n_cr > self.n_crlf or self.n_crlf not in (0, self.n_lf)


def scan(path: Path, out: Path, *, shown: str, encoding: str = "utf-8") -> Scan:
    """What the bytes of a CSV (or CSV.gz) say; `shown` is the name for messages, `out` takes a plain copy.

    A gzip is unpacked and another encoding than UTF-8 is rewritten, to `out/plain.csv`; otherwise the file itself
    is read later. Raises FileRejected: FILE_EMPTY, FILE_NOT_CSV, FILE_ENCODING, FILE_EXPANSION_LIMIT, FILE_CORRUPT,
    FILE_TRUNCATED (cut gzip).
    """
    size = path.stat().st_size
    if size == 0:
        raise FileRejected(shown, "FILE_EMPTY", "expected rows, got [0 bytes]; ask for the file again.")
    with path.open("rb") as handle:
        head = handle.read(64)
    packed = path.name.lower().endswith(".gz")
    if packed and not head.startswith(b"\x1f\x8b"):
        raise FileRejected(shown, "FILE_NOT_CSV", "expected gzip as its name says, got other bytes; rename it.")
    if not packed:
        _refuse_other_kinds(head, shown)
    codec = _codec(encoding, shown)
    digest = hashlib.sha256()
    chunks = _unpacked(path, shown, digest.update) if packed else _raw(path, digest.update)
    if codec not in ("utf-8", "utf-8-sig", "ascii"):
        chunks = _recoded(chunks, codec, shown)
    copy = out / "plain.csv" if packed or codec not in ("utf-8", "utf-8-sig", "ascii") else None
    tally = _Tally(decoder=codecs.getincrementaldecoder("utf-8")("strict"))
    with copy.open("wb") if copy else nullcontext() as target:
        for chunk in chunks:
            tally = _add(tally, chunk, shown)
            if target is not None:
                target.write(chunk)
    if path.stat().st_size != size:
        raise FileRejected(shown, "FILE_TRUNCATED", "the file changed while it was read; wait until it is whole.")
    return _as_scan(tally, shown, plain=copy or path, sha256=digest.hexdigest())


def _refuse_other_kinds(head: bytes, shown: str) -> None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            text = f"expected delimited text, got [{kind}] by its content; export as CSV or set the format."
            raise FileRejected(shown, "FILE_NOT_CSV", text)
    if _MARKUP.match(head.removeprefix(codecs.BOM_UTF8)):
        raise FileRejected(shown, "FILE_NOT_CSV", "expected delimited text, got [HTML, XML or JSON] by its content.")


def _codec(encoding: str, shown: str) -> str:
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        name = ""
    if name not in _ENCODINGS:
        raise FileRejected(shown, "FILE_ENCODING", f"expected an encoding that is supported, got [{encoding}].")
    return name


def _raw(path: Path, hash_: Callable[[bytes], object]) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            hash_(chunk)
            yield chunk


def _unpacked(path: Path, shown: str, hash_: Callable[[bytes], object]) -> Iterator[bytes]:
    """The content of a gzip of one or more members, at most 100 times its packed size."""
    n_in = n_out = 0
    engine = zlib.decompressobj(31)
    with path.open("rb") as handle:
        try:
            while block := handle.read(1 << 16):
                hash_(block)
                n_in += len(block)
                while block:
                    if engine.eof:
                        block = block.lstrip(b"\0")
                        if not block:
                            break
                        engine = zlib.decompressobj(31)
                    piece = engine.decompress(block, CHUNK)
                    n_out += len(piece)
                    if n_out > LARGEST_EXPANDED or (n_out > _RATIO_FLOOR and n_out > LARGEST_RATIO * n_in):
                        text = f"expected an expansion ratio of at most {LARGEST_RATIO}, got [{n_out / n_in:.0f}]."
                        raise FileRejected(shown, "FILE_EXPANSION_LIMIT", text)
                    if piece:
                        yield piece
                    block = engine.unused_data if engine.eof else engine.unconsumed_tail
        except zlib.error:
            text = f"its gzip is damaged after [{n_out}] bytes; ask for the file again."
            raise FileRejected(shown, "FILE_CORRUPT", text) from None
    if not engine.eof:
        raise FileRejected(shown, "FILE_TRUNCATED", f"its gzip is cut off after [{n_out}] bytes; ask for it again.")


def _recoded(chunks: Iterator[bytes], codec: str, shown: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(codec)("strict")
    at = 0
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode("utf-8")
            at += len(chunk)
        yield decoder.decode(b"", final=True).encode("utf-8")
    except UnicodeError:
        text = f"expected [{codec}] as declared, got bytes that are none, after byte [{at}]; correct the encoding."
        raise FileRejected(shown, "FILE_ENCODING", text) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    """Counts over the chunks so far."""

    decoder: codecs.IncrementalDecoder
    n: int = 0
    n_lf: int = 0
    n_crlf: int = 0
    n_cr: int = 0
    n_quotes: int = 0
    has_nul: bool = False
    has_bom: bool = False
    n_lines: int = 0
    has_multibyte: bool = False
    is_ascii: bool = True
    is_printable: bool = True
    tail: bytes = b"\n"
    bad_at: int | None = None


def _add(tally: _Tally, chunk: bytes, shown: str) -> _Tally:
    if tally.n == 0:
        _refuse_binary(chunk[: 1 << 16], shown)
    joined = tally.tail + chunk
    ascii_ = chunk.isascii()
    plain = ascii_ and len(chunk.translate(None, _CONTROL + b"\t")) == len(chunk) if tally.is_printable else False
    return _Tally(
        decoder=tally.decoder,
        n=tally.n + len(chunk),
        n_lf=tally.n_lf + chunk.count(b"\n"),
        n_cr=tally.n_cr + chunk.count(b"\r"),
        n_crlf=tally.n_crlf + joined.count(b"\r\n") - tally.tail.count(b"\r\n"),
        n_quotes=tally.n_quotes + chunk.count(b'"'),
        has_nul=tally.has_nul or b"\0" in chunk,
        has_bom=tally.has_bom or (tally.n == 0 and chunk.startswith(codecs.BOM_UTF8)),
        n_lines=tally.n_lines + _lines(chunk, joined),
        has_multibyte=tally.has_multibyte or (not ascii_ and _MULTIBYTE.search(chunk) is not None),
        is_ascii=tally.is_ascii and ascii_,
        is_printable=plain,
        tail=joined[-2:],
        bad_at=tally.bad_at if ascii_ and tally.is_ascii else _bad_at(tally, chunk),
    )


def _lines(chunk: bytes, joined: bytes) -> int:
    """How many lines end in this chunk that are not blank; `joined` is the chunk after the bytes before it."""
    if b"\n\n" not in joined and b"\n\r" not in joined:
        return chunk.count(b"\n")
    import numpy as np

    data = np.frombuffer(joined, dtype=np.uint8)
    previous = np.concatenate([[10], data[:-1]])
    before = np.concatenate([[10], previous[:-1]])
    is_blank = (previous == 10) | ((previous == 13) & (before == 10))
    return int(np.count_nonzero(((data == 10) & ~is_blank)[len(joined) - len(chunk) :]))


def _bad_at(tally: _Tally, chunk: bytes) -> int | None:
    """The offset of the first bytes that are no UTF-8, None as long as there are none."""
    if tally.bad_at is None:
        try:
            tally.decoder.decode(chunk)
        except UnicodeDecodeError as error:
            return tally.n + error.start
    return tally.bad_at


def _refuse_binary(head: bytes, shown: str) -> None:
    is_wide = b"\0" in head[1:4] and head.count(b"\0") > len(head) / 5
    if is_wide or head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = "expected UTF-8, got bytes that look like [UTF-16] at offset [0]; declare the encoding."
        raise FileRejected(shown, "FILE_ENCODING", text)
    share = 1 - len(head.translate(None, _CONTROL)) / len(head)
    if share > 0.05:
        text = f"expected delimited text, got [binary: {share:.0%} control bytes]; export as CSV."
        raise FileRejected(shown, "FILE_NOT_CSV", text)


def _as_scan(tally: _Tally, shown: str, *, plain: Path, sha256: str) -> Scan:
    if tally.bad_at is not None and not tally.has_multibyte:
        text = (
            f"expected UTF-8, got other bytes at offset [{tally.bad_at}] and no UTF-8 anywhere; "
            "it looks like windows-1252: declare the encoding."
        )
        raise FileRejected(shown, "FILE_ENCODING", text)
    return Scan(
        plain=plain,
        sha256=sha256,
        n_lf=tally.n_lf,
        n_crlf=tally.n_crlf,
        n_cr=tally.n_cr,
        n_quotes=tally.n_quotes,
        has_nul=tally.has_nul,
        has_bom=tally.has_bom,
        bad_utf8=tally.bad_at is not None or _ends_open(tally),
        is_printable_ascii=tally.is_printable and tally.is_ascii,
        n_lines=tally.n_lines + (tally.tail[-1:] not in (b"\n", b"\r")),
    )


def _ends_open(tally: _Tally) -> bool:
    """Whether the file stops inside a character."""
    try:
        tally.decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return True
    return False
