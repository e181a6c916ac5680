"""The browsers that can be driven, and how each is started without a window."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

#: Names a program in place of the first one that is found.
VARIABLE: Final = "KEXPORT_BROWSER"

_CHROMIUM: Final = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"),
    *("microsoft-edge", "microsoft-edge-stable", "msedge", "brave-browser"),
)
_FIREFOX: Final = ("firefox", "firefox-esr")

#: Where they are when no search path leads to them.
_PLACES: Final = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
        "/Applications/Firefox.app/Contents/MacOS/firefox",
    ),
    "win32": (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
        r"C:\Program Files\Mozilla Firefox\firefox.exe",
    ),
}

INSTALL: Final = {
    "darwin": "install Chrome, Edge or Firefox",
    "win32": "install Chrome, Edge or Firefox",
}.get(sys.platform, "apt install chromium (or install Chrome, Edge or Firefox)")

#: Chromium's: no window, no traffic of its own, and WebGPU in software, so that results do not depend on the machine's GPU.
_CHROMIUM_FLAGS: Final = (
    *(
        "--headless=new",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-extensions",
        "--disable-sync",
    ),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--mute-audio",
    ),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--password-store=basic"),
)
_SOFTWARE_GPU: Final = (
    *("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--use-angle=swiftshader"),
    *("--enable-unsafe-swiftshader", "--enable-features=Vulkan", "--ignore-gpu-blocklist"),
)


#: Firefox's, which it reads from its profile: no pages of its own, and no traffic (what Mozilla's own drivers set,
#: remote/shared/RecommendedPreferences.sys.mjs).
_FIREFOX_PREFERENCES: Final[dict[str, bool | int | str]] = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.blockedURIs.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.safebrowsing.update.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.tabs.unloadOnLowMemory": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.http.speculative-parallel-limit": 0,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "startup.homepage_welcome_url": "",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


@dataclass(frozen=True)
class Program:
    """A browser: the path of its program, and its kind, ``chromium`` or ``firefox``."""

    path: str
    kind: str

    def command(self, profile: Path, url: str, *, gpu: bool = False) -> list[str]:
        """What starts it at ``url`` with a profile of its own, an empty folder; ``gpu`` takes the machine's GPU in place of software."""
        if self.kind == "firefox":
            preferences = _FIREFOX_PREFERENCES | ({"dom.webgpu.enabled": True} if gpu else {})
            lines = [
                f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                for name, value in preferences.items()
            ]
            (profile / "user.js").write_text("".join(lines), "utf-8")
            return [self.path, "--headless", "--no-remote", "--profile", str(profile), url]
        # Its sandbox needs a user that is not root.
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        graphics = ["--enable-unsafe-webgpu"] if gpu else _SOFTWARE_GPU
        return [self.path, *_CHROMIUM_FLAGS, *sandbox, *graphics, f"--user-data-dir={profile}", url]


def find() -> Program | None:
    """The program that ``KEXPORT_BROWSER`` names, else the first that is installed; None where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        path = shutil.which(named)
        return None if path is None else Program(path, _kind(path))
    for name in (*_CHROMIUM, *_FIREFOX, *_PLACES.get(sys.platform, ())):
        path = shutil.which(name)
        if path is not None:
            return Program(path, _kind(path))
    return None


def problem() -> str | None:
    """Why :func:`find` finds none, with the way out; None where it does."""
    if find() is not None:
        return None
    named = os.environ.get(VARIABLE)
    if named:
        return f"{VARIABLE} names {named!r}, which is no program: name another one, or unset it."
    return f"no browser was found: {INSTALL}, or name one in {VARIABLE}."


def _kind(path: str) -> str:
    return "firefox" if "firefox" in Path(path).name.lower() else "chromium"


@cache
def version(program: Program) -> str:
    """``Chromium 140.0.7339.127``; the name alone where the program does not say."""
    try:
        said = subprocess.run(
            [program.path, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    found = re.search(r"([A-Z][A-Za-z ]*?) (\d[\d.]*)", said)
    return f"{found.group(1).removeprefix('Mozilla ')} {found.group(2)}" if found else Path(program.path).name
