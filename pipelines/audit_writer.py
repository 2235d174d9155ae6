"""One writer for a serving process: views are logged in batches of at most a second, downloads before they leave."""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipelines.audit import AuditError, append_many, entry

MOST_WAITING = 10_000
SLOWEST_S = 1.0


class AuditWriter:
    """Entries for one log, in the order in which they were given; use as `with AuditWriter(path) as log:`.

    A log that cannot be written fails closed: what waits is kept and tried again, and `view` and `download` raise
    until it has been written. Several processes may each have one: the file's lock orders them. The thread starts
    with the first entry, so that a server may fork before.
    """

    def __init__(self, path: Path, *, every_s: float = 0.5) -> None:
        """`every_s`: how long a view may wait for others, at most a second."""
        self._path = path
        self._every_s = min(max(every_s, 0.01), SLOWEST_S)
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken: AuditError | None = None

    def view(
        self, *, who: str, role: str, purpose: str, release: str, what: Mapping[str, Any], n_rows: int, city: str
    ) -> None:
        """Logs a view within a second.

        Raises:
            InputError: an entry that must not be in a log.
            AuditError: the log cannot be written, or too much waits for it; show nothing then.
        """
        one = entry(who=who, role=role, purpose=purpose, action="view", release=release, what=what, n_rows=n_rows,
                    city=city)  # fmt: skip
        with self._lock:
            self._check_open()
            self._waiting.append(one)
            self._start()
        self._wake.set()

    def now(
        self,
        *,
        action: str,
        who: str,
        role: str,
        purpose: str,
        release: str,
        what: Mapping[str, Any],
        n_rows: int,
        city: str,
    ) -> str:
        """The `sha256` of an entry that is on disk when this returns, with all that waited before it.

        For downloads, attestations and refusals: call it before the first byte leaves.

        Raises:
            InputError, AuditError: as `view`; nothing may leave then.
        """
        one = entry(who=who, role=role, purpose=purpose, action=action, release=release, what=what, n_rows=n_rows,
                    city=city)  # fmt: skip
        with self._lock:
            if self._closing.is_set():
                raise AuditError("expected an open log, got one that is closed")
        return self._write(one)

    def close(self) -> None:
        """Writes what waits and ends the thread.

        Raises:
            AuditError: what waits could not be written.
        """
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._write(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise AuditError("expected an open log, got one that is closed")
        if self._broken is not None:
            raise AuditError(f"nothing is shown while the log cannot be written: {self._broken}")
        if len(self._waiting) >= MOST_WAITING:
            raise AuditError(f"expected at most {MOST_WAITING} entries waiting for the log, got more")

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._closing.wait(self._every_s)
            self._wake.clear()
            try:
                self._write(None)
            except Exception as error:
                self._broken = error if isinstance(error, AuditError) else AuditError(repr(error))
                self._wake.set()

    def _write(self, last: dict[str, Any] | None) -> str:
        """The `sha256` of `last`, or "" where it is None; what waits is kept where it cannot be written."""
        with self._writing:
            with self._lock:
                n_waiting = len(self._waiting)
                batch = [*self._waiting, *([last] if last is not None else [])]
            if not batch:
                return ""
            try:
                sha = append_many(self._path, batch)[-1]
            except AuditError as error:
                self._broken = error
                raise
            with self._lock:
                del self._waiting[:n_waiting]
                self._broken = None
            return sha if last is not None else ""
