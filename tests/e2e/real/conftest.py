# SPDX-License-Identifier: Apache-2.0
"""
Real Dockerfiles: contexts/ holds them as their authors would. All are built in one store, into which base
images are imported when a test asks for them; the bases are made of distribution packages meanwhile.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

import harness
import leaks

CONTEXTS = pathlib.Path(__file__).resolve().parent / "contexts"
ORACLE = bool(os.environ.get("TARE_TEST_ORACLE"))
BASES = {"debian:bookworm-slim": "debian", "python:3.11-slim": "python", "node:18-alpine": "node",
         "gcc:12": "gcc", "golang:1.19": "golang"}


def pytest_configure(config):
    config.addinivalue_line("markers", "beyond: more than the oracle's version can do")


def pytest_collection_modifyitems(items):
    for item in items:
        if ORACLE and item.get_closest_marker("beyond"):
            item.add_marker(pytest.mark.skip(reason="the oracle is too old for this"))


class Real(harness.Tare):
    def import_base(self, tar, changes, name):
        words = []
        for line in changes:
            words += ["-c", line]
        self("import", *words, tar, name, timeout=300)

    def tag(self, name, other):
        self("tag", name, other)

    def states(self, r):
        """{step name: "cached" or "done"} of a build with --progress json."""
        names, state = {}, {}
        for ev in r.steps():
            if ev["event"] == "start":
                names[ev["step"]] = ev["name"]
            elif ev["event"] == "done":
                state[ev.get("name") or names.get(ev["step"], str(ev["step"]))] = ev["state"]
        return state


@pytest.fixture(scope="session")
def base_maker():
    """Makes the bases in the background, in the order in which the tests want them."""
    p = subprocess.Popen(["sh", "-c", 'for b; do "$0" $b; done', harness.BASES / "get", *BASES.values()],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    leaks.EXPECTED.add(p.pid)
    yield
    with contextlib.suppress(ProcessLookupError):
        os.killpg(p.pid, signal.SIGTERM)        # mmdebstrap then takes its mounts and files away
    try:
        p.wait(30)
    except subprocess.TimeoutExpired:
        harness.kill_group(p)
        p.wait()
    leaks.EXPECTED.discard(p.pid)


@pytest.fixture(scope="session")
def world(scratch, binary, busybox_tar):
    """One store for all of these tests."""
    d = pathlib.Path(tempfile.mkdtemp(prefix="real", dir=scratch))
    d.chmod(0o755)
    daemon = None
    if ORACLE:
        import oracle
        daemon = oracle.Daemon(d)
        engine = oracle.Docker(daemon, d)
    else:
        engine = Real(binary, d / "store", scratch=d)
    engine.bases = set()
    engine.import_base(busybox_tar, [], "busybox")
    yield engine
    if daemon:
        daemon.close()


if ORACLE:
    @pytest.fixture(scope="module", autouse=True)
    def nothing_left():
        """The other engine's daemon leaves much while it runs."""


@pytest.fixture(autouse=True)
def wants_root():
    if not harness.ROOT:
        pytest.skip("needs root: the bases hold files of many owners")


@pytest.fixture
def need(world, base_maker):
    """need("gcc:12"): import that base, if it was not yet."""
    def get(*names):
        for name in names:
            if name not in world.bases:
                path = harness.run([harness.BASES / "get", BASES[name]], timeout=900, check=True).out.strip()
                changes = pathlib.Path(path + ".changes").read_text().splitlines()
                world.import_base(path, changes, name)
                world.bases.add(name)
    return get


@pytest.fixture
def context(tmp):
    """context("users"): a copy of contexts/users, as a checkout without a umask would have it."""
    def copy(name):
        d = tmp / name
        shutil.copytree(CONTEXTS / name, d, symlinks=True)
        for p in [d, *d.rglob("*")]:
            if not p.is_symlink():
                p.chmod(0o755 if p.is_dir() or p.stat().st_mode & 0o100 else 0o644)
            os.utime(p, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
        return d
    return copy
