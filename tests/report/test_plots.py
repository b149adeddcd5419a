from __future__ import annotations

import matplotlib
import pytest
from matplotlib.figure import Figure

from lookalike.errors import OutputError, SettingsError
from lookalike.report import plots
from lookalike.report.svg import inline_svg
from report import cases


def test_every_picture_is_a_figure_and_nothing_global_changes():
    before = dict(matplotlib.rcParams)
    card = cases.scorecard()
    figures = [card.plot_column(column["name"]) for column in card._full()["columns"]]
    figures += [card.plot_losses(), card.plot_associations()]
    assert all(isinstance(figure, Figure) for figure in figures)
    for place, figure in enumerate(figures):
        inline_svg(figure, f"f{place}", "label")
    assert dict(matplotlib.rcParams) == before


def test_an_unknown_column_is_refused_by_name():
    with pytest.raises(SettingsError, match="'ghost' is none"):
        cases.scorecard().plot_column("ghost")


def test_svg_is_the_same_twice_and_its_ids_are_its_own():
    column = cases.scorecard()._full()["columns"][0]
    first, second, other = (inline_svg(plots.plot_column(column), name, "x") for name in ("a", "a", "b"))
    assert first == second
    assert 'id="a-' in first and 'id="b-' in other and 'id="a-' not in other
    assert "http" not in first and "xmlns" not in first and "<style" not in first


def test_text_in_svg_stays_text():
    column = {
        "name": cases.MARKUP,
        "chart": {
            "type": "label",
            "bars": [
                {"label": label, "real": 0.5, "synthetic": 0.5, "pooled": False}
                for label in ("<b>\"'&", "url(#x) #0072b2", "$\\frac$", "a\x00b\u202e")
            ],
        },
    }
    svg = inline_svg(plots.plot_column(column), "a", cases.QUOTES)
    assert "<b>" not in svg and "&lt;b&gt;" in svg and "<script" not in svg and "onerror=document" in svg
    assert ">url(#x) #0072b2<" in svg  # rewriting touches tags, not labels
    assert ">$\\frac$<" in svg
    assert "\x00" not in svg and "\u202e" not in svg
    assert "<img" not in svg.split(">", 1)[0]


@pytest.mark.parametrize("kind", ["svg", "png", "pdf"])
def test_pictures_are_saved_under_numbers(tmp_path, kind):
    paths = cases.scorecard().save_plots(tmp_path / "plots", kind=kind)
    assert len(paths) == len(list((tmp_path / "plots").iterdir())) == 9
    assert {path.name for path in paths} >= {f"column-001.{kind}", f"losses.{kind}", f"associations.{kind}"}


def test_a_wrong_kind_or_folder_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="svg, png or pdf"):
        cases.scorecard().save_plots(tmp_path, kind="bmp")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        cases.scorecard().save_plots(tmp_path / "file")


def test_losses_of_any_shape_are_drawn():
    for losses in (
        [],
        [{"epoch": 1, "loss": 2.0}],
        [{"loss": float("nan"), "note": "x"}, {"loss": 1.0, "generator": -3.0}],
    ):
        assert isinstance(plots.plot_losses(losses), Figure)
