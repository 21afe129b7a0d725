"""A server with the studio's page, and a real browser that looks at it: for tests."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parent.parent.parent
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = next(
    (
        f"the studio is not looked at: {words}"
        for words, there in (
            ("Chromium is not installed (Debian: chromium, chromium-driver)", CHROMIUM and DRIVER),
            ("the package selenium is not installed", importlib.util.find_spec("selenium")),
            ("the package gradio is not installed", importlib.util.find_spec("gradio")),
        )
        if not there
    ),
    "",
)
"""Why the page can't be looked at here; "" where it can."""
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}  # what is made is small, and others need the cores, too
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"  # npm install --no-save axe-core
Found = TypeVar("Found")
SEEN = """
const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  && element.getBoundingClientRect().width * element.getBoundingClientRect().height > 0;
return [...document.querySelectorAll(arguments[0])].filter(isSeen);
"""  # one request, where Selenium's own question is one for each element


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def served(folder: Path, *flags: str) -> Iterator[str]:
    """The page's address, served from ``folder`` for the block."""
    port, log = free_port(), folder / "studio.log"
    words = [str(ROOT / "studio.py"), f"--port={port}", f"--input_dir={ROOT / 'Input' / 'Images'}", *flags]  # last wins
    with log.open("w") as lines:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=ONE_THREAD, stdout=lines, stderr=subprocess.STDOUT
        )
    try:
        until(lambda: "Ctrl-C ends it" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0, log.read_text()
        assert log.read_text().splitlines()[-1] == "the studio is closed"


def until(condition: Callable[[], Found], seconds: float = 180) -> Found:
    """What ``condition`` gives as soon as that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"nothing came within {seconds:g} seconds")


class Browser:
    """A browser without a window."""

    def __init__(self, width: int = 1400, height: int = 1000) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
        environment = {**os.environ, "SE_OFFLINE": "true"}
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER, env=environment))

    def forget(self, address: str) -> None:
        """Leave the page, and become somebody who has never been at ``address``, at a desk."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": address, "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.requests()

    def open(self, address: str) -> None:
        """Load the page, and wait until it can be used."""
        self.driver.get(address)
        until(lambda: self.all("#examples img") or self.all("#desk"))
        until(lambda: self.driver.execute_script("return !!window.singanValue"))

    def all(self, selector: str) -> list[Any]:
        """The elements that ``selector`` names and that can be seen."""
        return list(self.driver.execute_script(SEEN, selector))

    def await_all(self, selector: str, count: int = 1) -> None:
        """Wait until so many elements that ``selector`` names can be seen."""
        until(lambda: len(self.all(selector)) >= count)

    def value(self, selector: str) -> str:
        """What stands in the field that ``selector`` names."""
        return str(self.driver.find_element("css selector", selector).get_property("value"))

    def click(self, selector: str, place: int = 0) -> None:
        """Click the element that ``selector`` names, the one at ``place``, once it is there and nothing covers it."""
        from selenium.common.exceptions import WebDriverException

        def clicked() -> bool:
            try:
                self.all(selector)[place].click()
            except (IndexError, WebDriverException):
                return False
            return True

        until(clicked)

    def tool(self, name: str) -> None:
        """Choose a tool by its id."""
        self.driver.execute_script(f"document.querySelector('#tools input[value={name}]').click()")
        until(lambda: self.driver.execute_script("return document.body.dataset.tool") == name)

    def example(self, place: int) -> None:
        """Choose an example picture; its variations begin."""
        if not self.all("#landing"):
            self.click("#another")
        self.click("#examples .thumbnail-item", place)
        self.await_all("#desk")

    def upload(self, *files: Path) -> None:
        """Open files of one's own."""
        if not self.all("#landing"):
            self.click("#another")
        field = until(lambda: self.driver.find_elements("css selector", "#upload input[type=file]"))[0]
        field.send_keys("\n".join(str(file.resolve()) for file in files))

    def opened(self, title: str) -> None:
        """Wait until the picture ``title`` is on the desk."""
        until(lambda: title in self.text("#chosen"))
        self.loaded("canvas")

    def results(self, count: int, seconds: float = 180) -> list[dict[str, Any]]:
        """Wait until the history has so many results, and no work goes on; return them, the newest first."""
        until(lambda: len(self.items()) == count and not self.all("#cancel"), seconds)
        return self.items()

    def items(self) -> list[dict[str, Any]]:
        """The results in the history, as the page knows them."""
        found: list[dict[str, Any]] = self.driver.execute_script(
            "return document.getElementById('history')?.items ?? []"
        )
        return found

    def cancel(self) -> None:
        """Cancel the work that goes on, if there is some, and wait for its end."""
        self.driver.execute_script("document.getElementById('cancel')?.click()")
        until(lambda: not self.all("#cancel"))

    def state(self) -> str:
        """The state of the work: waiting, running, done, failed or cancelled."""
        found = self.driver.find_elements("css selector", "#status .progress")
        return str(found[0].get_attribute("data-state")) if found else ""

    def loaded(self, name: str) -> None:
        """Wait until the canvas ``name`` has its picture."""
        until(lambda: self.driver.execute_script("return !!document.getElementById(arguments[0])?.real", name))

    def drag(self, name: str, *points: tuple[float, float]) -> None:
        """Drag the pointer over the canvas ``name``, through ``points`` in parts of its width and height."""
        from selenium.webdriver import ActionChains

        self.loaded(name)
        canvas = until(lambda: self.all(f"#{name} canvas"))[0]
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        size, chain = canvas.size, ActionChains(self.driver, duration=50)
        for place, (x, y) in enumerate(points):
            chain.move_to_element_with_offset(
                canvas, round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
            )
            if place == 0:
                chain.click_and_hold()
        chain.release().perform()

    def requests(self) -> list[str]:
        """The addresses of all that was asked of the net since the last call."""
        import json

        log: Any = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = (json.loads(entry["message"])["message"] for entry in log)
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def text(self, selector: str) -> str:
        """The text of the element that ``selector`` names; "" where there is none."""
        found = self.all(selector)
        return str(found[0].text) if found else ""

    def source(self, selector: str) -> str:
        """The address of the picture that ``selector`` names; "" where there is none."""
        found = self.all(selector)
        return str(found[0].get_attribute("src")) if found else ""

    def choose(self, selector: str, words: str) -> None:
        """Choose the first line that holds ``words`` in the list ``selector``."""
        self.click(f"{selector} input")
        lines = until(lambda: [line for line in self.all(f"{selector} ul[role=listbox] li") if words in line.text])
        self.driver.execute_script("arguments[0].dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))", lines[0])

    def check_access(self) -> list[str]:
        """The serious faults that axe-core finds in what is seen: a line each, with an example."""
        found = self.driver.execute_async_script(
            AXE.read_text()
            + ";const done = arguments[arguments.length - 1]; axe.run().then((result) => done(result.violations"
            ".filter((fault) => ['serious', 'critical'].includes(fault.impact))"
            ".map((fault) => `${fault.id}: ${fault.help}: ${fault.nodes[0].html.slice(0, 200)}`)))"
        )
        return list(found)

    def phone(self, width: int = 400, height: int = 800) -> None:
        """Have the page as wide as a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def close(self) -> None:
        self.driver.quit()
