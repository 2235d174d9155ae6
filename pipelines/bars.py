"""Progress on the terminal: a bar with rows and time left for anything that takes over a second."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment

from pipelines.printable import printable


def guarded(console: Console) -> Console:
    """The console, which from now on spells out control characters of whatever is printed on it."""
    console.push_render_hook(_Guard())
    return console


class _Guard(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Printable(inside=one) for one in renderables]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Printable:
    """What it holds, drawn as it is laid out, with the hidden characters of its text as escapes."""

    inside: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn: Iterable[Segment] = console.render(self.inside, options)
        for one in drawn:
            yield one if one.control else Segment(printable(one.text, lines=True), one.style)


class StageProgress:
    """Tells a run's stages on a console, one line each as it ends, a bar while it works."""

    def __init__(self, bars: Progress, *, verbose: bool) -> None:
        self.bars, self.verbose = bars, verbose
        self.task: TaskID | None = None
        self.stage = ""

    def begin(self, stage: str, total: int | None) -> None:
        self.stage = stage
        self.task = self.bars.add_task(stage, total=total)

    def advance(self, step: str, done: int, total: int) -> None:
        """`done` of `total` rows of a step of the stage."""
        if self.task is not None:
            self.bars.update(self.task, description=f"{self.stage}: {printable(step)}", completed=done, total=total)

    def end(self, stage: str, rows: int, seconds: float, skipped: bool) -> None:
        if self.task is not None and not skipped:
            self.bars.remove_task(self.task)
            self.task = None
        if not skipped or self.verbose:
            told = "current" if skipped else f"{rows:>12,} rows  {seconds:6.1f} s"
            self.bars.console.print(f"  {stage:<28}{told}", highlight=False, markup=False)


@contextmanager
def shown_progress(console: Console, *, quiet: bool, verbose: bool) -> Iterator[StageProgress | None]:
    """A progress for `flow.run`, or None where nothing is to be printed."""
    if quiet:
        yield None
        return
    with _bars(console) as bars:
        yield StageProgress(bars, verbose=verbose)


@contextmanager
def row_bar(console: Console, words: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function that takes the rows done so far and moves a bar."""
    if quiet:
        yield lambda done: None
        return
    with _bars(console) as bars:
        task = bars.add_task(words, total=total)
        yield lambda done: bars.update(task, completed=done)


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
