"""The one place that knows what time it is; `UNMET_NOW` sets it in tests."""

import os
from datetime import UTC, datetime


def now() -> datetime:
    """The present instant in UTC, or the one that UNMET_NOW names.

    Raises:
        ValueError: UNMET_NOW is no ISO instant.
    """
    fixed = os.environ.get("UNMET_NOW")
    if fixed:
        instant = datetime.fromisoformat(fixed)
        return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    return datetime.now(UTC)
