"""Tests the guarantees of scripts/libtorch, with small wheels from a local server instead of the package index.

    python3 scripts/test_libtorch.py
"""

import hashlib
import http.server
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zipfile
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
LIBRARY = os.urandom(3_000_000)

# scripts/libtorch with a fake pip: the wheel of project P is at SERVER/P.
PROGRAM = """
import runpy, sys, urllib.request
sys.path.insert(0, {scripts!r})
sys.dont_write_bytecode = True
import wheels
class Pip:
    def __init__(self, scratch): pass
    def addresses(self, pins): return [{server!r} + "/" + project for project, _, _ in pins]
    def opener(self): return urllib.request.build_opener()
wheels.Pip = Pip
sys.argv = ["libtorch"]
runpy.run_path({scripts!r} + "/libtorch", run_name="__main__")
"""


def wheel(files):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


VERSION_H = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 13\n#define TORCH_VERSION_PATCH 0\n"
WHEELS = {
    "torch": wheel({
        "torch/include/torch/headeronly/version.h": VERSION_H,
        "torch/lib/libc10.so": b"c10", "torch/lib/libtorch_cpu.so": LIBRARY, "torch/lib/libgomp.so.1": b"gomp",
        "torch/lib/libtorch_cuda.so": b"not for us", "torch-2.13.0.dist-info/licenses/LICENSE": b"terms",
    }),
    "nvidia-cuda-runtime": wheel({"nvidia/cu13/lib/libcudart.so.13": b"cudart"}),
    "nvidia-cuda-cupti": wheel({"nvidia/cu13/lib/libcupti.so.13": b"cupti"}),
}


class Server(http.server.ThreadingHTTPServer):
    """Serves WHEELS, with ranges; cuts a response off after `limit` bytes until the limit is lifted."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.limit, self.asked, self.stalled, self.tampered = None, [], threading.Event(), False
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        project, wanted = self.path[1:], self.headers.get("Range")
        start = int(wanted[len("bytes="):-1]) if wanted else 0
        self.server.asked.append((project, start))
        content = WHEELS[project]
        if self.server.tampered:
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.limit])
        if self.server.limit is not None:
            self.server.stalled.set()
            self.rfile.read(1)  # until the client has disconnected


class Libtorch(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="libtorch-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "scripts").mkdir()
        for name in ("libtorch", "wheels.py"):
            shutil.copy(SCRIPTS / name, self.folder / "scripts")
        pins = [f"both {project} 1 {hashlib.sha256(content).hexdigest()}" for project, content in WHEELS.items()]
        (self.folder / "scripts/libtorch.pins").write_text("\n".join(pins))
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.home = self.folder / "gatecast/libtorch/2.13.0-cpu"

    def start(self, **environment):
        kept = {name: value for name, value in os.environ.items() if name != "LIBTORCH" and "proxy" not in name.lower()}
        program = PROGRAM.format(scripts=str(self.folder / "scripts"), server=self.server.address)
        return subprocess.Popen(
            [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True,
            env={**kept, "XDG_CACHE_HOME": str(self.folder), **environment},
        )

    def finish(self, run):
        said = run.communicate(timeout=60)[1]
        return run.returncode, said

    def assert_whole(self):
        found = {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}
        libraries = {"libc10.so", "libtorch_cpu.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13", "libtorch.so"}
        expected = {f"lib/{name}" for name in libraries}
        expected |= {"include/torch/headeronly/version.h", "licenses/torch/LICENSE", "build-version"}
        self.assertEqual(found, expected)
        self.assertEqual((self.home / "lib/libtorch_cpu.so").read_bytes(), LIBRARY)
        self.assertEqual((self.folder / ".libtorch").resolve(), self.home.resolve())
        self.assertEqual(sorted(path.name for path in self.home.parent.iterdir()), ["2.13.0-cpu", "lock"])

    def test_a_run_killed_while_downloading_is_resumed(self):
        self.server.limit = 1 << 20
        run = self.start()
        self.assertTrue(self.server.stalled.wait(30))
        part = self.wait_for(lambda: list(self.folder.glob("gatecast/libtorch/partial/*.part")))[0]
        self.wait_for(lambda: part.stat().st_size >= 1 << 19)
        run.kill()
        self.finish(run)
        self.assertFalse(self.home.exists())
        here, self.server.limit = part.stat().st_size, None
        code, said = self.finish(self.start())
        self.assertEqual(code, 0, said)
        self.assertIn(("torch", here), self.server.asked)
        self.assert_whole()

    def test_files_of_a_run_killed_while_unpacking_are_not_used(self):
        staging = self.home.parent / ".2.13.0-cpu.unpacking"
        run = self.start()
        self.wait_for(lambda: staging.exists() or self.home.exists())
        run.kill()
        self.finish(run)
        if not self.home.exists():  # killed in time; in either case no incomplete folder may exist under the name
            (staging / "lib").mkdir(parents=True, exist_ok=True)
            (staging / "lib/stale.so").write_bytes(b"half")
        code, said = self.finish(self.start())
        self.assertEqual(code, 0, said)
        # If killed just after the rename, the first run leaves its wheels, which wastes space but is not an error.
        shutil.rmtree(self.home.parent / "partial", ignore_errors=True)
        self.assert_whole()

    def test_concurrent_runs_do_the_work_once(self):
        runs = [self.start(), self.start()]
        for code, said in map(self.finish, runs):
            self.assertEqual(code, 0, said)
        self.assertEqual(sorted(self.server.asked), [(project, 0) for project in sorted(WHEELS)])
        self.assert_whole()

    def test_a_wheel_with_another_hash_is_refused_and_deleted(self):
        self.server.tampered = True
        code, said = self.finish(self.start())
        self.assertEqual(code, 1)
        self.assertIn("refused, its SHA-256 is", said)
        self.assertFalse(self.home.exists())
        self.server.tampered = False
        self.assertEqual(self.finish(self.start())[0], 0)
        self.assert_whole()

    def test_a_libtorch_given_by_the_user_is_checked(self):
        own = self.folder / "own"
        code, said = self.finish(self.start(LIBTORCH=str(own)))
        self.assertEqual((code, "has no lib/" in said), (1, True), said)
        header = own / "include/torch/headeronly/version.h"
        header.parent.mkdir(parents=True)
        (own / "lib").mkdir()
        (own / "lib/libtorch_cpu.so").write_bytes(b"")
        header.write_text(VERSION_H.replace("13", "9"))
        code, said = self.finish(self.start(LIBTORCH=str(own)))
        self.assertEqual((code, "is version 2.9.0; Gatecast needs 2.13.0" in said), (1, True), said)
        header.write_text(VERSION_H)
        self.assertEqual(self.finish(self.start(LIBTORCH=str(own)))[0], 0)
        self.assertEqual(self.server.asked, [])

    def wait_for(self, seen):
        """The result of `seen`, once it is true."""
        end = time.monotonic() + 30
        while not (value := seen()):
            self.assertLess(time.monotonic(), end, "waited in vain")
            time.sleep(0.005)
        return value


if __name__ == "__main__":
    unittest.main()
