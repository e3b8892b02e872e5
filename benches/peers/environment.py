"""What the comparisons with other libraries share: their Python environments, and what the machine is."""

import os
import platform
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gatecast" / "peers"


def say(line):
    print(line, file=sys.stderr, flush=True)


def environment(name):
    """The Python of the environment of `NAME.txt`, created if it does not exist."""
    pins = PEERS / f"{name}.txt"
    place = CACHE / name
    mark = place / "pins.txt"
    if not mark.is_file() or mark.read_text() != pins.read_text():
        say(f"making {place}: downloads once, for PyTorch a few GB")
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip = [place / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
        wheels = pins
        if sys.version_info[:2] != (3, 11):
            say("the pinned hashes are of Python 3.11's wheels: installing the same versions without checking hashes")
            wheels = place / "versions.txt"
            wheels.write_text("\n".join(line.split(" --hash")[0] for line in pins.read_text().splitlines()))
        subprocess.run([*pip, "--no-deps", "--requirement", wheels], check=True)
        mark.write_text(pins.read_text())
    return place / "bin" / "python"


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line for line in lines if line.startswith("flags")), "")
    widest = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "neither AVX2 nor AVX-512")
    return f"{model}, {widest}"


def version(python, packages):
    code = f"import importlib.metadata as m; print(', '.join(f'{{p}} {{m.version(p)}}' for p in {packages}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
