"""A browser without a window, for tests of pages: started once, asked in its own protocol over two pipes."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))),
    None,
)
AS_THREE_AND_FOUR = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from the first of these and writes to the second."""

SECONDS = 120
"""A machine that is busy with other things is slow, too."""


class Chromium:
    """One tab of a browser; see the Chrome DevTools Protocol for its methods.

    Args:
        profile: Folder for what it keeps.
    """

    def __init__(self, profile):
        (read, self._out), (self._in, write) = os.pipe(), os.pipe()
        call = [
            sys.executable, "-c", AS_THREE_AND_FOUR, str(read), str(write), PROGRAM, "--headless=new", "--no-sandbox",
            "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(call, pass_fds=(read, write), **quiet)
        os.close(read)
        os.close(write)
        self._answers, self._number, self._session = os.fdopen(self._in, "rb"), 0, None
        self._rest, self.events = b"", []
        (page,) = [one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Calls a method of the protocol and gives its result."""
        self._number += 1
        tab = {} if self._session is None else {"sessionId": self._session}
        message = {"id": self._number, "method": method, "params": params, **tab}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._next(lambda one: one.get("id") == self._number)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self, wanted):
        """The next message of a kind; the others are kept."""
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            while b"\0" not in self._rest:
                part = self._answers.raw.read(1 << 16)
                assert part, "the browser has ended"
                self._rest += part
            text, _, self._rest = self._rest.partition(b"\0")
            message = json.loads(text)
            self.events.append(message)
            if wanted(message):
                return message
        raise TimeoutError

    def open(self, address, width=1200, height=900):
        """Opens a page as a screen of that size shows it, and waits until it is there."""
        narrow = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=narrow)
        del self.events[:]
        self.call("Page.navigate", url=address)
        self._loaded()

    def _loaded(self):
        if not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self._next(lambda one: one.get("method") == "Page.loadEventFired")

    def ask(self, expression):
        """The value of an expression of the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def follow(self, expression):
        """Does something that leads to another page, and waits until that is there."""
        del self.events[:]
        self.ask(expression)
        self._loaded()

    def complaints(self):
        """What the browser has said of the page: what was forbidden or failed, of any level but the harmless ones."""
        entries = [one["params"]["entry"] for one in self.events if one.get("method") == "Log.entryAdded"]
        return [entry["text"] for entry in entries if entry["level"] in ("warning", "error")]

    def picture(self, path):
        """Writes the whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """Ends it."""
        with contextlib.suppress(OSError, AssertionError):
            self._session = None
            self.call("Browser.close")
        self._process.wait(SECONDS)
        os.close(self._out)
        self._answers.close()
