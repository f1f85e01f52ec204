# SPDX-License-Identifier: Apache-2.0
"""Containers without namespaces of their own: the host's processes, another container's processes and IPC."""
import os
import pathlib
import signal

import pytest

import harness

pytestmark = pytest.mark.root


def alive(marker):
    """Processes of the host that sleep for that many seconds."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if p.read_bytes().rstrip(b"\0").split(b"\0")[-2:] == [b"sleep", marker.encode()]:
                found.append(int(p.parent.name))
        except OSError:
            pass
    return found


def gone(marker):
    harness.wait_for(lambda: not alive(marker), what=f"the end of sleep {marker}")


def marker(n):
    return f"{os.getpid()}{n}"          # unlike any other test's


def test_host_pid(box):
    ours = os.readlink("/proc/self/ns/pid")
    assert box("run", "--rm", "--pid", "host", "busybox", "readlink", "/proc/self/ns/pid").out.strip() == ours
    assert box("run", "--rm", "--pid", "host", "busybox", "sh", "-c",
               f"tr '\\0' ' ' </proc/{os.getpid()}/cmdline").out.strip()
    assert box("run", "--rm", "--pid", "private", "busybox", "readlink", "/proc/self/ns/pid").out.strip() != ours


@pytest.mark.parametrize("how", ["exit", "kill", "rm", "stop"])
def test_host_pid_ends_as_a_whole(box, how):
    """What it left in the background goes with it, though the kernel does not see to that."""
    left = marker(len(how))
    box.sh(f"setsid sleep {left} & (setsid sleep {left} &); echo up; " + ("exit 3" if how == "exit" else "sleep 300"),
           "--pid", "host", name="hh")
    if how == "exit":
        assert box("wait", "hh").out.strip() in ("3", "")
    else:
        box.wait_logs("hh", "up")
        harness.wait_for(lambda: len(alive(left)) == 2, what="both to run")
        assert len(box("top", "hh").out.splitlines()) == 4       # a heading, three sleeps
        box(*{"kill": ["kill", "hh"], "rm": ["rm", "-f", "hh"], "stop": ["stop", "-t", "1", "hh"]}[how])
    gone(left)


def test_host_pid_monitor_killed(box):
    left = marker(77)
    box.sh(f"setsid sleep {left} & echo up; sleep 300", "--pid", "host", name="hh")
    box.wait_logs("hh", "up")
    harness.wait_for(lambda: alive(left), what="it to run")
    os.kill(box.monitor("hh"), signal.SIGKILL)
    gone(left)
    box.wait_status("hh", "exited")


def test_host_pid_paused_and_limited(box):
    """Neither touches a process of the host."""
    box.sh("sleep 300 & echo up; sleep 300", "--pid", "host", name="hh")
    box.wait_logs("hh", "up")
    box("update", "-m", "64m", "hh")
    box("pause", "hh")
    box("unpause", "hh")
    assert box("exec", "hh", "echo", "still").out == "still\n"
    box("rm", "-f", "hh")


def test_host_pid_init(box):
    r = box("run", "--rm", "--pid", "host", "--init", "busybox", "sh", "-c", "(sleep 0.1 &); exit 4", code=4)
    assert r.out == ""


def test_other_pid(box):
    """ns-001: created, but not started while the other one does not run"""
    box("create", "--name", "xx", "--network", "none", "busybox", "sleep", "300")
    box("create", "--name", "yy", "--network", "none", "--pid", "container:xx", "busybox", "readlink", "/proc/self/ns/pid")
    r = box("start", "yy", code=1)
    assert "failed to join PID namespace" in r.err and "is not running" in r.err
    box("rename", "xx", "zz")
    box("start", "zz")
    inside = box("exec", "zz", "readlink", "/proc/self/ns/pid").out
    assert box("start", "-a", "yy").out == inside
    ps = box("run", "--rm", "--network", "none", "--pid", "container:zz", "busybox", "ps").out
    assert "sleep 300" in ps


def test_other_pid_ends(box):
    one, two = marker(5), marker(6)
    box.up("busybox", "sleep", one, name="xx")
    box.sh(f"setsid sleep {two} & sleep 300", "--pid", "container:xx", name="yy")
    harness.wait_for(lambda: alive(two), what="it to run")
    box("kill", "yy")
    gone(two)
    assert alive(one)
    box.sh(f"setsid sleep {two} & sleep 300", "--pid", "container:xx", name="ww")
    harness.wait_for(lambda: alive(two), what="it to run")
    box("rm", "-f", "xx")
    gone(two)
    box.wait_status("ww", "exited")


@pytest.mark.parametrize("option", ["--pid", "--ipc"])
def test_other_unknown(box, option):
    """ns-002"""
    assert "No such container: nosuch" in box.fails("create", f"{option}=container:nosuch", "busybox", "true", code=125).err
    r = box("run", "--rm", f"{option}=container:nosuch", "busybox", "true", code=125)
    assert "No such container: nosuch" in r.err and box.names() == []


@pytest.mark.parametrize("option,what", [("--ipc", "IPC"), ("--pid", "PID"), ("--uts", "UTS")])
def test_invalid_modes(box, option, what):
    """ns-003"""
    assert f"invalid {what} mode: invalid" in box.fails("create", option, "invalid", "busybox", "true", code=125).err


def test_other_ipc(box):
    box.sh("echo there >/dev/shm/file; echo up; sleep 300", "--ipc", "shareable", name="xx")
    box.wait_logs("xx", "up")
    inside = box("exec", "xx", "readlink", "/proc/self/ns/ipc").out
    share = ("run", "--rm", "--network", "none", "--ipc", "container:xx", "busybox")
    assert box(*share, "readlink", "/proc/self/ns/ipc").out == inside
    assert box(*share, "sh", "-c", "cat /dev/shm/file; echo back >/dev/shm/other").out == "there\n"
    assert box("exec", "xx", "cat", "/dev/shm/other").out == "back\n"


def test_other_ipc_private(box):
    box.up("busybox", "sleep", "300", name="xx")
    r = box("run", "--rm", "--network", "none", "--ipc", "container:xx", "busybox", "true", code=125)
    assert "failed to join IPC namespace" in r.err and "non-shareable IPC" in r.err
