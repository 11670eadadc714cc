"""JupyterLab and Notebook 7 in a real, headless Chromium, driven as a person would: click a cell, press keys, look.

Servers and the browser live for the whole session, each with folders of its own; a kernel lives for one test. Themes
are changed the way the Settings menu does it, by the command `apputils:change-theme`, so that one server shows
light and dark.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import psutil
import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import find_chromium
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Locator, Page

HERE = Path(__file__).parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# All cells stay in the page, and nothing is asked of the network or of the user.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}
expect.set_options(timeout=PATIENCE_S * 1000)
VIEWPORT = {"width": 1280, "height": 1400}
BLANK = "about:blank"
PATH = "jupyterapp.shell.currentWidget?.context?.path"
OPEN = "async path => { await jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'}); }"
CLOSE = (
    "() => { for (const widget of [...jupyterapp.shell.widgets('main')].filter(one => one.context)) {"
    "widget.context.model.dirty = false; widget.close(); } localStorage.clear(); }"
)
STATUS = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"


class JupyterServer:
    """`jupyter lab` or `jupyter notebook` on a free port of this machine."""

    def __init__(self, app: str, folder: Path) -> None:
        self.app, self.root, self.token = app, folder / "root", secrets.token_hex(8)
        self.root.mkdir(parents=True)
        for name, values in SETTINGS.items():
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        module, traits = {"lab": ("jupyterlab", "LabApp"), "notebook": ("notebook", "JupyterNotebookApp")}[app]
        command = [
            *(sys.executable, "-m", module, "--no-browser"),
            f"--{traits}.expose_app_in_browser=True",
            f"--IdentityProvider.token={self.token}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            "--ServerApp.allow_root=True",
        ]
        folders = {
            name: str(folder / name.lower())
            for name in (
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_DATA_DIR",
                "JUPYTER_RUNTIME_DIR",
                "JUPYTERLAB_WORKSPACES_DIR",
            )
        }
        folders["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | folders, cwd=self.root, stdout=log, stderr=subprocess.STDOUT
            )
        self._wait()

    def _wait(self, timeout_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.api("api/status")
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"jupyter {self.app} did not start:\n{self.log.read_text()}")

    def api(self, path: str, method: str = "GET") -> Any:
        """Ask the server's REST interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read() or b"null")

    def page_url(self, notebook: str) -> str:
        if self.app == "notebook":
            return f"{self.url}/notebooks/{notebook}?token={self.token}"
        workspace = secrets.token_hex(4)
        return f"{self.url}/lab/workspaces/{workspace}/tree/{notebook}?reset&token={self.token}"

    def end_kernels(self) -> None:
        for session in self.api("api/sessions"):
            self.api(f"api/sessions/{session['id']}", "DELETE")

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class NotebookPage:
    """An open notebook. `errors` keeps what the page's scripts threw or complained about since its kernel was ready."""

    def __init__(self, page: Page, server: JupyterServer, shots: Path) -> None:
        self.page, self.server, self.shots = page, server, shots
        self.errors: list[str] = []
        page.on("pageerror", self._threw)
        page.on("console", self._heard)

    def open(self, notebook: str, *, theme: str = "light") -> NotebookPage:
        if self.page.url == BLANK:
            self.page.goto(self.server.page_url(notebook))
        else:
            self.page.evaluate(OPEN, notebook)
            self.page.wait_for_function(f"path => {PATH} === path", arg=notebook)
        self.wait_idle(timeout_s=90)
        self.set_theme(theme)
        self.errors.clear()  # Notebook 7 itself throws one while it starts
        return self

    def close(self, *, for_good: bool) -> None:
        """Close the notebook, unsaved, and end its kernel; `for_good` closes the page as well.

        One of Notebook is left: the next notebook loads it anew, but for what the browser has of its scripts.
        """
        if for_good:
            self.page.context.close()
        else:
            self.page.remove_listener("pageerror", self._threw)
            self.page.remove_listener("console", self._heard)
            self.page.evaluate(CLOSE)
            if self.server.app == "notebook":
                self.page.goto(BLANK)
        self.server.end_kernels()

    def _threw(self, error: Exception) -> None:
        self.errors.append(str(error))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def wait_idle(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the kernel is connected and has nothing to do."""
        self.page.wait_for_function(f"() => window.jupyterapp && {STATUS} === 'idle'", timeout=timeout_s * 1000)

    def set_theme(self, theme: str) -> None:
        """Show the page in the `light` or `dark` theme."""
        name = THEMES[theme]
        self.page.evaluate("name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        self.page.wait_for_selector(f"body[data-jp-theme-name='{name}']", state="attached")
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def cell(self, index: int) -> Locator:
        """The cell with this number, counted from 0, Markdown cells included."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def run_cell(self, index: int, *, wait: bool = True, timeout_s: float = PATIENCE_S) -> None:
        """Click into a code cell and press Control+Enter; wait until the cell has ended, unless told not to."""
        prompt = self.cell(index).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        if wait:
            done = "([cell, before]) => /\\d/.test(cell.innerText) && cell.innerText !== before"
            self.page.wait_for_function(done, arg=[prompt.element_handle(), before], timeout=timeout_s * 1000)
            self.wait_idle(timeout_s)

    def run_all(self, *, timeout_s: float = PATIENCE_S) -> None:
        """Run all cells, as the menu does, and wait for the last."""
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
        done = (
            "() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].every(cell => {"
            "const prompt = cell.querySelector('.jp-InputPrompt').innerText;"
            "return /\\d/.test(prompt) || !cell.querySelector('.cm-content').innerText.trim(); })"
        )
        self.page.wait_for_function(done, timeout=timeout_s * 1000)
        self.wait_idle(timeout_s)

    def outputs(self, index: int) -> Locator:
        """The output area of a cell, to look into with `.get_by_role(...)` and the like."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def output_text(self, index: int) -> str:
        return self.outputs(index).inner_text()

    def expect_says(self, index: int, *texts: str) -> None:
        """Run a cell, and wait until these texts are in its output."""
        self.run_cell(index)
        for text in texts:
            expect(self.outputs(index)).to_contain_text(text)

    def interrupt(self) -> None:
        """Press the stop button of the toolbar."""
        self.page.locator("[data-command='notebook:interrupt-kernel'], [data-jp-item-name='interrupt']").first.click()

    def save(self) -> nbformat.NotebookNode:
        """Save the notebook and give what was written."""
        self.page.evaluate("jupyterapp.shell.currentWidget.context.save()")
        path: str = self.page.evaluate("jupyterapp.shell.currentWidget.context.path")
        return nbformat.read(self.server.root / path, as_version=4)

    def screenshot(self, name: str) -> Path:
        """Keep a picture, in the folder NBFLOW_SCREENSHOTS when it is set."""
        path = self.shots / (re.sub(r"[^\w.-]+", "-", name) + ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        return path


@pytest.fixture(scope="session")
def jupyter_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], JupyterServer]]:
    """Give the server of an app ("lab" or "notebook"), started when first asked for."""
    servers: dict[str, JupyterServer] = {}

    def get(app: str) -> JupyterServer:
        if app not in servers:
            servers[app] = JupyterServer(app, tmp_path_factory.mktemp(app))
        return servers[app]

    yield get
    for server in servers.values():
        server.close()


class SharedBrowser:
    """Chromium for all tests of this folder, and its pages that no test uses now, by their app."""

    def __init__(self) -> None:
        self._playwright = sync_playwright().start()
        try:
            self.browser = self._playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        except BaseException:
            self._playwright.stop()
            raise
        self.free_pages: dict[str, list[Page]] = {}

    def page(self, app: str, *, is_own: bool) -> Page:
        """Give a page that is free, or a new one with nothing stored in its browser."""
        free = self.free_pages.setdefault(app, [])
        if free and not is_own:
            page = free.pop()
            page.set_viewport_size(VIEWPORT)
            return page
        context = self.browser.new_context(viewport=VIEWPORT)
        context.set_default_timeout(PATIENCE_S * 1000)
        return context.new_page()

    def close(self) -> None:
        self.browser.close()
        self._playwright.stop()


BROWSER = pytest.StashKey[SharedBrowser]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Close the browser after the last test of this folder: Playwright keeps an event loop running in this thread."""
    try:
        return (yield)
    finally:
        if nextitem is None or not nextitem.path.is_relative_to(HERE):
            close_browser(item.session)


def pytest_sessionfinish(session: pytest.Session) -> None:
    close_browser(session)  # of a session that was stopped


def close_browser(session: pytest.Session) -> None:
    if (shared := session.stash.get(BROWSER, None)) is not None:
        del session.stash[BROWSER]
        shared.close()


@pytest.fixture
def shared_browser(request: pytest.FixtureRequest) -> SharedBrowser:
    stash = request.session.stash
    if BROWSER not in stash:
        stash[BROWSER] = SharedBrowser()
    return stash[BROWSER]


@pytest.fixture
def chromium(shared_browser: SharedBrowser) -> Browser:
    return shared_browser.browser


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    folder = os.environ.get("NBFLOW_SCREENSHOTS")
    return tmp_path.__class__(folder).absolute() if folder else tmp_path / "screenshots"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def open_notebook(
    request: pytest.FixtureRequest,
    shared_browser: SharedBrowser,
    jupyter_server: Callable[[str], JupyterServer],
    shots: Path,
) -> Iterator[Callable[..., NotebookPage]]:
    """Open a notebook, `open_notebook(path_or_node, app="lab", theme="light")`; a picture is kept if the test fails.

    JupyterLab takes seconds to load, so its page goes from test to test, and that of Notebook, loaded anew, has its
    scripts; a test that changes more than a notebook there is marked `own_page`.
    """
    opened: list[NotebookPage] = []
    is_own = request.node.get_closest_marker("own_page") is not None

    def open_(notebook: Path | nbformat.NotebookNode, *, app: str = "lab", theme: str = "light") -> NotebookPage:
        server = jupyter_server(app)
        name = f"{secrets.token_hex(4)}.ipynb"
        node = notebook if isinstance(notebook, dict) else nbformat.read(notebook, as_version=4)
        nbformat.write(node, server.root / name)
        page = shared_browser.page(app, is_own=is_own)
        opened.append(NotebookPage(page, server, shots))
        return opened[-1].open(name, theme=theme)

    yield open_
    has_failed = request.node.stash.get(FAILED, True)
    for number, one in enumerate(opened):
        if has_failed:
            one.screenshot(f"FAILED-{request.node.name}-{number}")
        may_stay = not (has_failed or is_own or one.page.is_closed())
        one.close(for_good=not may_stay)
        if may_stay:
            shared_browser.free_pages[one.server.app].append(one.page)


@pytest.fixture
def lab_page(open_notebook: Callable[..., NotebookPage]) -> Callable[..., NotebookPage]:
    """Open a notebook in JupyterLab: `lab_page(path_or_node, theme="light")`."""
    return lambda notebook, **options: open_notebook(notebook, app="lab", **options)


@pytest.fixture
def kernel_children(
    jupyter_server: Callable[[str], JupyterServer],
) -> Callable[..., list[psutil.Process]]:
    """Give the processes that the kernel of an app's one open notebook has started and that are still there."""

    def find(app: str = "lab") -> list[psutil.Process]:
        found = []
        for child in psutil.Process(jupyter_server(app).process.pid).children(recursive=True):
            try:
                command = " ".join(child.cmdline())
            except psutil.NoSuchProcess:
                continue
            # Not the kernel itself, not Python's own helper, which it starts once and keeps, and not who draws.
            if command and not any(name in command for name in ("ipykernel_launcher", "resource_tracker", "-Kdot")):
                found.append(child)
        return found

    return find


@pytest.fixture
def notebook_of() -> Callable[..., nbformat.NotebookNode]:
    """Make a notebook from the sources of its code cells."""

    def make(*sources: str) -> nbformat.NotebookNode:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        return nbformat.v4.new_notebook(cells=cells, metadata=metadata)

    return make
