"""Does a real browser show every page, from a server and from the folder, without a complaint?

Debian's Chromium, driven by its own chromium-driver.  Chromium tells all that it loads and all that
its console says; a page is good if nothing failed, nothing came from elsewhere, nothing was said.
"""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from iova_lab.rendering.pages import read_page
from iova_lab.rendering.server import _Handler
from tests.support import asv_site
from tests.support.asv_site import Site

NODES = "nodes.NodesMean.track_nodes_per_op"
LATENCY = "latency.Latency.time_window"
PATIENCE_S = 60  # a limit, not a measurement: a busy machine may be slow

#: Nothing that Chromium does on its own account may reach the log, or the network.
OPTIONS = """--headless=new --disable-gpu --disable-quic --no-first-run --disable-extensions
    --disable-background-networking --disable-component-update --disable-sync
    --disable-default-apps --disable-dev-shm-usage --window-size=1280,800""".split()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="no browser to look with: apt install chromium chromium-driver",
    ),
]


class Browser:
    """A window, and what happened in it since it was asked last."""

    def __init__(self, driver: webdriver.Chrome, base: str) -> None:
        self.driver, self.base = driver, base

    def open(self, path: str) -> None:
        """Load ``path`` anew and wait until it has loaded what it asks for."""
        self.driver.get("about:blank")
        self.complaints()
        self.driver.get(self.base + path)
        self.wait("window.jQuery === undefined || jQuery.active === 0")

    def script(self, text: str) -> Any:
        return self.driver.execute_script(f"return ({text});")

    def wait(self, condition: str) -> None:
        WebDriverWait(self.driver, PATIENCE_S).until(lambda _: self.script(condition), condition)

    def follow(self, text: str) -> None:
        """Click a link; one that is drawn again between finding and clicking is found again."""

        def clicked(driver: webdriver.Chrome) -> bool:
            driver.find_element(By.LINK_TEXT, text).click()
            return True

        redrawn = [StaleElementReferenceException]
        WebDriverWait(self.driver, PATIENCE_S, ignored_exceptions=redrawn).until(clicked)

    def complaints(self) -> list[str]:
        """Failed requests, requests to elsewhere, and all that the console says."""
        found = [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            event = json.loads(entry["message"])["message"]
            found += self._complaint(event["method"], event["params"])
        return found

    def _complaint(self, method: str, params: dict[str, Any]) -> list[str]:
        if method == "Network.loadingFailed":
            return [f"failed: {params['errorText']}"]
        if method == "Network.responseReceived" and params["response"]["status"] >= 400:
            return [f"{params['response']['status']}: {params['response']['url']}"]
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith((self.base, "data:", "about:")):
                return [f"from elsewhere: {url}"]
        return []

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return asv_site.shared(tmp_path_factory)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    profile = tmp_path_factory.mktemp("chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none
    for option in [*OPTIONS, *sandbox, f"--user-data-dir={profile}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # Both are named, so that Selenium looks for neither.
    window = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield window
    window.quit()


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    handler = functools.partial(_Handler, directory=str(site.html))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(params=["served", "folder"])
def browser(
    request: pytest.FixtureRequest, site: Site, driver: webdriver.Chrome, address: str
) -> Browser:
    return Browser(driver, address if request.param == "served" else f"{site.html.as_uri()}/")


def test_a_page_that_is_not_there_is_a_complaint(driver: webdriver.Chrome, address: str) -> None:
    """The other tests can fail: this is how they would."""
    browser = Browser(driver, address)
    browser.open("nothing.html")
    assert any("404" in complaint for complaint in browser.complaints())
    browser.open("index.html")
    browser.script("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.2:1/'}))")
    browser.wait("performance.getEntriesByName('http://127.0.0.2:1/').length > 0")
    assert any("from elsewhere" in complaint for complaint in browser.complaints())


def test_the_graph_has_one_line_per_variant(browser: Browser, site: Site) -> None:
    browser.open(f"index.html#{NODES}")
    plot = "$('#main-graph').data('plot')"
    browser.wait(f"{plot} && {plot}.getData().length > 0")
    lines = browser.script(
        f"{plot}.getData().map(s => ({{label: s.label, look: s.iovaLabLook, data: s.data}}))"
    )
    assert len(lines) == len(site.variants)
    assert len({json.dumps(line["look"]) for line in lines}) == len(site.variants)
    for line, variant in zip(lines, site.variants, strict=True):
        assert f"variant-{variant}; workload-startup" in line["label"]
        assert [x for x, _ in line["data"]] == asv_site.SIZES
        assert all(y is not None for _, y in line["data"])
    names = [f"{name} (floor)" if name == "null" else name for name in site.variants]
    assert browser.texts("#iova-lab-legend .legendLabel") == names
    ticks = browser.script(
        "$('#main-graph .flot-x-axis .flot-tick-label').get().map(t => t.innerHTML)"
    )
    assert ticks == ["10<sup>2</sup>", "10<sup>3</sup>", "10<sup>4</sup>"]
    # Logarithmic: equal factors are equal distances.
    at = browser.script(f"[100, 1000, 10000].map(x => {plot}.pointOffset({{x: x, y: 1}}).left)")
    assert at[1] - at[0] == pytest.approx(at[2] - at[1], abs=2)  # pixels
    assert browser.complaints() == []


def test_a_point_says_what_it_is(browser: Browser) -> None:
    browser.open(f"index.html#{NODES}?x-axis=nr_live&p-variant='mainline'&p-workload='ring'")
    plot = "$('#main-graph').data('plot')"
    browser.wait(f"{plot} && {plot}.getData().length == 1")
    graph = browser.driver.find_element(By.CSS_SELECTOR, "#main-graph")
    offset = browser.script(
        f"(p => ({{x: p.left - $('#main-graph').width() / 2,"
        f" y: p.top - $('#main-graph').height() / 2}}))"
        f"({plot}.pointOffset({{x: 1000, y: {plot}.getData()[0].data[1][1]}}))"
    )
    move = ActionChains(browser.driver)
    move.move_to_element_with_offset(graph, round(offset["x"]), round(offset["y"])).perform()
    browser.wait("$('#iova-lab-cell').is(':visible')")
    assert browser.texts("#iova-lab-cell") == ["mainline: 120 nodes/op at 1000 live ranges"]
    assert browser.complaints() == []


def test_times_have_whiskers_and_counts_have_none(browser: Browser, site: Site) -> None:
    """The intervals that asv stores, and does not draw."""
    plot = "$('#main-graph').data('plot')"
    browser.open(f"index.html#{LATENCY}?x-axis=nr_live&p-variant='mainline'&p-workload='ring'")
    browser.wait("Number($('#main-graph').attr('data-intervals')) > 0")
    assert browser.script("$('#main-graph').attr('data-intervals')") == str(len(asv_site.SIZES))
    intervals = json.loads((site.html / "graphs" / "intervals" / f"{LATENCY}.json").read_text())
    value = browser.script(f"{plot}.getData()[0].data[0][1]")
    ends = [one for one in intervals[asv_site.MACHINE].values() if one[0] <= value <= one[1]]
    assert ends
    browser.open(f"index.html#{NODES}")
    browser.wait(f"{plot} && {plot}.getData().length > 0")
    assert browser.script("$('#main-graph').attr('data-intervals')") is None
    assert browser.complaints() == []


def test_words_on_the_x_axis_have_a_mark_each(browser: Browser) -> None:
    """Seen: an empty box."""
    browser.open(
        f"index.html#{NODES}?x-axis=workload&p-nr_live=100&p-variant='mainline'&p-variant='anchor'"
    )
    plot = "$('#main-graph').data('plot')"
    browser.wait(f"{plot} && {plot}.getData().length == 2")
    for index in range(2):
        series = f"{plot}.getData()[{index}]"
        assert browser.script(f"{series}.points.show && !{series}.bars.show")
        places = browser.script(f"{series}.datapoints.points.filter((_, i) => i % 2 == 0)")
        assert places == list(range(len(asv_site.WORKLOADS)))
    ticks = "$('#main-graph .flot-x-axis .flot-tick-label').get().map(t => t.innerText)"
    assert browser.script(ticks) == asv_site.WORKLOADS
    assert browser.complaints() == []


def test_what_was_never_measured_says_so_and_opens_no_box(browser: Browser) -> None:
    browser.open(f"index.html#{asv_site.UNMEASURED}")
    browser.wait("$('#iova-lab-unmeasured').is(':visible')")
    (said,) = browser.texts("#iova-lab-unmeasured")
    assert said.startswith(f"{asv_site.UNMEASURED} was not measured")
    assert said.endswith("asv run HEAD --bench ContendedWait")
    assert not browser.script("$('#error').is(':visible')")
    assert browser.complaints() == []
    browser.driver.find_element(By.LINK_TEXT, "Benchmark grid").click()
    browser.wait("$('.benchmark-container').length > 0")
    assert browser.driver.current_url.endswith("#/grid")
    assert not browser.script("$('#iova-lab-unmeasured').is(':visible')")
    assert "ContendedWait.track_mean_wait: not measured" in browser.texts(".benchmark-text")


def test_the_first_page_has_what_was_found(browser: Browser, site: Site) -> None:
    browser.open("index.html")
    browser.wait("$('#iova-lab-home').is(':visible')")
    report = read_page(site.html.parents[1] / "reports" / asv_site.MACHINE / "index.md")
    assert browser.texts("#iova-lab-home h1") == [report.question]
    assert browser.texts("#iova-lab-home .iova-lab-answer") == [report.answer.strip("*")]
    assert browser.script("$('.iova-lab-picture img')[0].naturalWidth") > 500
    rows = browser.texts("#iova-lab-home tbody th > a")
    assert [name for name in rows if name in site.variants] == [
        name for name in site.variants if name != "null"
    ]
    assert set(asv_site.WORKLOADS) <= set(rows)
    browser.driver.find_element(By.CSS_SELECTOR, "#iova-lab-workload-ring th span a").click()
    plot = "$('#main-graph').data('plot')"
    browser.wait(f"{plot} && {plot}.getData().length > 0")
    assert not browser.script("$('#iova-lab-home').is(':visible')")
    browser.wait("$('#iova-lab-about').text().startsWith('ring: A network card')")
    assert browser.script("$('#iova-lab-legend a').length") == len(site.variants) - 1
    assert browser.complaints() == []


def test_links_of_the_first_page_lead_somewhere(browser: Browser, site: Site) -> None:
    browser.open("index.html")
    browser.wait("$('#iova-lab-home').is(':visible')")
    links = browser.script("$('#iova-lab-home a').get().map(a => a.getAttribute('href'))")
    paths = {link for link in links if not link.startswith("#")}
    assert {f"sources/{name}.html" for name in site.variants if name != "null"} <= paths
    assert all((site.html / path).is_file() for path in paths)
    browser.open("sources/mainline.html")
    assert "IOVA" in browser.driver.page_source
    assert browser.complaints() == []


def test_two_variants_stand_side_by_side_with_their_ratio(browser: Browser) -> None:
    """Which asv, comparing commits alone, has no page for."""
    address = f"index.html#/compare?benchmark={NODES}&left=mainline&right=anchor&nr_live=100"
    browser.open(address)
    rows = "$('#iova-lab-compare tbody tr')"
    browser.wait(f"{rows}.length > 0")
    assert browser.script(f"{rows}.get().map(r => r.cells[0].innerText)") == asv_site.WORKLOADS
    cells = browser.script(f"{rows}.get().map(r => [2, 3, 4].map(i => r.cells[i].innerText))")
    for left, right, ratio in cells:
        left, right = (float(text.replace(",", "")) for text in (left, right))
        assert float(ratio.removeprefix("x")) == pytest.approx(right / left, rel=0.01)
    # Another choice is another address, and the way back leads to the first.
    browser.script("$('select').eq(1).val('maple').trigger('change')[0].value")
    browser.wait("location.hash.includes('right=maple')")
    browser.wait("$('#iova-lab-compare h1').text() == 'maple beside mainline'")
    browser.driver.back()
    browser.wait("$('#iova-lab-compare h1').text() == 'anchor beside mainline'")
    assert browser.complaints() == []


def test_a_choice_that_is_not_there_becomes_one_that_is(browser: Browser) -> None:
    browser.open("index.html#/compare?left=gone&benchmark=gone.Gone.track_gone")
    browser.wait("$('#iova-lab-compare tbody tr').length > 0")
    assert browser.texts("#iova-lab-compare h1") == ["candidate beside mainline"]
    assert browser.complaints() == []


def test_the_dark_page_is_dark(browser: Browser) -> None:
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    try:
        browser.open("index.html#/compare")
        browser.wait("$('#iova-lab-compare tbody tr').length > 0")
        with Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())) as picture:
            assert np.median(np.asarray(picture.convert("L"))) < 60
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize(
    "page", ["", "#/grid", "#/compare", f"#{NODES}", "#/summarylist", "#/regressions"]
)
def test_a_phone_shows_a_page_at_its_own_width(browser: Browser, page: str) -> None:
    """Seen: 980 pixels."""
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.open(f"index.html{page}")
        browser.wait("$('#nav').is(':visible')")
        assert browser.script("[innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_grid_list_regressions_and_history(browser: Browser, site: Site) -> None:
    browser.open("index.html#/grid")
    benchmarks = len(json.loads((site.html / "index.json").read_text())["benchmarks"])
    browser.wait(f"$('.benchmark-plot').length == {benchmarks}")
    browser.script("window.scrollTo(0, document.documentElement.scrollHeight)")
    browser.wait(f"$('.benchmark-plot canvas.flot-base').length == {benchmarks}")

    browser.driver.find_element(By.LINK_TEXT, "Benchmark list").click()
    browser.wait("$('#summarylist-body tbody tr').length > 50")
    assert "each count that differs" in browser.texts("#iova-lab-list")[0]

    browser.driver.find_element(By.LINK_TEXT, "Regressions").click()
    worse = f"{NODES}('mainline', 'ring', 1000)"
    rows = "$('#regressions-body td a').get()"
    browser.wait(f"{rows}.some(a => a.textContent == {json.dumps(worse)})")
    browser.follow(worse)
    plot = "$('#main-graph').data('plot')"
    browser.wait(f"$('#graph-display').is(':visible') && {plot} && {plot}.getData().length == 1")
    assert len(browser.script(f"{plot}.getData()[0].data")) == len(site.commits)
    assert browser.complaints() == []


def test_reports_and_dashboard_lead_to_each_other(browser: Browser) -> None:
    browser.open("index.html")
    browser.wait("$('#iova-lab-home').is(':visible')")
    browser.driver.find_element(By.LINK_TEXT, "Scaling report").click()
    browser.wait(f"location.pathname.endsWith('/reports/{asv_site.MACHINE}/index.html')")

    browser.open(f"reports/{asv_site.MACHINE}/workloads/ring.html")
    browser.driver.find_element(By.LINK_TEXT, "NodesMean").click()
    plot = "$('#main-graph').data('plot')"
    browser.wait(f"window.$ && {plot} && {plot}.getData().length > 0")
    labels = browser.script(f"{plot}.getData().map(s => s.label)")
    assert all("workload-ring" in label for label in labels)

    browser.driver.back()
    browser.driver.find_element(By.LINK_TEXT, "Dashboard").click()
    browser.wait("window.$ && $('#iova-lab-home').is(':visible')")
    assert browser.complaints() == []


@pytest.mark.long
def test_every_report_loads_and_links_to_what_is_there(browser: Browser, site: Site) -> None:
    pages = sorted((site.html / "reports").rglob("*.html"))
    markdown = list((site.html.parents[1] / "reports").rglob("*.md"))
    assert len([page for page in pages if page.name != "glossary.html"]) == len(markdown)
    for page in pages:
        browser.open(str(page.relative_to(site.html)))
        assert browser.complaints() == [], page
        for link in browser.script("[...document.links].map(a => a.href)"):
            path = unquote(link.removeprefix(browser.base).partition("#")[0])
            local = link.startswith(browser.base)
            assert not local or (site.html / path).is_file(), f"{page}: {link}"
            assert local or link.startswith("https://"), f"{page}: {link}"
