"""Pictures by matplotlib: the same ones in a notebook, in a file and in the page.

Real is always blue, synthetic always orange (Okabe and Ito's palette, told apart by the colour-blind), and they differ
in shape too: real is a filled area or the upper bar, synthetic a line or the lower bar. The object interface is used
throughout: no pyplot, no global state.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from lookalike.errors import OutputError, SettingsError
from lookalike.report import words

REAL, SYNTHETIC = "#0072B2", "#D55E00"
INK, FAINT = "#222222", "#9A9A9A"
SERIES = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Loss curves: neither real's colour nor synthetic's."""
STRENGTH = LinearSegmentedColormap.from_list("strength", ["#2166AC", "#92C5DE", "#F7F7F7", "#B8A0D0", "#5B2A86"])
DIFFERENCE = LinearSegmentedColormap.from_list("difference", ["#1B7837", "#A6DBA0", "#F7F7F7", "#F4A582", "#B2182B"])
TEXT: dict[str, Any] = {"fontsize": 7.5, "color": INK, "parse_math": False}
LABEL_LENGTH = 16


@contextmanager
def quiet_drawing() -> Iterator[None]:
    """Settings for SVG, for one drawing only; an emoji that matplotlib's font lacks is the browser's to draw."""
    settings = {"svg.fonttype": "none", "svg.hashsalt": "lookalike", "axes.unicode_minus": False}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def clean(label: str, length: int = LABEL_LENGTH) -> str:
    """A label as a picture may hold it."""
    return words.clean(label, length)


# ----------------------------------------------------------------------------------------------------------- columns


def plot_column(column: Mapping[str, Any], *, size: tuple[float, float] = (2.9, 1.7), heading: bool = True) -> Figure:
    """One column's real and synthetic distribution; ``column`` is an entry of the summary's ``columns``.

    Returns
    -------
    Figure
        One pair of axes, or two where missing cells or a value that many rows share are drawn beside the curve.
    """
    chart = column["chart"]
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.03))
    if chart["type"] == "label":
        _draw_bars(figure.subplots(), chart["bars"])
    else:
        _draw_number(figure, chart)
    if heading:
        figure.suptitle(clean(column["name"], 40), **{**TEXT, "fontsize": 9})
        handles = [Patch(color=REAL, alpha=0.6), Patch(color=SYNTHETIC)]
        figure.legend(handles, ["real", "synthetic"], loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    return figure


def _draw_bars(axes: Axes, bars: Sequence[Mapping[str, Any]]) -> None:
    """Paired horizontal bars, the first on top, with the share written where it is not obvious."""
    places = np.arange(len(bars))
    axes.barh(places - 0.19, [bar["real"] for bar in bars], height=0.36, color=REAL)
    axes.barh(places + 0.19, [bar["synthetic"] for bar in bars], height=0.36, color=SYNTHETIC)
    axes.set_yticks(places, [clean(bar["label"]) for bar in bars], **TEXT)
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_fontstyle("italic" if bar["pooled"] else "normal")
    axes.set_ylim(max(len(bars), 2) - 0.45, -0.55)
    axes.set_xlim(0, max([0.02, *(max(bar["real"], bar["synthetic"]) for bar in bars)]) * 1.04)
    _share_axis(axes)


def _share_axis(axes: Axes) -> None:
    high = axes.get_xlim()[1]
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if high / step <= 4.2)
    ticks = np.arange(0, high + 1e-9, step)
    axes.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks], **{**TEXT, "fontsize": 7})
    _strip(axes)


def _strip(axes: Axes) -> None:
    axes.patch.set_visible(False)
    axes.tick_params(length=2, color=FAINT, pad=2)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(FAINT)


def _draw_number(figure: Figure, chart: Mapping[str, Any]) -> None:
    bars, curve = chart["bars"], bool(chart["edges"])
    if bars and curve:
        side, axes = figure.subplots(
            1, 2, width_ratios=[0.12 + sum(max(0.16, 0.026 * len(clean(bar["label"], 13))) for bar in bars), 1]
        )
        _draw_specials(side, bars)
        _draw_curve(axes, chart)
    elif curve:
        _draw_curve(figure.subplots(), chart)
    else:
        _draw_bars(figure.subplots(), bars)


def _draw_specials(axes: Axes, bars: Sequence[Mapping[str, Any]]) -> None:
    """Upright bars for missing and for shared values, on their own scale, so each carries its share in writing."""
    places = np.arange(len(bars))
    for offset, name, colour in ((-0.2, "real", REAL), (0.2, "synthetic", SYNTHETIC)):
        axes.bar(places + offset, [bar[name] for bar in bars], width=0.38, color=colour)
        for place, bar in zip(places, bars, strict=True):
            axes.text(
                place + offset,
                bar[name] + 0.02,
                f"{100 * bar[name]:.0f}%",
                ha="center",
                va="bottom",
                **{**TEXT, "fontsize": 6},
            )
    axes.set_xticks(places, [clean(bar["label"], 13) for bar in bars], **{**TEXT, "fontsize": 7})
    axes.set_yticks([])
    axes.set_ylim(0, 1.12)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    _strip(axes)


def _draw_curve(axes: Axes, chart: Mapping[str, Any]) -> None:
    edges = np.array(chart["edges"])
    width = np.diff(edges)
    if chart["log"]:
        width = np.ones_like(width)  # equal steps on the drawn axis; unequal ones only where integers are few
    real, synthetic = np.array(chart["real"]) / width, np.array(chart["synthetic"]) / width
    axes.stairs(real, edges, fill=True, color=REAL, alpha=0.35, linewidth=0)
    axes.stairs(real, edges, color=REAL, linewidth=0.8, baseline=None)
    axes.stairs(synthetic, edges, color=SYNTHETIC, linewidth=1.3, baseline=None)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(1e-12, real.max(), synthetic.max()) * 1.06)
    axes.set_yticks([])
    axes.set_xticks(
        [tick["at"] for tick in chart["ticks"]], [tick["label"] for tick in chart["ticks"]], **{**TEXT, "fontsize": 7}
    )
    _strip(axes)


# ------------------------------------------------------------------------------------------------------------ losses


def plot_losses(losses: Sequence[Mapping[str, Any]], *, size: tuple[float, float] = (6.4, 2.8)) -> Figure:
    """Every named loss by epoch; a held-out one is dashed."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    names = list(
        dict.fromkeys(
            name for entry in losses for name, value in entry.items() if name != "epoch" and _is_number(value)
        )
    )
    for place, name in enumerate(names):
        points = [
            (entry.get("epoch", row + 1), entry[name])
            for row, entry in enumerate(losses)
            if _is_number(entry.get(name))
        ]
        epochs, values = zip(*points, strict=True)
        dashed = "--" if "held" in name or "valid" in name else "-"
        axes.plot(
            epochs,
            values,
            dashed,
            color=SERIES[place % len(SERIES)],
            linewidth=1.6,
            label=clean(name.replace("_", " "), 30),
        )
        if len(points) == 1:
            axes.plot(epochs, values, "o", color=SERIES[place % len(SERIES)])
    axes.set_xlabel("epoch", **TEXT)
    axes.set_ylabel("loss", **TEXT)
    axes.tick_params(labelsize=7, color=FAINT, labelcolor=INK)
    axes.locator_params(axis="x", integer=True)
    axes.grid(color=FAINT, alpha=0.25, linewidth=0.6)
    axes.patch.set_visible(False)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(FAINT)
    if names:
        axes.legend(fontsize=7.5, frameon=False, labelcolor=INK)
    return figure


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


# ------------------------------------------------------------------------------------------------------ associations


def plot_associations(associations: Mapping[str, Any], *, size: tuple[float, float] | None = None) -> Figure:
    """Three heatmaps: how columns hang together in the real table, in the synthetic one, and synthetic minus real."""
    names = [clean(name, 18) for name in associations["columns"]]
    real, synthetic = (
        np.array(associations[side], dtype=float).reshape(len(names), len(names)) for side in ("real", "synthetic")
    )
    width = size or (11.5, 5.0)
    figure = Figure(figsize=width, layout="constrained")
    panels = figure.subplots(1, 3)
    drawings = (
        ("real", real, STRENGTH),
        ("synthetic", synthetic, STRENGTH),
        ("synthetic − real", synthetic - real, DIFFERENCE),
    )
    font = max(3.2, min(7.0, 190 / max(len(names), 1)))
    for axes, (title, matrix, colours) in zip(panels, drawings, strict=True):
        image = axes.imshow(matrix, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(title, **{**TEXT, "fontsize": 9})
        axes.set_xticks(range(len(names)), names, rotation=90, **{**TEXT, "fontsize": font})
        axes.set_yticks(
            range(len(names)), names if axes is panels[0] else [""] * len(names), **{**TEXT, "fontsize": font}
        )
        axes.tick_params(length=0, pad=2)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(image, ax=axes, location="bottom", fraction=0.04, aspect=30, pad=0.02)
        bar.outline.set_visible(False)  # type: ignore[operator]  # to mypy matplotlib makes this method a Spine
        bar.ax.tick_params(labelsize=6.5, length=0, labelcolor=INK)
    return figure


# ------------------------------------------------------------------------------------------------------------- files


def save_plots(summary: Mapping[str, Any], folder: str | Path, *, kind: str = "svg") -> list[Path]:
    """Save every picture of a summary as ``kind`` (svg, png or pdf); returns the paths."""
    if kind not in {"svg", "png", "pdf"}:
        raise SettingsError(f"plots are saved as svg, png or pdf, however: kind={kind!r}.")
    folder = Path(folder)
    drawings: dict[str, Callable[[], Figure]] = {
        # numbered, not named: a column may be called ../../etc/passwd
        f"column-{place:03d}": partial(plot_column, column)
        for place, column in enumerate(summary["columns"], start=1)
    }
    if summary["losses"]:
        drawings["losses"] = partial(plot_losses, summary["losses"])
    if len(summary["associations"]["columns"]) > 1:
        drawings["associations"] = partial(plot_associations, summary["associations"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, draw in drawings.items():
            paths.append(folder / f"{name}.{kind}")
            with quiet_drawing():
                draw().savefig(
                    paths[-1], dpi=160, facecolor="white", metadata={"Date": None} if kind == "svg" else None
                )
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}. Choose another folder.") from None
    return paths
