"""The page in a real headless Chromium: it renders, complains of nothing, and markup in cells is inert.

Skipped, loudly, where no Chromium is installed (``apt-get install chromium``).
"""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    cases.scorecard().to_html(path)
    return path


def browse(page, tmp_path, *flags, anchor=""):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, f"{page.as_uri()}{anchor}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_it_renders_without_a_complaint_and_markup_is_inert(page, tmp_path):
    done = browse(page, tmp_path, "--dump-dom")
    assert not re.search(r"CONSOLE|Uncaught|Refused|Content Security Policy", done.stderr), done.stderr
    dom = done.stdout
    assert "<title>patients &lt;script&gt;" in dom  # a script that ran would have changed it to "owned" or 1
    assert '<html lang="en" class="scripted">' in dom
    assert len(re.findall(r'class="panel[^"]*open"', dom)) == 1
    assert len(re.findall(r"<svg ", dom)) == 9 and "<img" not in dom
    assert len(re.findall(r'<th scope="col"[^>]*><button type="button">', dom)) == 17  # sortable heads of both tables


@pytest.mark.parametrize("section", ["pairs", "privacy", "settings"])
def test_a_section_opens_by_its_name(page, tmp_path, section):
    dom = browse(page, tmp_path, "--dump-dom", anchor=f"#{section}").stdout
    assert re.search(rf'class="panel open" role="tabpanel" id="panel-{section}"', dom)
    assert re.search(rf'id="tab-{section}"[^>]*aria-selected="true"', dom)


def test_it_prints(page, tmp_path):
    target = tmp_path / "report.pdf"
    browse(page, tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer")
    assert target.read_bytes().startswith(b"%PDF") and target.stat().st_size > 20_000
