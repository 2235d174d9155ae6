"""Finds Chromium for the browser tests, or installs it: `python -m tests.chromium`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

SCREENS = {"desk": (1440, 900), "phone": (390, 844)}
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """The path of a Chromium: UNMET_CHROMIUM, else one on PATH, else None."""
    named = os.environ.get("UNMET_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def launched() -> Iterator[Any]:
    """A headless Chromium that asks for nothing by itself; tests skip without one only where that is allowed."""
    import pytest

    path = find()
    if path is None:
        if os.environ.get("UNMET_ALLOW_NO_BROWSER") == "1":
            pytest.skip("no Chromium, and UNMET_ALLOW_NO_BROWSER=1")
        pytest.fail("no Chromium found: set UNMET_CHROMIUM, or run `python -m tests.chromium`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=path, args=ARGS)
        yield opened
        opened.close()


def main() -> int:
    """Install Chromium with apt where it is missing and root or passwordless sudo is at hand."""
    if find() or os.environ.get("UNMET_ALLOW_NO_BROWSER") == "1":
        return 0
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None:
        print("No Chromium found: set UNMET_CHROMIUM to one, or UNMET_ALLOW_NO_BROWSER=1 to skip browser tests.")
        return 1
    quiet = {"stdout": subprocess.DEVNULL}
    subprocess.run([*sudo, "apt-get", "update", "-qq"], check=True, **quiet)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    packages = ["chromium", "fonts-dejavu-core"]
    subprocess.run(
        [*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
        check=True,
        env=environment,
        **quiet,
    )
    return 0 if find() else 1


if __name__ == "__main__":
    sys.exit(main())
