# SPDX-License-Identifier: Apache-2.0
"""Bad input: each mistake is one cause with its place and a remedy, exit code 1 (125 for run); nothing is lost."""
import os
import pathlib
import resource
import signal
import socket
import sqlite3

import pytest

import harness
from harness import alive, wait_for

BASE = "FROM scratch\n"


def images(tare):
    return tare("images", "-q").out.split()


@pytest.mark.parametrize("text, says", [
    ("COPY nope /\n", ["Dockerfile:2", '"/nope": not found']),
    ("COPY a b c /x/\n", ["Dockerfile:2", "not found"]),
    ("CPOY a /\n", ["Dockerfile:2:1", "unknown instruction", "CPOY", "did you mean COPY?"]),
    ("COPY --chwon=1 Dockerfile /\n", ["Dockerfile:2:6", "--chwon", "did you mean --chown?"]),
    ("COPY --from=nosuch /a /b\n", ["nosuch"]),
    ("COPY Dockerfile\n", ["Dockerfile:2"]),
    ('CMD ["a", 42]\n', ["Dockerfile:2"]),
    ("SHELL /bin/sh -c\n", ["Dockerfile:2"]),
    ("EXPOSE 99999\n", ["Dockerfile:2", "99999"]),
    ("STOPSIGNAL SIGNOPE\n", ["Dockerfile:2", "SIGNOPE"]),
    ("ENV A\n", ["Dockerfile:2"]),
    ("COPY --chmod=u+q Dockerfile /\n", ["Dockerfile:2", "u+q"]),
    ("HEALTHCHECK --interval=nine CMD true\n", ["Dockerfile:2", "nine"]),
    ("RUN --mount=type=nosuch,target=/x true\n", ["Dockerfile:2", "nosuch"]),
    ("COPY <<EOF /x\nno end\n", ["Dockerfile:2", "EOF"]),
    ("ENV A=${B:q}\n", ["Dockerfile:2"]),
    ("ONBUILD FROM x\n", ["Dockerfile:2", "ONBUILD"]),
    ("RUN true\n\0\0\n", ["Dockerfile:3"]),
])
def test_mistakes_in_a_dockerfile(tare, text, says):
    r = tare.build({"Dockerfile": BASE + text}, "-t", "bad", code=1)
    for s in says:
        assert s in r.err, r
    assert images(tare) == []


def test_all_mistakes_are_told_at_once(tare):
    r = tare.build({"Dockerfile": "FROM scratch\nCPOY a b\nRUM x\nENV\n"}, code=1)
    for place in ("Dockerfile:2:1", "Dockerfile:3:1", "Dockerfile:4"):
        assert place in r.err, r
    assert "CPOY a b" in r.err and "^~~~" in r.err


@pytest.mark.parametrize("text", [
    "FROM scratch AS a\nCOPY --from=b /x /\nFROM scratch AS b\nCOPY --from=a /x /\n",
    "FROM scratch AS a\nCOPY --from=a /x /\n",
])
def test_stages_in_a_circle(tare, text):
    tare.fails("build", tare.context({"Dockerfile": text}), says=["Dockerfile:2"])


def test_unknown_stage(tare):
    ctx = tare.context({"Dockerfile": "FROM scratch AS build\n"})
    tare.fails("build", "--target", "biuld", ctx, says=["biuld", "build"])


def test_no_dockerfile_and_no_context(tare, tmp):
    empty = tmp / "empty"
    empty.mkdir()
    tare.fails("build", empty, says=["Dockerfile", str(empty)])
    tare.fails("build", tmp / "nowhere", says=[str(tmp / "nowhere")])
    (tmp / "file").write_text("x")
    tare.fails("build", tmp / "file", says=[str(tmp / "file")])


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_empty_dockerfile(tare, text):
    r = tare.build({"Dockerfile": text}, code=1)
    assert "Dockerfile" in r.err


def limited(megabytes):
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)}


@pytest.mark.parametrize("line", ["RUN true\n", "#" * 79 + "\n", "x", "RUN a \\\n"])
def test_dockerfile_of_100_megabytes(tare, line):
    """Refused for its size, without reading all of it into memory first."""
    def fill(path):
        with open(path, "w") as f:
            f.write("FROM scratch\n")
            block = line * (1 << 20)
            while f.tell() < 100_000_000:
                f.write(block)
    ctx = tare.context({"Dockerfile": fill})
    sanitized = "asan" in os.environ.get("TARE", "") or "tsan" in os.environ.get("TARE", "")
    r = tare.fails("build", ctx, says=["Dockerfile"], timeout=60, **({} if sanitized else limited(512)))
    assert len(r.err) < 100_000


def test_binary_dockerfile(tare):
    tare.fails("build", tare.context({"Dockerfile": bytes(range(256)) * 100}), says="Dockerfile:1")


def test_dockerfile_that_is_no_file(tare):
    ctx = tare.context({"Dockerfile": os.mkfifo})
    tare.fails("build", ctx, says="Dockerfile", timeout=20)
    ctx = tare.context({"Dockerfile": None})
    tare.fails("build", ctx, says="Dockerfile")


def bind_socket(path):
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(path.parent)
        try:
            s.bind(path.name)
        finally:
            os.chdir(here)


@pytest.mark.parametrize("make, kind", [(os.mkfifo, "fifo"), (bind_socket, "socket")])
def test_fifo_and_socket_in_the_context(tare, make, kind):
    """Never opened: a fifo is copied as a fifo or refused by name, a socket likewise or left empty."""
    ctx = tare.context({"Dockerfile": "FROM scratch\nCOPY . /\n", "d/odd": make, "d/plain": "x"})
    r = tare.build(ctx, code=None, timeout=20)
    if r.code == 0:
        odd = tare.files(r.image)["d/odd"]
        assert odd.type == kind or (odd.type, odd.data) == ("file", b"")
    else:
        assert r.code == 1 and "d/odd" in r.err and images(tare) == []


def test_unreadable_file_in_the_context(as_user, user):
    tare = as_user(user)
    ctx = tare.context({"Dockerfile": "FROM scratch\nCOPY . /\n", "d/secret": ("x", 0)})
    os.chown(ctx / "d/secret", 0, 0)
    os.chown(ctx / "d/secret", 0, 0)    # one's own could be read: its owner may always change the mode
    r = tare.fails("build", ctx, says=["d/secret", "not allowed to read"])
    assert "Dockerfile:2" in r.err and images(tare) == []
    # A file that is not copied need not be readable.
    (ctx / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    tare("build", "-q", ctx)


@pytest.mark.root
@pytest.mark.parametrize("step", ["COPY big /", "RUN dd if=/dev/zero of=/big bs=1M count=64"])
def test_full_disk(binary, tmp, small_disk, busybox_tar, step):
    disk = small_disk(24)
    tare = harness.Tare(binary, disk / "store", scratch=tmp)
    tare("import", busybox_tar, "busybox")
    before = tare.build("FROM busybox\nRUN echo small >/small\n", "-t", "small").image
    ctx = tare.context({"Dockerfile": f"FROM busybox\nRUN true\n{step}\n",
                        "big": lambda p: p.write_bytes(os.urandom(40 << 20))})
    r = tare.build(ctx, "-t", "big", code=1, timeout=60)
    assert "No space left on device" in r.both or "no space" in r.both.lower(), r
    assert "Dockerfile:3" in r.both or f"{step.split()[0]}" in r.both
    # What was there is there, the failed image is not, and there is room again.
    assert "big" not in tare("images").out
    assert tare("run", "--rm", "--network", "none", "small", "cat", "/small").out == "small\n"
    tare("gc")
    assert tare.saved("small").check().id == before
    free = os.statvfs(disk)
    assert free.f_bavail * free.f_bsize > 12 << 20
    tare.build("FROM small\nRUN echo more >/more\n")


def test_store_of_a_newer_version(tare):
    tare.build("FROM scratch\nENV a=1\n", "-t", "x")
    path = pathlib.Path(tare.root) / "tare.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9999")
    db.close()
    before = path.read_bytes()
    tare.fails("images", says="newer")
    tare.fails("build", tare.context({"Dockerfile": BASE}), says="newer")
    tare.fails("run", "x", code=125, says="newer")
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [b"this is no database\n" * 500, b""])
def test_broken_database(tare, damage):
    tare.build({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"},
               "-t", "x")
    top = pathlib.Path(tare.root)
    for name in ("tare.db-wal", "tare.db-shm"):
        (top / name).unlink(missing_ok=True)
    (top / "tare.db").write_bytes(damage)
    layers = sorted(os.listdir(top / "layers"))
    r = tare.fails("images", says="tare.db")
    assert "hint" in r.err
    tare.fails("run", "x", code=125, says="tare.db")
    assert sorted(os.listdir(top / "layers")) == layers


def test_killed_in_the_middle(tare, busybox):
    """kill -9 leaves no process and nothing but garbage, which gc removes; the next build goes on from the cache."""
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN echo one >/one\nRUN echo started; exec sleep 7341\n"})
    with tare.start("build", "--progress", "plain", ctx) as b:
        inside = wait_for(_sleeps, 20, "the step's process")
        b.kill(signal.SIGKILL)
        b.wait()
    wait_for(lambda: not any(alive(p) for p in inside), 10, "the end of the step's processes")
    tare("gc")
    assert not [n for n in os.listdir(pathlib.Path(tare.root) / "work") if n not in ("locks", "pins")]
    (ctx / "Dockerfile").write_text("FROM busybox\nRUN echo one >/one\nRUN echo two >/two\n")
    r = tare.build(ctx)
    assert "CACHED" in r.both


def _sleeps():
    return [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_sleep(p)]


def _is_sleep(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x007341\0"
    except OSError:
        return False


def test_interrupted(tare, busybox):
    """Ctrl-C ends a build at once, with the shell's code for it, and nothing is left."""
    with tare.start("build", "--progress", "plain",
                    tare.context({"Dockerfile": "FROM busybox\nRUN echo started; exec sleep 7341\n"})) as b:
        wait_for(_sleeps, 20, "the step's process")
        b.kill(signal.SIGINT)
        assert b.wait(10).code == 130
    assert not _sleeps()
    assert not [n for n in os.listdir(pathlib.Path(tare.root) / "work") if n not in ("locks", "pins")]


def test_failed_step_is_told_last(tare, busybox):
    """The last thing printed is the step, its lines in the Dockerfile, the end of its log, and the cause."""
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); "
                                      "done; \\\n    exit 7\n"})
    r = tare.build(ctx, "-t", "x", code=1)
    tail = r.err[r.err.rindex("------\n", 0, r.err.rindex("line 99")):]
    assert "line 60\n" in tail and "line 99\n" in tail and "line 59\n" not in tail
    assert "exit" in r.err.splitlines()[-1] or "exit" in r.err.splitlines()[-2]
    assert "7" in r.err[-300:]
    assert "2 |" in r.err or "2 >" in r.err
    log = next(pathlib.Path(tare.root).rglob("*.log"))
    assert any("line 0\n" in p.read_text() and "line 99\n" in p.read_text()
               for p in pathlib.Path(tare.root).rglob("*.log")), log


def test_step_killed_by_a_signal(tare, busybox):
    r = tare.build("FROM busybox\nRUN sh -c 'kill -SEGV $$'; exit $?\n", code=1)
    assert "signal" in r.err or "SEGV" in r.err or "139" in r.err


def test_run_of_what_is_not_there(tare):
    tare.fails("run", "nosuch:image", "true", code=125, says="nosuch")


@pytest.mark.parametrize("bad", ["UPPER", "a//b", "a:", "", "a@sha256:12"])
def test_bad_names(tare, bad):
    ctx = tare.context({"Dockerfile": BASE})
    tare.fails("build", "-t", bad, ctx)
    assert images(tare) == []


def test_import_of_no_tar(tare, tmp):
    (tmp / "x.tar").write_bytes(os.urandom(100_000))
    tare.fails("import", tmp / "x.tar", "x", says="x.tar")
    assert images(tare) == []


def test_a_tar_cut_short(tare, busybox_tar, tmp):
    data = busybox_tar.read_bytes()
    (tmp / "cut.tar").write_bytes(data[:len(data) // 2])
    tare.fails("import", tmp / "cut.tar", "x", says="cut.tar")
    assert images(tare) == []
