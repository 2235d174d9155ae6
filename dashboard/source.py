"""Where releases come from: `newest` yields the latest one of a folder; `Shelf` keeps it loaded and swaps it whole."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from dashboard.data import Data
from dashboard.load import load
from geo.errors import UnmetError
from pipelines.release import Release, ReleaseError, newest_in, open_release

Source = Callable[[], Release]
LOOK_EVERY_S = 5.0


def newest(folder: Path) -> Source:
    """A source of the newest release in RELEASES/CITY/POLICY: the one whose `made_at` is the latest.

    Raises (when called):
        ReleaseError: there is none.
    """
    opened: dict[Path, Release] = {}

    def source() -> Release:
        found = newest_in(folder)
        if found is None:
            raise ReleaseError(f"{folder}: expected a release, got [an empty folder]; run `unmet release`")
        if found not in opened:
            release = open_release(found)
            opened.clear()
            opened[found] = release
        return opened[found]

    return source


def only(folder: Path) -> Source:
    """A source of one release, whatever else is beside it."""
    opened = open_release(folder)
    return lambda: opened


class Shelf:
    """The release being served. `current` answers at once; a newer one is loaded behind and put in its place whole."""

    def __init__(self, source: Source, *, every_s: float = LOOK_EVERY_S) -> None:
        """Loads the first release. Raises ReleaseError where there is none."""
        self._source = source
        self._every_s = every_s
        self._data = load(source())
        self._before: Data | None = None
        self._looked = time.monotonic()
        self._busy = threading.Lock()
        self.fault = ""

    def current(self) -> Data:
        """The data of the newest release that is loaded; a look for a newer one is started at most each `every_s`."""
        if time.monotonic() - self._looked > self._every_s and self._busy.acquire(blocking=False):
            self._looked = time.monotonic()
            threading.Thread(target=self._look, name="shelf", daemon=True).start()
        return self._data

    def by_id(self, release_id: str) -> Data | None:
        """The data of a release that is or was just served, for addresses that name it."""
        for one in (self._data, self._before):
            if one is not None and one.release_id == release_id:
                return one
        return None

    def _look(self) -> None:
        try:
            found = self._source()
            if found.release_id != self._data.release_id:
                loaded = load(found)
                self._before, self._data = self._data, loaded
            self.fault = ""
        except (UnmetError, OSError) as error:
            self.fault = type(error).__name__
        finally:
            self._busy.release()
