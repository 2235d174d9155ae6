"""Finds Chromium for the browser tests, or installs it: `python -m tests.chromium`."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """The path of a Chromium: UNMET_CHROMIUM, else one on PATH, else None."""
    named = os.environ.get("UNMET_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


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
