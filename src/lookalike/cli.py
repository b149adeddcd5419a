"""The command: ``lookalike make · fit · sample · impute · evaluate · schema · config · demo``.

Only this module prints. It imports what it needs when a command runs, so that ``--help`` is instant.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from lookalike.errors import LookalikeError, LookalikeWarning, SettingsError

if TYPE_CHECKING:
    from lookalike.report import Scorecard

app = typer.Typer(
    help="Take a table; give back one that behaves the same and belongs to no one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Source = Annotated[Path, typer.Argument(help="a CSV or Parquet file", metavar="TABLE")]
Out = Annotated[Path | None, typer.Option("--out", help="where to write; the suffix says CSV or Parquet")]
Engine = Annotated[str | None, typer.Option("--engine", help="auto, autoregressive, trees, copula, ctgan or tvae")]
Epochs = Annotated[int | None, typer.Option("--epochs", help="passes over the table")]
Seed = Annotated[int | None, typer.Option("--seed", help="the same seed gives the same rows")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="a schema file, ours or SDV's metadata")]
Config = Annotated[Path | None, typer.Option("--config", help="a settings file (see: lookalike config); flags win")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="time budget for the whole run, report included")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="leave a column out (repeat for more)")]
Key = Annotated[
    list[str] | None, typer.Option("--key", help="make a column's values up in their form (repeat for more)")
]
Force = Annotated[bool, typer.Option("--force", help="overwrite files of an earlier run")]
Resume = Annotated[bool, typer.Option("--resume", help="go on from an interrupted run's checkpoint")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print errors only")]
Verbose = Annotated[bool, typer.Option("--verbose", help="more detail; tracebacks on errors")]
Json = Annotated[bool, typer.Option("--json", help="print the scorecard as JSON, nothing else")]
EscapeFormulas = Annotated[
    bool, typer.Option("--escape-formulas", help="CSV: put ' before text a spreadsheet would run")
]
Holdout = Annotated[Path | None, typer.Option("--holdout", help="real rows that no engine sees: the yardstick")]
Target = Annotated[str | None, typer.Option("--target", help="the column that a model would predict")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", help="any other setting, NAME=VALUE (see: lookalike config)")
]


NOT_MET = 3
"""The exit code of a table that does not meet its requirements; 2 is that of a call or a table that is wrong."""


class Screen:
    """What a command prints, and where: words on standard error when standard output is for machines."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False, machine: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.console = Console(stderr=machine, highlight=False, soft_wrap=True)

    def say(self, label: str, text: str, other: str = "") -> None:
        if not self.quiet:
            flags = f"   [dim]{escape(other)}[/dim]" if other else ""
            self.console.print(f"{escape(label):<10} {escape(text)}{flags}")

    def print(self, text: str) -> None:
        if not self.quiet:
            self.console.print(escape(text))

    def complain(self, label: str, text: str) -> None:
        """What made the command fail: on standard error, and not to be silenced."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]{label:<10}[/red] {escape(text)}")

    @property
    def bar(self) -> Console | None:
        """Where a progress bar goes: only to a person's terminal."""
        return self.console if self.console.is_terminal and not self.quiet else None

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Errors and warnings of ours as one line each; anything else is a bug and keeps its traceback."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", LookalikeWarning)
            usual = warnings.showwarning
            warnings.showwarning = self._warning(usual)
            try:
                yield
            except LookalikeError as error:
                if self.verbose:
                    raise
                self.complain("error", str(error))
                raise typer.Exit(2) from None
            except KeyboardInterrupt:
                Console(stderr=True).print("interrupted: nothing was left half-written")
                raise typer.Exit(130) from None

    def _warning(self, usual: Callable[..., None]) -> Callable[..., None]:
        def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, LookalikeWarning):
                self.say("note", str(message))
            else:
                usual(message, category, *rest, **named)

        return show


def gather(config: Path | None, flags: dict[str, Any], extra: list[str] | None) -> dict[str, Any]:
    """Settings from a file, then ``--set``, then flags: the later wins."""
    from lookalike import config as settings
    from lookalike import pipeline, presets

    sections = {} if config is None else settings.read_toml(config, presets.settings_sections())
    engine = flags.get("engine") or sections.get("run", {}).get("engine") or pipeline.RunSettings().engine
    chosen = presets.settings_from(sections, engine)
    for item in extra or []:
        name, found, value = item.partition("=")
        if not found:
            raise SettingsError(f"--set takes NAME=VALUE, however: --set {item}.")
        try:
            chosen[name] = json.loads(value)
        except json.JSONDecodeError:
            chosen[name] = value
    return chosen | {name: value for name, value in flags.items() if value is not None} | {"engine": engine}


def thresholds(config: Path | None) -> dict[str, float]:
    """The limits in a settings file."""
    from lookalike import config as settings
    from lookalike import presets

    return {} if config is None else settings.read_toml(config, presets.settings_sections()).get("thresholds", {})


@app.command()
def make(
    table: Source,
    out: Out = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="rows to make; as many as the table has when left out")
    ] = None,
    engine: Engine = None,
    epochs: Epochs = None,
    seed: Seed = None,
    minutes: Minutes = None,
    device: Device = None,
    schema: SchemaFile = None,
    drop: Drop = None,
    key: Key = None,
    target: Target = None,
    holdout: Holdout = None,
    keep_back: Annotated[
        float | None, typer.Option("--keep-back", help="share of rows kept from the engine as the yardstick")
    ] = None,
    config: Config = None,
    setting: Setting = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="a trial run in seconds: few rows, few epochs, the same files")
    ] = False,
    escape_formulas: EscapeFormulas = False,
    force: Force = False,
    resume: Resume = False,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """A table in; its look-alike, a report and a twin out."""
    screen = Screen(quiet=quiet, verbose=verbose, machine=json_)
    with screen.guarded():
        from lookalike import presets

        flags = {
            "engine": engine,
            "epochs": epochs,
            "seed": seed,
            "minutes": minutes,
            "device": device,
            "keep_back": keep_back,
        }
        made = presets.make(
            table,
            out=out,
            rows=rows,
            schema=schema,
            drop=drop or (),
            keys=key or (),
            target=target,
            holdout=holdout,
            trial=quick,
            force=force,
            resume=resume,
            escape_formulas=escape_formulas,
            console=screen.bar,
            command=command_line(),
            say=screen.say,
            thresholds=thresholds(config),
            **gather(config, flags, setting),
        )
        show(screen, made.card, json_)
        screen.print(f"\n{made.table}   {made.report}   {made.twin_file}")
        if screen.verbose:
            screen.print(f"log, losses and scorecard: {made.folder}")


@app.command()
def fit(
    table: Source,
    out: Annotated[Path, typer.Option("--out", help="the twin to write")] = Path("table.twin"),
    engine: Engine = None,
    epochs: Epochs = None,
    seed: Seed = None,
    minutes: Minutes = None,
    device: Device = None,
    schema: SchemaFile = None,
    drop: Drop = None,
    key: Key = None,
    config: Config = None,
    setting: Setting = None,
    force: Force = False,
    resume: Resume = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Learn a table and save the twin, to sample from later."""
    screen = Screen(quiet=quiet, verbose=verbose)
    with screen.guarded():
        from lookalike import presets

        flags = {"engine": engine, "epochs": epochs, "seed": seed, "minutes": minutes, "device": device}
        twin = presets.fit_to(
            table,
            out,
            schema=schema,
            drop=drop or (),
            keys=key or (),
            force=force,
            resume=resume,
            console=screen.bar,
            say=screen.say,
            **gather(config, flags, setting),
        )
        screen.print(repr(twin))
        screen.print(f"\n{out}   next: lookalike sample {out} --rows 1000")


@app.command()
def sample(
    twin: Annotated[Path, typer.Argument(help="a twin that was fitted", metavar="TWIN")],
    out: Out = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="rows to draw; as many as were fitted when left out")
    ] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="COLUMN=VALUE that every row must have (repeat for more)")
    ] = None,
    balance: Annotated[
        str | None, typer.Option("--balance", help="COLUMN whose levels all become equally frequent")
    ] = None,
    decorrelate: Annotated[
        str | None, typer.Option("--decorrelate", help="COLUMN,COLUMN: drawn independently of each other (fairness)")
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", help="below 1 frequent values become more frequent, above 1 rare ones do")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="the same seed gives the same rows")] = 0,
    escape_formulas: EscapeFormulas = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Draw rows from a twin straight to a file."""
    screen = Screen(quiet=quiet, verbose=verbose)
    with screen.guarded():
        from lookalike import pipeline, presets
        from lookalike.run import Run

        fitted = pipeline.load(twin)
        path = out or twin.with_name(
            f"{twin.stem}-sample.{'parquet' if fitted.origin.container == 'parquet' else 'csv'}"
        )
        presets.check_outputs([path], force=force)
        bar = Run(console=screen.bar)
        fitted.sample_to(
            path,
            rows,
            seed=seed,
            where=conditions(where or []),
            balance=balance,
            decorrelate=two_columns(decorrelate),
            temperature=temperature,
            escape_formulas=escape_formulas,
            progress=lambda done, total: bar.show("sampling", done, total),
        )
        bar.close()
        screen.say("sampled", f"{fitted.rows if rows is None else rows:,} rows", "--rows, --seed, --where")
        screen.print(str(path))


@app.command()
def impute(
    twin: Annotated[Path, typer.Argument(help="a twin that was fitted with --set any_order=true", metavar="TWIN")],
    table: Annotated[Path, typer.Argument(help="a table with missing cells", metavar="TABLE")],
    out: Out = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="draw the columns that the table lacks instead; missing cells stay")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="the same seed gives the same cells")] = 0,
    escape_formulas: EscapeFormulas = False,
    force: Force = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fill a table's missing cells, drawn given the other cells of their rows; all others stay."""
    screen = Screen(quiet=quiet, verbose=verbose)
    with screen.guarded():
        from lookalike import presets

        path = out or table.with_name(f"{table.stem}-{'completed' if complete else 'imputed'}{table.suffix}")
        filled = presets.fill(
            twin, table, path, complete=complete, seed=seed, force=force, escape_formulas=escape_formulas
        )
        screen.say("completed" if complete else "imputed", f"{filled:,} cells", "--seed")
        screen.print(str(path))


@app.command()
def evaluate(
    real: Annotated[Path, typer.Argument(help="the real rows it was made from", metavar="REAL")],
    fake: Annotated[Path, typer.Argument(help="the synthetic rows, made by any tool", metavar="FAKE")],
    holdout: Holdout = None,
    target: Target = None,
    schema: SchemaFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="write the report here: .html (and .json beside it), or .json alone")
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(
            "--fail-under", help="FIGURE=LIMIT,…: exit with 3 where one is not met (accuracy=0.95,dcr_share=0.52)"
        ),
    ] = None,
    config: Config = None,
    seed: Annotated[int, typer.Option("--seed", help="for the figures that draw a sample")] = 0,
    force: Force = False,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Judge a synthetic table, made by any tool. Exit codes: 0 judged, 2 an error, 3 a --fail-under is not met."""
    screen = Screen(quiet=quiet, verbose=verbose, machine=json_)
    with screen.guarded():
        from lookalike import presets

        judged = presets.judge(
            real,
            fake,
            holdout=holdout,
            schema=schema,
            target=target,
            out=out,
            fail_under=fail_under,
            thresholds=thresholds(config),
            seed=seed,
            force=force,
            command=command_line(),
        )
        show(screen, judged.card, json_)
        if judged.files:
            screen.print("\n" + "   ".join(map(str, judged.files)))
        for sentence in judged.unmet:
            screen.complain("not met", sentence)
        if judged.unmet:
            raise typer.Exit(NOT_MET)


@app.command()
def schema(table: Source, verbose: Verbose = False) -> None:
    """Print what a table's columns are taken for, as JSON to edit and hand back with --schema."""
    screen = Screen(verbose=verbose, machine=True)
    with screen.guarded():
        from lookalike.schema.infer import infer_schema
        from lookalike.table import as_table

        print(infer_schema(as_table(table).data).to_json())


@app.command()
def config() -> None:
    """Print every setting with its default and meaning, as TOML to edit and hand back with --config."""
    with Screen().guarded():
        from lookalike import presets
        from lookalike.config import to_toml

        print(to_toml(presets.settings_sections()), end="")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="where the demo's files go")] = Path("lookalike-demo"),
    verbose: Verbose = False,
) -> None:
    """The whole thing on a table that lookalike simulates, then what to look at."""
    screen = Screen(verbose=verbose)
    with screen.guarded():
        from lookalike import presets

        made = presets.demo(folder, console=screen.bar, say=screen.say, command="lookalike demo")
        show(screen, made.card, False)
        screen.print(
            f"\nLook at:\n"
            f"  {made.report}   open it in a browser: is it alike, is it safe, and where is it worst?\n"
            f"  {made.table}   beside {folder / 'customers.csv'}: same columns, same formats, nobody's rows\n"
            f"  {made.twin_file}   draw more: lookalike sample {made.twin_file} --rows 5000 --where plan=premium\n"
            f"  {made.folder}   log, losses and the scorecard as JSON\n"
            f"Then your own: lookalike make your.csv"
        )


def show(screen: Screen, card: Scorecard, machine: bool) -> None:
    """The scorecard, for a person or for a machine."""
    if machine:
        print(json.dumps(card.to_dict(), ensure_ascii=False))
    else:
        screen.print(f"\n{card}")


def conditions(where: list[str]) -> dict[str, Any] | None:
    """``["income=>50K"]`` → ``{"income": ">50K"}``; the column decides how its text is read."""
    found = {}
    for item in where:
        name, equals, value = item.partition("=")
        if not equals:
            raise SettingsError(f"--where takes COLUMN=VALUE, however: --where {item}.")
        found[name] = value
    return found or None


def two_columns(names: str | None) -> tuple[str, str] | None:
    """``"sex,income"`` → ``("sex", "income")``."""
    if names is None:
        return None
    first, comma, second = names.partition(",")
    if not comma:
        raise SettingsError(f"--decorrelate takes COLUMN,COLUMN, however: --decorrelate {names}.")
    return first, second


def command_line() -> str:
    """What was typed, for the report."""
    return " ".join(["lookalike", *sys.argv[1:]])


def main() -> None:
    app()
