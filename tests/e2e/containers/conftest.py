# SPDX-License-Identifier: Apache-2.0
"""Containers that live longer than a command: what the tests of this directory share."""
import contextlib
import os
import pathlib
import re
import subprocess

import pytest

import harness

NONE = ("--network", "none")


class Box:
    """tare with short words for containers without a network; all of them are removed at the end."""

    def __init__(self, tare):
        self.tare = tare

    def __call__(self, *a, **kw):
        return self.tare(*a, **kw)

    def fails(self, *a, **kw):
        return self.tare.fails(*a, **kw)

    def up(self, *words, name=None):
        """run -d: options, then what is to run in busybox; returns the ID."""
        options = [w for w in words if w is not None]
        at = options.index("busybox") if "busybox" in options else 0
        named = ["--name", name] if name else []
        out = self.tare("run", "-d", *NONE, *named, *options[:at], *(options[at:] or ["busybox"])).out
        assert re.fullmatch(r"[0-9a-f]{64}\n", out)
        return out.strip()

    def sh(self, script, *options, name=None):
        return self.up(*options, "busybox", "sh", "-c", script, name=name)

    def state(self, name):
        return self.tare.inspect(name)["State"]

    def status(self, name):
        return self.state(name)["Status"]

    def logs(self, name, *options):
        return self.tare("logs", *options, name).out

    def wait_logs(self, name, text):
        harness.wait_for(lambda: text in self.tare("logs", name).both, what=f"{text!r} in the log of {name}")

    def wait_status(self, name, status):
        harness.wait_for(lambda: self.status(name) == status, what=f"{name} {status}")

    def names(self, *options):
        return self.tare("ps", "-a", *options, "--format", "{{.Names}}").out.split()

    def monitor(self, name):
        """The pid of its monitor: its process 1 is that one's child."""
        pid = self.state(name)["Pid"]
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture
def box(tare, busybox):
    b = Box(tare)
    yield b
    left = tare("ps", "-aq", "--no-trunc", code=None).out.split()
    if left:
        tare("rm", "-f", "-v", *left, code=None)


def processes(mark):
    """Living processes that have the text in their command line."""
    found = []
    for d in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if d.isdigit() and mark.encode() in pathlib.Path(f"/proc/{d}/cmdline").read_bytes() and harness.alive(int(d)):
                found.append(int(d))
    return [p for p in found if p != os.getpid()]


@pytest.fixture
def piped():
    """piped(tare, words..., text): run with the text on standard input."""
    def run(tare, *words, text):
        return subprocess.run(tare.argv(words), env=tare.env(), input=text.encode(), capture_output=True, timeout=120)
    return run
