"""The page in a real headless Chromium: it renders, complains of nothing, and markup in cells is inert.

Skipped, loudly, where no Chromium is installed (``apt-get install chromium``).
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest

from report import cases

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0",
]  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM FOUND: the page was not tested in a browser")


COMPLAINTS = re.compile(r"CONSOLE|Uncaught|Refused|Content Security Policy")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    cases.scorecard().to_html(path)
    return path


def acted(page, tmp_path, script, *flags, anchor=""):
    """What ``script`` returns, as text, after the page's own scripts have run."""
    copy = tmp_path / "acted.html"
    caught = f"document.body.dataset.result = (() => {{ {script} }})()"
    text = page.read_text(encoding="utf-8").replace("</body>", f"<script>{caught}</script></body>")
    copy.write_text(text, encoding="utf-8")
    done = browse(copy, tmp_path, "--dump-dom", *flags, anchor=anchor)
    assert not COMPLAINTS.search(done.stderr), done.stderr
    return html.unescape(re.search(r'data-result="([^"]*)"', done.stdout)[1])


def browse(page, tmp_path, *flags, anchor=""):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, f"{page.as_uri()}{anchor}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_it_renders_without_a_complaint_and_markup_is_inert(page, tmp_path):
    done = browse(page, tmp_path, "--dump-dom")
    assert not COMPLAINTS.search(done.stderr), done.stderr
    dom = done.stdout
    assert "<title>patients &lt;script&gt;" in dom  # a script that ran would have changed it to "owned" or 1
    assert '<html lang="en" class="scripted">' in dom
    assert len(re.findall(r'class="panel[^"]*open"', dom)) == 1
    # the pickers draw with another view box, a curve or bars, whichever the worst column needs
    assert len(re.findall(r'<svg viewBox="0 ', dom)) == 9 and "<img" not in dom


@pytest.mark.parametrize("variant", [name for name in cases.variants() if name != "full"])
def test_pages_with_missing_parts_render_without_a_complaint(variant, tmp_path):
    path = tmp_path / "variant.html"
    cases.variants()[variant].to_html(path)
    filled = (
        "return [...document.querySelectorAll('.panel')].filter(panel => panel.textContent.trim().length > 40).length"
    )
    assert acted(path, tmp_path, filled) == "8"


def test_tables_sort_by_a_click_and_say_so(page, tmp_path):
    script = """
      const table = document.querySelector('#panel-columns table.sortable'), head = table.tHead.rows[0].cells[2];
      const shapes = () => [...table.tBodies[0].rows].map(row => parseFloat(row.cells[2].dataset.value)).filter(x => !isNaN(x));
      const rises = values => values.every((value, place) => !place || values[place - 1] <= value);
      head.querySelector('button').click();
      const up = rises(shapes()) && head.getAttribute('aria-sort') === 'ascending';
      head.querySelector('button').click();
      const down = rises(shapes().reverse()) && head.getAttribute('aria-sort') === 'descending';
      const missingLast = isNaN(parseFloat(table.tBodies[0].rows[table.tBodies[0].rows.length - 1].cells[2].dataset.value));
      return [shapes().length > 3, up, down, missingLast].join()"""
    assert acted(page, tmp_path, script) == "true,true,true,true"


def test_a_column_is_picked_by_select_button_and_table(page, tmp_path):
    script = """
      const select = document.getElementById('pick-column'), title = () => document.querySelector('#column-view h3').textContent;
      const named = () => title() === select.options[select.selectedIndex].textContent;
      const seen = [named()], first = title();
      select.value = '2'; select.dispatchEvent(new Event('change')); seen.push(named() && title() !== first);
      document.querySelector('[data-for="pick-column"][data-step="-1"]').click(); seen.push(named() && select.value === '1');
      const row = document.querySelector('th[data-pick="pick-column"][data-place="3"]');
      row.querySelector('button').click(); seen.push(named() && title() === row.textContent && document.activeElement === select);
      const drawn = [...select.options].every((option, place) => {
        select.value = place; select.dispatchEvent(new Event('change'));
        return document.querySelector('#column-view svg, #column-view .bar-row, #column-view .facts');
      });
      return [...seen, drawn, document.querySelectorAll('#column-view img, #column-view script').length].join()"""
    assert acted(page, tmp_path, script, anchor="#columns") == "true,true,true,true,true,0"


def test_a_pair_is_shown_as_three_grids_of_the_same_shape(page, tmp_path):
    script = """
      const select = document.getElementById('pick-pair'), seen = [];
      for (let place = 0; place < select.options.length; place++) {
        select.value = place; select.dispatchEvent(new Event('change'));
        const cells = [...document.querySelectorAll('#pair-view .heat')].map(grid => grid.querySelectorAll('td').length);
        const titles = [...document.querySelectorAll('#pair-view td')].every(cell => /: real .* %, synthetic .* %$/.test(cell.title));
        seen.push(cells.length === 3 && cells[0] > 0 && cells.every(count => count === cells[0]) && titles);
      }
      return [seen.length > 5, seen.every(Boolean), document.querySelectorAll('#pair-view img, #pair-view script').length].join()"""
    assert acted(page, tmp_path, script) == "true,true,0"


def test_tabs_follow_the_keyboard_and_every_control_has_a_name(page, tmp_path):
    script = """
      const tab = document.getElementById('tab-fidelity');
      tab.focus();
      tab.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}));
      const moved = document.activeElement.id === 'tab-columns' && document.querySelectorAll('.panel.open').length === 1;
      const nameless = [...document.querySelectorAll('button')].filter(button => !button.textContent.trim() && !button.title).length;
      const unlabelled = [...document.querySelectorAll('select')].filter(select => !select.labels.length).length;
      return [moved, nameless, unlabelled].join()"""
    assert acted(page, tmp_path, script) == "true,0,0"


def test_nothing_is_wider_than_a_narrow_screen(page, tmp_path):
    script = """
      document.body.style.width = '380px';
      const page = document.body.getBoundingClientRect().right + 1;
      return [...document.querySelectorAll('main > section, .answer, .panel.open > *, .look > *')]
        .filter(part => part.getBoundingClientRect().right > page).map(part => part.className || part.tagName).join()"""
    assert acted(page, tmp_path, script) == ""


def test_a_telephone_shows_every_verdict(page, tmp_path):
    script = """
      document.body.style.width = '400px';  // Chromium's own windows are 500 wide at least
      const verdicts = [...document.querySelectorAll('.panel.open .checks .chip')];
      return [innerWidth < 520, verdicts.length > 10, verdicts.every(verdict => verdict.getBoundingClientRect().right <= 400)].join()"""
    assert acted(page, tmp_path, script, "--window-size=400,900", anchor="#privacy") == "true,true,true"


@pytest.mark.parametrize("section", ["pairs", "panel-privacy", "settings"])
def test_a_section_opens_by_its_name(page, tmp_path, section):
    dom = browse(page, tmp_path, "--dump-dom", anchor=f"#{section}").stdout
    section = section.removeprefix("panel-")
    assert re.search(rf'class="panel open" role="tabpanel" id="panel-{section}"', dom)
    assert re.search(rf'id="tab-{section}"[^>]*aria-selected="true"', dom)


def test_it_prints(page, tmp_path):
    target = tmp_path / "report.pdf"
    browse(page, tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer")
    assert target.read_bytes().startswith(b"%PDF") and target.stat().st_size > 20_000


def on_paper(scorecard, tmp_path, script):
    """What ``script`` returns of a page that a screen as wide as a sheet shows as printers do."""
    path = tmp_path / "paper.html"
    scorecard.to_html(path)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("@media print", "@media all").replace("<body>", '<body style="width: 690px">'), "utf-8"
    )
    return acted(path, tmp_path, script)


@pytest.mark.parametrize("columns", [3, 40])
def test_nothing_is_wider_than_a_sheet_of_paper(tmp_path, columns):
    script = """
      const edge = document.body.getBoundingClientRect().right + 1, cells = [...document.querySelectorAll('.preview td')];
      const outside = [...document.querySelectorAll('.scroll table, .preview :is(th, td), figure')].filter(part => part.getBoundingClientRect().right > edge);
      const seen = cells.filter(cell => cell.getBoundingClientRect().width);
      return [outside.length, seen.length, seen.every(cell => cell.getBoundingClientRect().width > 60)].join()"""
    rows = {3: 20, 40: 6}[columns]  # of a wide table, six rows, each down the sheet
    assert on_paper(cases.wide(columns), tmp_path, script) == f"0,{rows * columns},true"


def test_a_head_that_sorts_on_screen_is_repeated_on_paper(page, tmp_path):
    """Chromium repeats no head on the next sheet that holds a button's box; so none has one there."""
    script = "return [...document.querySelectorAll('.sortable thead button')].map(button => button.getClientRects().length).join('')"
    assert set(on_paper(cases.scorecard(), tmp_path, script)) == {"0"}


def test_what_is_folded_is_printed_without_a_script(tmp_path):
    script = """
      document.querySelectorAll('details').forEach(part => part.open = false);
      return [...document.querySelectorAll('details .scroll')].every(part => part.checkVisibility({contentVisibilityAuto: true}))"""
    assert on_paper(cases.scorecard(), tmp_path, script) == "true"
