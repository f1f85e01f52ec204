# SPDX-License-Identifier: Apache-2.0
"""
Fixtures of the end-to-end tests.

    tare         the program on a fresh store of its own: tare("images"), tare.build(...), tare.fails(...)
    store        that store's directory (not made until the first command)
    busybox      as `tare`'s image: the name of a small image imported into its store
    user         an ordinary user with subordinate ids; user_single: one without
    as_user      as_user(user): a Tare on a store of that user's
    tmp          a scratch directory of the test, on a memory file system where there is one
    small_disk   small_disk(megabytes): a file system that gets full
    ext4         the session's directory on a journaled ext4, where layers can be in tar form
    tared        a Tare on a fresh store there, in tar form

Helpers (link, hardlink, free_port, wait_for, alive, run ...) are in harness.py, the reader of saved
images in image.py. Environment: TARE (the program), TARE_TEST_DIR (scratch), TARE_TEST_SLOW (factor).
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import harness
import leaks

ROOT = os.geteuid() == 0


def pytest_configure(config):
    for line in ("root: needs root", "network: needs the package registries"):
        config.addinivalue_line("markers", line)
    leaks.adopt()


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("root") and not ROOT:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def scratch():
    """The session's directory: everything that the tests write is below it."""
    top = os.environ.get("TARE_TEST_DIR") or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp")
    d = tempfile.mkdtemp(prefix="tare-test-", dir=top)
    os.chmod(d, 0o711)
    yield pathlib.Path(d)
    remove(d)


def remove(d):
    """Also what a user's stores hold: files of subordinate ids, directories without permission bits."""
    if not ROOT:
        subprocess.run(["chmod", "-R", "u+rwX", d], capture_output=True)
    shutil.rmtree(d, ignore_errors=True)


@pytest.fixture(scope="session")
def binary(scratch):
    """The program, in a place that an ordinary user may reach."""
    b = scratch / "bin" / "tare"
    b.parent.mkdir(mode=0o755)
    shutil.copy(harness.find_binary(), b)
    b.chmod(0o755)
    return b


@pytest.fixture(scope="session")
def watch(scratch):
    return leaks.Watch(scratch)


@pytest.fixture(scope="module", autouse=True)
def nothing_left(watch):
    """After each file of tests: no process, mount, link, namespace, nft table or cgroup is left."""
    yield
    left = watch.check()
    leaks.kill_children()                # so that the next file's tests are not blamed for them
    assert not left, "left behind:\n  " + "\n  ".join(left)


@pytest.fixture
def tmp(scratch):
    d = pathlib.Path(tempfile.mkdtemp(prefix="t", dir=scratch))
    d.chmod(0o755)
    yield d
    remove(d)


@pytest.fixture
def store(tmp):
    return tmp / "store"


@pytest.fixture
def tare(binary, store, tmp):
    return harness.Tare(binary, store, scratch=tmp)


@pytest.fixture(scope="session")
def busybox_tar(scratch):
    """Root file system of the distribution's static busybox; the same bytes every time."""
    path = scratch / "busybox.tar"
    harness.run([harness.BASES / "busybox", path], check=True)
    path.chmod(0o644)
    return path


@pytest.fixture
def busybox(tare, busybox_tar):
    tare("import", busybox_tar, "busybox")
    return "busybox"


def user_add(scratch, name, ranges):
    if not ROOT:
        pytest.skip("needs root to make a user")
    home = scratch / name
    home.mkdir(mode=0o700)
    harness.run(["useradd", "-M", "-d", home, "-s", "/bin/sh", name], check=True)
    uid, gid = (int(harness.run(["id", f, name], check=True).out) for f in ("-u", "-g"))
    for sub, change in (("/etc/subuid", "subuids"), ("/etc/subgid", "subgids")):
        given = [l for l in pathlib.Path(sub).read_text().splitlines() if l.split(":")[0] == name]
        for _, first, count in (l.split(":") for l in given if not ranges):
            harness.run(["usermod", f"--del-{change}", f"{first}-{int(first) + int(count) - 1}", name], check=True)
        if ranges and not given:
            harness.run(["usermod", f"--add-{change}", "700000-765535", name], check=True)
    for d in ("run", "data"):
        (home / d).mkdir(mode=0o700)
    for d in (home, home / "run", home / "data"):
        os.chown(d, uid, gid)
    return harness.User(name, uid, gid, str(home), ranges)


@pytest.fixture(scope="session")
def user(scratch):
    """An ordinary user with 65,536 subordinate ids."""
    yield user_add(scratch, f"tare-r{os.getpid()}", True)      # sessions may run side by side
    subprocess.run(["userdel", f"tare-r{os.getpid()}"], capture_output=True)


@pytest.fixture(scope="session")
def user_single(scratch):
    """An ordinary user without subordinate ids."""
    yield user_add(scratch, f"tare-s{os.getpid()}", False)
    subprocess.run(["userdel", f"tare-s{os.getpid()}"], capture_output=True)


@pytest.fixture
def as_user(binary, tmp):
    """as_user(user): a Tare that runs as this user, with a store and contexts of the user's own."""
    def make(user):
        d = tmp / f"of-{user.name}"
        d.mkdir(mode=0o755, exist_ok=True)
        os.chown(d, user.uid, user.gid)
        return harness.Tare(binary, d / "store", user=user, scratch=d)
    return make


@pytest.fixture
def small_disk(tmp):
    """small_disk(megabytes): the path of a new, small file system."""
    with contextlib.ExitStack() as undo:
        def make(megabytes, options=""):
            if not ROOT:
                pytest.skip("needs root to mount")
            d = pathlib.Path(tempfile.mkdtemp(prefix="disk", dir=tmp))
            harness.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755{options}", "tare-test", d],
                        check=True)
            undo.callback(subprocess.run, ["umount", "-l", d], capture_output=True)
            return d
        yield make


def ext4_mount(top, megabytes):
    """A journaled ext4 in a file, mounted at top/disk."""
    if not ROOT:
        pytest.skip("needs root to mount")
    image, disk = top / "disk.img", top / "disk"
    disk.mkdir()
    with open(image, "wb") as f:
        f.truncate(megabytes << 20)
    harness.run(["mkfs.ext4", "-q", "-F", "-O", "has_journal", "-E", "lazy_itable_init=1,nodiscard", image], check=True)
    r = harness.run(["mount", "-o", "loop", image, disk])
    if r.code:
        pytest.skip(f"no loop device here: {r.err.strip()}")
    return disk


@pytest.fixture(scope="session")
def ext4(scratch, watch):
    top = pathlib.Path(tempfile.mkdtemp(prefix="ext4", dir=scratch))
    disk = ext4_mount(top, 2048)
    watch.known.add(f"mount {disk}")
    yield disk
    subprocess.run(["umount", "-l", disk], capture_output=True)


@pytest.fixture
def tared(binary, ext4):
    d = pathlib.Path(tempfile.mkdtemp(prefix="t", dir=ext4))
    t = harness.Tare(binary, d / "store", scratch=d)
    t.env_extra["TARE_LAYER_FORM"] = "tar"
    yield t
    remove(d)
