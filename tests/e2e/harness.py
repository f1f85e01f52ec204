# SPDX-License-Identifier: Apache-2.0
"""Drives the built binary as a user would: processes with time limits, terminals, stores, contexts."""
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

import image as image_files

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BASES = TOP / "tests" / "bases"
ROOT = os.geteuid() == 0
LIMIT = 120          # seconds that any one command may take, unless a test says otherwise


def slow():
    """Sanitizers and valgrind make everything slower: time limits are multiplied by this."""
    return float(os.environ.get("TARE_TEST_SLOW", "1"))


@dataclasses.dataclass
class Result:
    """What a command left behind. err holds standard error, out standard output (both text)."""
    argv: list
    code: int
    out: str
    err: str
    raw: bytes = b""             # standard output, undecoded
    image: str | None = None     # "sha256:...", after build()

    def __str__(self):
        return (f"$ {' '.join(map(str, self.argv))}\nexit {self.code}\n"
                f"--- stdout\n{self.out[-6000:]}\n--- stderr\n{self.err[-6000:]}")

    @property
    def both(self):
        return self.out + self.err

    def json(self):
        return json.loads(self.out)

    def steps(self):
        """The event lines of --progress json on either stream."""
        return [json.loads(l) for l in self.both.splitlines() if l.startswith("{")]


class Failed(AssertionError):
    pass


def kill_group(p):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(p.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        p.kill()


def run(argv, *, input=None, timeout=LIMIT, env=None, cwd=None, user=None, check=False, **kw):
    """Run argv in a process group of its own; past the time limit the whole group is killed."""
    argv = [os.fspath(a) for a in argv]
    if isinstance(input, str):
        input = input.encode()
    if user is not None:
        kw.update(user.popen())
    p = subprocess.Popen(argv, stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd,
                         start_new_session=True, **kw)
    try:
        out, err = p.communicate(input, timeout * slow())
    except subprocess.TimeoutExpired:
        kill_group(p)
        out, err = p.communicate()
        raise Failed(f"no end after {timeout * slow():.0f} s:\n" +
                     str(Result(argv, -1, out.decode(errors="replace"), err.decode(errors="replace")))) from None
    except BaseException:
        kill_group(p)
        p.wait()
        raise
    r = Result(argv, p.returncode, out.decode(errors="replace"), err.decode(errors="replace"), out)
    if check and r.code != 0:
        raise Failed(str(r))
    return r


class Terminal:
    """A command under a pseudo-terminal: send() keys, expect() text, then wait()."""

    def __init__(self, argv, *, env=None, cwd=None, user=None, rows=24, cols=80):
        self.argv = [os.fspath(a) for a in argv]
        self.fd, tty = pty.openpty()
        fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        kw = user.popen() if user is not None else {}
        if user is not None:
            os.fchown(tty, user.uid, user.gid)
        self.p = subprocess.Popen(self.argv, stdin=tty, stdout=tty, stderr=tty, env=env, cwd=cwd,
                                  start_new_session=True,
                                  preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **kw)
        os.close(tty)
        self.output = b""            # all that was printed
        self.seen = 0                # expect() looks from here on

    def send(self, keys):
        keys = keys.encode() if isinstance(keys, str) else keys
        while keys:
            keys = keys[os.write(self.fd, keys):]

    def resize(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def _read(self, until):
        ready, _, _ = select.select([self.fd], [], [], max(0, until - time.monotonic()))
        if not ready:
            raise Failed(f"the terminal shows nothing more:\n{self}")
        try:
            data = os.read(self.fd, 65536)
        except OSError:              # EIO: the last process has closed its side
            data = b""
        self.output += data
        return data

    def expect(self, pattern, timeout=20):
        """Read until the regular expression occurs after what was last matched; returns the match."""
        pattern = pattern.encode() if isinstance(pattern, str) else pattern
        until = time.monotonic() + timeout * slow()
        while True:
            m = re.compile(pattern, re.S).search(self.output, self.seen)
            if m:
                self.seen = m.end()
                return m
            if not self._read(until):
                raise Failed(f"ended without {pattern!r}:\n{self}")

    def wait(self, timeout=20):
        """Read to the end; returns the exit code (negative: signal)."""
        until = time.monotonic() + timeout * slow()
        while self._read(until):
            pass
        return self.p.wait(max(0.1, until - time.monotonic()))

    def close(self):
        if self.p.poll() is None:
            kill_group(self.p)
            self.p.wait()
        with contextlib.suppress(OSError):
            os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()

    def __str__(self):
        return f"$ {' '.join(self.argv)}\n{self.output.decode(errors='replace')}"


class Background:
    """A command that runs while the test goes on. stop() sends a signal; its output is in files."""

    def __init__(self, argv, *, env=None, cwd=None, user=None, stdin=subprocess.DEVNULL):
        self.argv = [os.fspath(a) for a in argv]
        self.files = [tempfile.TemporaryFile() for _ in range(2)]
        kw = user.popen() if user is not None else {}
        self.p = subprocess.Popen(self.argv, stdin=stdin, stdout=self.files[0], stderr=self.files[1],
                                  env=env, cwd=cwd, start_new_session=True, **kw)
        self.pid = self.p.pid

    def _text(self, f):
        return os.pread(f.fileno(), os.fstat(f.fileno()).st_size, 0).decode(errors="replace")

    @property
    def out(self):
        return self._text(self.files[0])

    @property
    def err(self):
        return self._text(self.files[1])

    def expect(self, text, timeout=30):
        """Wait until the text (a plain string) is in its output."""
        wait_for(lambda: text in self.out + self.err or self.p.poll() is not None, timeout,
                 f"{text!r} in the output of {self.argv}")
        if text not in self.out + self.err:
            raise Failed(f"ended without {text!r}:\n{self.result()}")

    def kill(self, sig):
        os.kill(self.pid, sig)

    def result(self):
        return Result(self.argv, self.p.returncode, self.out, self.err)

    def wait(self, timeout=LIMIT):
        try:
            self.p.wait(timeout * slow())
        except subprocess.TimeoutExpired:
            kill_group(self.p)
            self.p.wait()
            raise Failed(f"no end after {timeout * slow():.0f} s:\n{self.result()}") from None
        return self.result()

    def stop(self, sig=signal.SIGTERM, timeout=30):
        if self.p.poll() is None:
            self.kill(sig)
        return self.wait(timeout)

    def close(self):
        if self.p.poll() is None:
            kill_group(self.p)
            self.p.wait()
        for f in self.files:
            f.close()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


def wait_for(condition, timeout=20, what="the condition"):
    """Poll until condition() is true; returns its value."""
    until = time.monotonic() + timeout * slow()
    while True:
        v = condition()
        if v:
            return v
        if time.monotonic() > until:
            raise Failed(f"waited {timeout * slow():.0f} s for {what}")
        time.sleep(0.02)


def alive(pid):
    """Is there such a process, other than as a zombie? (The session adopts orphans: use this, not kill 0.)"""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def free_port():
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclasses.dataclass(frozen=True)
class User:
    """An ordinary user made for the session. ranges: has subordinate ids in /etc/subuid and /etc/subgid."""
    name: str
    uid: int
    gid: int
    home: str
    ranges: bool

    def popen(self):
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def env(self):
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name,
                "XDG_RUNTIME_DIR": self.home + "/run", "XDG_DATA_HOME": self.home + "/data"}


def write_tree(top, files):
    """
    Make files below top. A value may be text or bytes (a file, 0644; executable if the text begins with
    "#!"), None (a directory), a tuple (value, mode), or a function that is called with the path.
    A symbolic link is link("target").
    """
    top = pathlib.Path(top)
    top.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = None
        if isinstance(value, tuple):
            value, mode = value
        if callable(value):
            value(path)
        elif value is None:
            path.mkdir(exist_ok=True)
        else:
            data = value.encode() if isinstance(value, str) else value
            path.write_bytes(data)
            path.chmod(0o755 if data.startswith(b"#!") else 0o644)
        if mode is not None:
            path.chmod(mode)
    return top


def link(target):
    return lambda path: os.symlink(target, path)


def hardlink(sibling):
    return lambda path: os.link(path.parent / sibling, path)


class Tare:
    """
    The program with one store. Call it with words: tare("build", ctx). It raises unless the command
    ends with `code` (0; None: any), and returns a Result.
    """

    def __init__(self, binary, root, *, user=None, scratch=None):
        self.binary, self.root, self.user = os.fspath(binary), str(root), user
        self.scratch = pathlib.Path(scratch or pathlib.Path(root).parent)
        self.env_extra = {}
        self._n = 0

    def env(self, extra=None):
        e = {k: v for k, v in os.environ.items()
             if not k.startswith(("TARE_", "XDG_", "BUILDKIT_", "SOURCE_DATE_EPOCH"))}
        if self.user is None and "TARE_LAYER_FORM" in os.environ:    # of the whole session
            e["TARE_LAYER_FORM"] = os.environ["TARE_LAYER_FORM"]
        e["TARE_ROOT"] = self.root
        e["LC_ALL"] = "C.UTF-8"
        e["CONTAINERS_REGISTRIES_CONF"] = HERE / "registries.conf"
        if self.user is not None:
            e.update(self.user.env())
        e.update(self.env_extra)
        e.update(extra or {})
        return {k: str(v) for k, v in e.items() if v is not None}

    def argv(self, args):
        return [self.binary, *map(os.fspath, args)]

    def __call__(self, *args, code=0, env=None, **kw):
        kw.setdefault("cwd", self.scratch)
        r = run(self.argv(args), env=self.env(env), user=self.user, **kw)
        if code is not None and r.code != code:
            raise Failed(f"expected exit {code}\n{r}")
        return r

    def fails(self, *args, code=1, says=None, **kw):
        """The command must fail with this code, with a cause on standard error that holds `says`."""
        r = self(*args, code=code, **kw)
        for text in [says] if isinstance(says, str) else says or []:
            if text not in r.err:
                raise Failed(f"expected {text!r} in its errors\n{r}")
        if not r.err.strip():
            raise Failed(f"failed without a word\n{r}")
        return r

    def terminal(self, *args, env=None, **kw):
        e = self.env({"TERM": "xterm-256color", **(env or {})})
        return Terminal(self.argv(args), env=e, cwd=self.scratch, user=self.user, **kw)

    def start(self, *args, env=None, **kw):
        """In the background; use it in a with statement."""
        return Background(self.argv(args), env=self.env(env), cwd=self.scratch, user=self.user, **kw)

    def context(self, files):
        """A new directory with these files (see write_tree()), owned by whoever runs the program."""
        self._n += 1
        top = self.scratch / f"ctx{self._n}"
        write_tree(top, files)
        if self.user is not None:
            run(["chown", "-hR", f"{self.user.uid}:{self.user.gid}", top], check=True)
        return top

    def build(self, ctx, *args, code=0, **kw):
        """Build a context: a directory, a dict of files, or the text of a Dockerfile alone. Sets .image."""
        if isinstance(ctx, str) and "\n" in ctx:
            ctx = {"Dockerfile": ctx}
        if isinstance(ctx, dict):
            ctx = self.context(ctx)
        self._n += 1
        iid = self.scratch / f"iid{self._n}"
        progress = [] if any(str(a).startswith(("--progress", "-q")) for a in args) else ["--progress", "plain"]
        r = self("build", *progress, "--iidfile", iid, *args, ctx, code=code, **kw)
        if iid.exists():
            r.image = iid.read_text().strip()
        return r

    def inspect(self, name, *args):
        return self("inspect", *args, name).json()[0]

    def config(self, name):
        """The image's config: the part that Docker calls Config."""
        return self.inspect(name)["Config"]

    def layers(self, name):
        """Its diff IDs, base first."""
        return self.inspect(name)["RootFS"]["Layers"] or []

    def saved(self, name):
        """The image read back from `tare save` by code that shares nothing with tare: see image.Image."""
        self._n += 1
        path = self.scratch / f"save{self._n}.tar"
        self("save", "-o", path, name, timeout=300)
        try:
            return image_files.Image(path)
        finally:
            path.unlink()

    def files(self, name):
        """The image's final tree: {"path/without/slash": image.Entry}."""
        return self.saved(name).tree()

    def run(self, *args, **kw):
        """run --rm --network none ARGS: the cheapest container."""
        return self("run", "--rm", "--network", "none", *args, **kw)


def find_binary():
    b = os.environ.get("TARE") or TOP / "build" / "tare"
    if not os.access(b, os.X_OK):
        sys.exit(f"no program at {b}: run make first")
    return pathlib.Path(b).resolve()
