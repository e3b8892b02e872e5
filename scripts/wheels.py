"""Downloads pinned wheels: pip resolves their addresses, and this module downloads them.

Asking pip applies the user's mirrors, proxies and certificates. pip does not download the wheels because it keeps no
partial files: downloads here resume after an interruption, in the same run or a later one. A file gets its final name
only after its SHA-256 has matched the pin.
"""

import hashlib
import json
import os
import re
import shlex
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

# The wheels' tags are fixed, so that every Python picks the same files. The libraries in them do not depend on Python.
TAGS = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11"] + [
    f"--platform={tag}_x86_64" for tag in ["manylinux1", "manylinux2010", "manylinux2014"] + [f"manylinux_2_{n}" for n in range(5, 29)]
]
# `pip install --dry-run --report` prints a wheel's address; before 25.3 it downloads the whole wheel for that. pip is
# itself a wheel and can run from it: the user's pip downloads this version, which is not installed.
PIP = ("25.3", "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd")
ATTEMPTS = 6


class Failure(Exception):
    """Ends the program with a one-line message."""


def say(line):
    print(line, file=sys.stderr, flush=True)


def fetch_wheels(wanted, partial):
    """Fetches the pinned `wanted` (project, version, SHA-256) into `partial`; returns their paths by project."""
    paths = {project: partial / f"{digest}.whl" for project, _, digest in wanted}
    missing = [pin for pin in wanted if not paths[pin[0]].is_file()]
    if missing:
        pip = Pip(partial)
        say("asking the package index where the wheels are")
        for (project, version, digest), url in zip(missing, pip.addresses(missing)):
            fetch(f"{project} {version}", url, digest, paths[project], pip.opener())
    return paths


def fetch(label, url, digest, target, opener):
    """Fetches `url` to `target`, resuming from `target.part` if an earlier run left it."""
    part = target.with_suffix(".part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            download(label, url, part, opener)
            break
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the partial file does not match the one on the server
                part.unlink()
            elif error.code < 500 and error.code != 429:
                raise Failure(f"{label}: the package index answered {error.code} {error.reason}") from error
            cut = error
        except (urllib.error.URLError, ConnectionError, TimeoutError, EOFError) as error:
            cut = error
        if attempt == ATTEMPTS:
            raise Failure(f"{label}: {cut}; run this again to go on from {size(part) / 1e6:.0f} MB")
        say(f"{label}: {cut}; going on from {size(part) / 1e6:.0f} MB")
        time.sleep(min(2 ** attempt, 20))
    found = sha256(part)
    if found != digest:
        part.unlink()
        raise Failure(f"{label}: refused, its SHA-256 is {found}, and {digest} is pinned")
    part.rename(target)


def download(label, url, part, opener):
    have = size(part)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = opener.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        # The file was already complete: an earlier run ended between its last byte and its check.
        if error.code == 416 and error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return
        raise
    with response:
        resumed = have and getattr(response, "status", 200) == 206
        start = have if resumed else 0
        total = start + int(response.headers.get("Content-Length") or 0)
        with open(part, "ab" if resumed else "wb") as file, Progress(label, start, total) as progress:
            while chunk := response.read(1 << 18):
                file.write(chunk)
                progress.add(len(chunk))
        if total > start and size(part) < total:
            raise EOFError("the connection was cut")


def size(path):
    return path.stat().st_size if path.exists() else 0


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class Progress:
    """A progress bar on a terminal, otherwise a line every five seconds."""

    def __init__(self, label, start, total):
        self.label, self.start, self.done, self.total = label, start, start, total
        self.began = time.monotonic()
        self.bar = sys.stderr.isatty()
        self.every = 0.2 if self.bar else 5.0
        self.shown = self.began

    def add(self, count):
        self.done += count
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            self.show()

    def show(self):
        rate = (self.done - self.start) / max(time.monotonic() - self.began, 1e-3) / 1e6
        text = f"{self.done / 1e6:.0f} of {self.total / 1e6:.0f} MB, {rate:.1f} MB/s"
        if self.bar:
            filled = round(30 * self.done / max(self.total, self.done, 1))
            print(f"\r\033[K{self.label} [{'#' * filled}{'.' * (30 - filled)}] {text}", end="", file=sys.stderr, flush=True)
        else:
            say(f"{self.label}: {text}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.show()
        if self.bar:
            say("")


# ---- pip: addresses and network settings ------------------------------------------------------------------------


class Pip:
    def __init__(self, scratch):
        self.scratch = scratch
        # These settings make sense for installing, but would make the query fail.
        self.environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.command = [sys.executable, "-m", "pip"]
        self.run("--version", why="pip is needed (on Debian and Ubuntu: apt-get install python3-pip)")
        self.command = [sys.executable, f"{self.known_pip()}/pip"]
        shown = self.run("config", "list", why="pip does not show its configuration")
        self.settings = dict(re.findall(r"^[^=\n]*\.([a-z-]+)=(.*)$", shown, re.MULTILINE))

    def run(self, *arguments, why):
        done = subprocess.run([*self.command, *arguments], env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise Failure(f"{why}: {lines[-1]}" if lines else why)
        return done.stdout

    def known_pip(self):
        version, digest = PIP
        path = self.scratch / f"pip-{version}-py3-none-any.whl"
        if not path.is_file():
            folder = self.scratch / "unchecked"
            self.run("download", "--quiet", "--no-deps", f"--dest={folder}", f"pip=={version}", why="the package index did not answer")
            if sha256(folder / path.name) != digest:
                raise Failure(f"pip {version}: refused, its SHA-256 is not the pinned one")
            (folder / path.name).rename(path)
        return path

    def addresses(self, pins):
        """The address of each pin's wheel. `===` excludes local builds of other indexes (2.13.0+cpu)."""
        report = self.run(
            "install", "--dry-run", "--ignore-installed", "--no-deps", *TAGS, f"--target={self.scratch / 'none'}",
            "--quiet", "--report=-", *(f"{project}==={version}" for project, version, _ in pins),
            why="the package index did not answer, or lacks a pinned wheel",
        )
        urls = {entry["metadata"]["name"].lower().replace("_", "-"): entry["download_info"]["url"] for entry in json.loads(report)["install"]}
        return [urls[project] for project, _, _ in pins]

    def opener(self):
        """Opens URLs with pip's certificates and proxy."""
        bundle = self.setting("cert") or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
        context = ssl.create_default_context(cafile=bundle)
        if not bundle:
            try:  # also pip's bundled certificates, for a Python without any
                from pip._vendor import certifi

                context.load_verify_locations(cafile=certifi.where())
            except ImportError:
                pass
        handlers = [urllib.request.HTTPSHandler(context=context)]
        proxy = self.setting("proxy")
        if proxy:
            handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
        return urllib.request.build_opener(*handlers)

    def setting(self, name):
        quoted = shlex.split(self.settings.get(name, ""))
        return quoted[0] if quoted else None
