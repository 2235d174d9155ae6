"""One base error and its few kinds: each says what was expected, what was got and what to do."""

from collections.abc import Sequence


class UnmetError(Exception):
    """Base of every error this software raises on purpose; its text is fit to show a user."""


class InputError(UnmetError, ValueError):
    """An argument has the wrong shape, range or kind."""


class CrsError(InputError):
    """Coordinates do not fit the reference system they are said to be in."""


class TableError(InputError):
    """A table breaks its contract; all faults are listed at once."""

    def __init__(self, table: str, faults: Sequence[str]) -> None:
        self.table = table
        self.faults = tuple(faults)
        super().__init__(f"{table}: " + "; ".join(faults))


class ConfigError(UnmetError):
    """A configuration file has faults; all are listed at once, each with its key path."""

    def __init__(self, path: str, faults: Sequence[str]) -> None:
        self.path = path
        self.faults = tuple(faults)
        super().__init__(f"{path}: {len(faults)} fault(s)\n" + "\n".join(f"  {fault}" for fault in faults))


class FileRejected(UnmetError):
    """A supplier's file is refused whole, with a reason code."""

    def __init__(self, path: str, code: str, message: str) -> None:
        self.path = path
        self.code = code
        super().__init__(f"{path}: {code}: {message}")


class StoreError(UnmetError):
    """The store is missing, broken or of another schema."""


class StoreBusy(StoreError):
    """Another run holds the store."""
