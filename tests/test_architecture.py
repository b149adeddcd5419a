"""The house holds: imports only go forward, heavy libraries stay in their rooms, and the README's tree is the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "lookalike"
FLOOR = {
    "artefact",
    "cache",
    "config",
    "dependence",
    "errors",
    "joint",
    "accountant",
    "ledger",
    "neighbours",
    "noise",
    "registry",
    "rng",
    "run",
    "scale",
    "stats",
    "versions",
    "characters",
}
MAY_IMPORT = {
    "table": FLOOR | {"schema"},
    "schema": FLOOR,
    "encode": FLOOR | {"table", "schema"},
    "model": FLOOR | {"table", "schema"},
    "sample": FLOOR | {"table", "schema", "encode", "model"},
    "refine": FLOOR | {"table", "schema"},
    "evaluate": FLOOR | {"table", "schema"},
    "report": FLOOR | {"table", "schema"},
    "twin": FLOOR | {"table", "schema", "encode", "model", "sample", "refine"},
    "demo": FLOOR,
    "preparing": FLOOR | {"table", "schema", "encode"},
    "splitting": FLOOR | {"table", "schema", "preparing"},
    "routing": FLOOR | {"schema", "encode", "model", "sample", "refine"},
    "fitting": FLOOR | {"table", "schema", "encode", "preparing", "routing"},
    "pipeline": FLOOR
    | {"preparing", "routing", "fitting"}
    | {"table", "schema", "encode", "model", "sample", "refine", "evaluate", "report", "twin"},
    "presets": FLOOR
    | {
        "table",
        "schema",
        "encode",
        "model",
        "sample",
        "refine",
        "evaluate",
        "report",
        "twin",
        "preparing",
        "splitting",
        "routing",
        "pipeline",
        "demo",
    },
    "__main__": {"cli"},
    "cli": FLOOR | {"pipeline", "presets", "report", "schema", "table"},
    "testing": FLOOR | {"schema", "encode", "model"},
    **dict.fromkeys(FLOOR, FLOOR),
}
INSIDE = {
    "schema": {"found": {"axis", "breaches", "column", "constraints", "expression", "parts"}},
    "encode": {"ties": {"base", "category", "mixture", "numeric", "stream"}},
    "model": {
        "nets": set(),
        "counts": set(),
        "training": {"base", "counts", "nets"},
        "members": {"base", "rejection", "training"},
    },
}
"""What a room's own rooms may import of it: no engine is known below the engines, no whole table below the encoders' frame."""
ONLY_IN = {
    "torch": {"model"},
    "matplotlib": {"report"},
    "pandas": {"table"},
    "polars": {"table"},
    "ray": {"scale"},
    "typer": {"cli"},
    "pickle": set(),
    "joblib": set(),
}


def modules():
    return sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py" or path.parent != SOURCE)


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> list[str]:
    """Every module a file imports, at any depth; names under TYPE_CHECKING are for type checkers only."""
    return list(_imports(path))


def _imports(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path.name} imports from where it stands, which no rule here sees"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_forward_only(path):
    room = room_of(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "lookalike" and len(parts) > 1:
            assert parts[1] == room or parts[1] in MAY_IMPORT[room], f"{room} must not import {name}"
        allowed = ONLY_IN.get(parts[0])
        assert allowed is None or room in allowed, f"{parts[0]} must not be imported in {room}"


@pytest.mark.parametrize("whole", sorted({path.parent.parent.name for path in SOURCE.glob("*/*/*.py")}))
def test_rooms_inside_a_room_stand_on_what_is_below_them(whole):
    rooms = {path.name for path in (SOURCE / whole).iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms == set(INSIDE[whole])
    for room, allowed in INSIDE[whole].items():
        for path in (SOURCE / whole / room).glob("*.py"):
            for name in imports(path):
                parts = name.split(".")
                if parts[:2] == ["lookalike", whole] and len(parts) > 2:
                    assert parts[2] in {room} | allowed, f"{whole}/{room}/{path.name} must not import {name}"


def test_no_two_modules_import_each_other():
    named = {
        "lookalike." + ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in modules()
    }
    imported = {name: list(imports(path)) for name, path in named.items()}
    graph = {
        name: {
            other
            for other in named
            if other != name and any(found == other or found.startswith(f"{other}.") for found in imported[name])
        }
        for name, path in named.items()
    }
    graph = {name: {o for o in others if not name.startswith(f"{o}.")} for name, others in graph.items()}
    for name, others in graph.items():
        for other in others:
            assert name not in graph[other], f"{name} and {other} import each other"


def test_every_module_says_what_it_is():
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path.name} has no docstring"


def test_the_readme_tree_is_the_tree():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\nsrc/lookalike/\n(.*?)```", readme, re.S)
    assert tree, "the README must show the tree of src/lookalike"
    shown, folders = set(), [""]
    for line in tree[1].splitlines():
        match = re.match(r"( +)([\w.]+(?:\.\w+|/)) ?", line)
        if not match or len(match[1]) // 2 > len(folders):
            continue
        folders = folders[: len(match[1]) // 2]
        shown.add(folders[-1] + match[2])
        if match[2].endswith("/"):
            folders.append(folders[-1] + match[2])
    kept = {path for path in SOURCE.rglob("*") if path.is_file() and path.suffix in (".py", ".html", ".css", ".js")}
    real = {str(path.relative_to(SOURCE)) for path in kept if path.name != "__init__.py" or path.parent == SOURCE}
    real |= {
        f"{path.relative_to(SOURCE)}/"
        for path in SOURCE.rglob("*")
        if path.is_dir() and (*path.glob("*.py"), *path.glob("*.html"))
    }
    assert shown == real, f"only in the README: {shown - real}; only on disk: {real - shown}"


def test_the_command_helps_without_torch():
    """Heavy libraries load when an engine is made, not before."""
    code = (
        "import sys, lookalike, lookalike.cli; "
        "heavy = {'torch', 'sklearn', 'pandas', 'matplotlib', 'pyarrow'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_judging_and_drawing_wait_for_no_library_they_do_not_use(tmp_path: Path):
    """torch, scikit-learn and scipy's statistics load in seconds: a net's rows are drawn without the latter, and tables judged without the first."""
    pq.write_table(pa.table({"a": list(range(60)), "b": ["x", "y", "z"] * 20}), tmp_path / "real.parquet")
    for command, heavy in (
        (["evaluate", "real.parquet", "real.parquet", "--quiet"], {"torch"}),
        (["schema", "real.parquet"], {"torch", "sklearn", "scipy.stats", "matplotlib"}),
    ):
        code = (
            "import sys; from lookalike.cli import app; app(sys.argv[1:], standalone_mode=False); "
            f"assert not {heavy!r} & set(sys.modules), {heavy!r} & set(sys.modules)"
        )
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, *command], cwd=tmp_path, check=True, capture_output=True
        )
    code = (
        "import sys, lookalike.twin, lookalike.presets, lookalike.model.autoregressive; "
        "heavy = {'sklearn', 'scipy.stats'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_frozen():
    """Changing this list is a decision."""
    import lookalike

    assert lookalike.__all__ == [
        "ColumnSpec", "LookalikeError", "LookalikeWarning", "Run", "Schema", "Scorecard", "Twin", "augment", "evaluate", "fit", "load", "make",
    ]  # fmt: skip
    for name in lookalike.__all__:
        assert getattr(lookalike, name).__doc__


def test_evaluate_is_the_function_even_after_its_room_was_imported():
    import lookalike
    from lookalike.evaluate.scorecard import score

    assert callable(lookalike.evaluate) and callable(score)
