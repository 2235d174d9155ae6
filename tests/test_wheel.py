"""The wheel on its own: built, installed into an empty environment, it runs the demo in an empty folder."""

import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipelines.store import Store

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 12 << 20
ROOMS = ("geo", "pipelines", "dashboard")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from the files of this checkout, without the network."""
    source = tmp_path_factory.mktemp("source")
    for name in (*ROOMS, "data"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*command, "-w", str(out), str(source)], check=True, capture_output=True)
    (found,) = out.glob("unmet-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The command `unmet` of an environment that holds the wheel and sees the libraries, but not this checkout."""
    home = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q", "--target", str(packages)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    # A path named in a .pth file is searched, but the .pth files in it are not read: no editable install comes along.
    (packages / "libraries.pth").write_text(f"{site.getsitepackages()[0]}\n")
    script = home / "bin" / "unmet"
    script.write_text(f"#!{home}/bin/python\nimport sys\nfrom pipelines.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    return script


def test_the_wheel_carries_the_data_and_nothing_of_tests_or_secrets(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"pipelines/_data/{path.relative_to(ROOT / 'data')}"
        for path in (ROOT / "data").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped <= names
    assert {
        f"pipelines/_data/{name}" for name in ("needs.toml", "sample/cad_calls.csv.gz", "cities/sample.toml")
    } <= names
    code = {str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert code <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(ROOMS)
    assert wheel.stat().st_size < LARGEST


def test_the_wheel_declares_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith("entry_points.txt")]
        assert "unmet = pipelines.cli:main" in archive.read(name).decode()


def test_the_installed_demo_runs_in_an_empty_folder(installed, tmp_path):
    here = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PYTHONSAFEPATH": "1"}
    where = subprocess.run(
        [str(installed.parent / "python"), "-c", "import pipelines, geo; print(pipelines.__file__, geo.__file__)"],
        cwd=tmp_path,
        env=here,
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(ROOT) not in where.stdout
    assert where.stdout.count(str(installed.parent.parent)) == 2
    done = subprocess.run(
        [str(installed), "demo", "--no-serve"], cwd=tmp_path, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    opened = Store(tmp_path / "store" / "sample")
    assert opened.verify() == []
    assert opened.read("gaps")["n_calls"].sum() > 0
    page = (tmp_path / "out" / "sample-gap-map.html").read_text("utf-8")
    assert "synthetic" in page
    for words in ("Sample City (synthetic)", "community calls ->", "recurring of", "rows in = kept", "Map: "):
        assert words in done.stdout
    assert "internal - not for publication" in done.stdout
    made = ["audit.jsonl", "audit.jsonl.head", "out", "releases", "store"]
    assert sorted(path.name for path in tmp_path.iterdir()) == made
