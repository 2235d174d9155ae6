"""A supplier's file meets a child with walls: every way out is tried from inside."""

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from geo.errors import ConfigError, FileRejected, InputError
from pipelines.readers.sandbox import Confined, report, run_confined

HERE = __name__


def answer(**kwargs: Any) -> dict[str, Any]:
    report("reading", 1, 2)
    return {"kwargs": kwargs, "cwd": os.getcwd()}


def refuse(path: str) -> None:
    raise FileRejected(path, "FILE_EMPTY", "0 bytes: ask again.")


def misconfigure() -> None:
    raise ConfigError("city.toml", ["a is missing", "b is missing"])


def misuse() -> None:
    raise InputError("expected one, got [2]")


def break_down(secret: str) -> None:
    raise ValueError(f"a line of the file: {secret}")


def crash() -> None:
    os.abort()


def sleep() -> None:
    time.sleep(60)


def fill_memory() -> int:
    return len(bytearray(3 << 30))


def connect(port: int) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError as error:
        return type(error).__name__
    return "connected"


def write(path: str) -> str:
    try:
        Path(path).write_text("x")
    except OSError as error:
        return type(error).__name__
    return "written"


def read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__


def _run(name: str, tmp_path: Path, **kwargs: Any) -> Confined:
    limits = {key: kwargs.pop(key) for key in ("wall_s", "memory_mb", "progress") if key in kwargs}
    return run_confined(f"{HERE}:{name}", kwargs, path=tmp_path / "in.csv", out=tmp_path / "out", **limits)


def test_the_answer_and_the_walls_come_back(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    got = _run("answer", tmp_path, a=1, b=["x"], progress=lambda *step: steps.append(step))
    assert got.value == {"kwargs": {"a": 1, "b": ["x"]}, "cwd": str(tmp_path / "out")}
    assert steps == [("reading", 1, 2)]
    assert "limits" in got.walls
    assert set(got.walls) | set(got.missing) == {"no network", "no tcp", "files locked", "limits"}


def test_refusals_and_other_errors_arrive_as_themselves(tmp_path: Path) -> None:
    with pytest.raises(FileRejected, match=r"^in\.csv: FILE_EMPTY: 0 bytes: ask again\.$") as refused:
        _run("refuse", tmp_path, path="in.csv")
    assert (refused.value.path, refused.value.code) == ("in.csv", "FILE_EMPTY")
    with pytest.raises(ConfigError) as config:
        _run("misconfigure", tmp_path)
    assert config.value.faults == ("a is missing", "b is missing")
    with pytest.raises(InputError, match=r"got \[2\]"):
        _run("misuse", tmp_path)


def test_a_broken_reader_names_its_place_and_never_the_text(tmp_path: Path) -> None:
    with pytest.raises(FileRejected) as refused:
        _run("break_down", tmp_path, secret="12 Elm Street")
    shown = str(refused.value) + "".join(refused.value.__notes__)
    assert refused.value.code == "FILE_CORRUPT"
    assert "break_down" in shown
    assert "Elm" not in shown


@pytest.mark.parametrize(
    ("name", "limits", "code"),
    [
        ("crash", {}, "FILE_CORRUPT"),
        ("sleep", {"wall_s": 1.5}, "FILE_TIME_LIMIT"),
        ("fill_memory", {"memory_mb": 512}, "FILE_MEMORY_LIMIT"),
    ],
)
def test_limits_become_refusals(tmp_path: Path, name: str, limits: dict[str, Any], code: str) -> None:
    started = time.monotonic()
    with pytest.raises(FileRejected) as refused:
        _run(name, tmp_path, **limits)
    assert refused.value.code == code
    assert str(tmp_path / "in.csv") in str(refused.value)
    assert time.monotonic() - started < 20


def test_no_connection_leaves_the_child(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        got = _run("connect", tmp_path, port=server.getsockname()[1])
        if "no tcp" in got.missing:
            pytest.skip("this kernel offers neither network namespaces nor Landlock: said so in `missing`")
        assert got.value != "connected"
        with pytest.raises(TimeoutError):
            server.accept()


def test_only_the_out_folder_is_written_and_only_named_files_are_read(tmp_path: Path) -> None:
    private = tmp_path / "private.csv"
    private.write_text("a caller's address")
    (tmp_path / "in.csv").write_text("supplied")
    inside = _run("write", tmp_path, path=str(tmp_path / "out" / "part"))
    if "files locked" in inside.missing:
        pytest.skip("this kernel has no Landlock: said so in `missing`")
    assert inside.value == "written"
    assert _run("write", tmp_path, path=str(tmp_path / "elsewhere")).value == "PermissionError"
    assert _run("write", tmp_path, path=str(private)).value == "PermissionError"
    assert _run("read", tmp_path, path=str(private)).value == "PermissionError"
    assert _run("read", tmp_path, path=str(tmp_path / "in.csv")).value == "supplied"
    assert private.read_text() == "a caller's address"
