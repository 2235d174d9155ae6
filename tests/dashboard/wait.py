"""Waiting for what another thread does."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    """Whether a condition came true within some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False
