"""Headless Chromium, driven through its debugging pipe (Chrome DevTools Protocol); no other package is needed."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe")
_PATIENCE_S = 60


class Page:
    """A page in the browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers, self._number = commands, answers, 0
        self._rest, self._session = b"", ""
        self.log: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer; messages of the page on the way go to the log."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def show(self, path: Path, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Open a file in a window of a size, with a light or dark colour scheme, and wait for the viewer."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("document.readyState === 'complete'")
        self.wait_for("!document.getElementById('map') || document.documentElement.dataset.ready")

    def run(self, script: str) -> Any:
        """Return the value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + _PATIENCE_S
        while not self.run(script):
            assert time.monotonic() < end, f"{script} stays false; the page said {self.log}"
            time.sleep(0.05)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Send mousePressed, mouseMoved or mouseReleased with the left button."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button from one place of the window to another."""
        self.mouse("mousePressed", *start)
        self.mouse("mouseMoved", *end)
        self.mouse("mouseReleased", *end)

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 * shift)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save a picture of the window, or of the whole page."""
        found = self.call(
            "Page.captureScreenshot", captureBeyondViewport=whole, **({"clip": self._size()} if whole else {})
        )
        path.write_bytes(base64.b64decode(found["data"]))

    def _size(self) -> dict[str, float]:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._answers, 1 << 20)
            assert part, "the browser ended"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.log.append(json.dumps(message["params"]))
        elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.log.append(message["params"]["entry"]["text"])
        elif message.get("method") == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith(("file:", "data:", "about:", "blob:")):
                self.log.append(f"request to {url}")


@contextlib.contextmanager
def open_browser(profile: Path) -> Iterator[Page]:
    """Start the browser with a profile of its own; the test is skipped where there is none."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(_NAMES)}")
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    shell = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    words = ["bash", "-c", shell, program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, pass_fds=(to_browser, from_browser), **quiet) as process:
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Page(commands, answers)
        finally:
            process.terminate()
            process.wait(timeout=_PATIENCE_S)
            os.close(commands)
            os.close(answers)
