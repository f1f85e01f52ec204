# SPDX-License-Identifier: Apache-2.0
"""What a test must not leave behind: processes, mounts, links, namespaces, nft tables, cgroups."""
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
EXPECTED = set()        # pids of what a fixture keeps running for the whole session


def adopt():
    """Orphans of the tests become children of this process: whoever outlives its test is then seen."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    """Pids of living children of this process, adopted ones too; dead orphans are reaped."""
    found = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found |= {int(p) for p in pathlib.Path(f"/proc/self/task/{task}/children").read_text().split()}
        except FileNotFoundError:
            continue
    for pid in list(found):
        try:
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG) is not None:
                found.discard(pid)
        except ChildProcessError:
            found.discard(pid)
    return found - EXPECTED


def kill_children():
    for pid in children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def describe(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"process {pid}: {words.strip() or pathlib.Path(f'/proc/{pid}/comm').read_text().strip()}"
    except OSError:
        return f"process {pid}"


def mounts(scratch):
    found = set()
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split()[4]
        if point.startswith((str(scratch) + "/", "/run/tare", "/var/lib/tare")):
            found.add("mount " + point)
    return found


def links():
    return {"link " + n for n in os.listdir("/sys/class/net") if n.startswith("tare")}


def netns():
    d = pathlib.Path("/run/netns")
    return {"netns " + n for n in os.listdir(d) if n.startswith("tare")} if d.is_dir() else set()


def tables():
    if os.geteuid() != 0:
        return set()
    try:
        r = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        return set()
    return {"nft " + l for l in r.stdout.splitlines() if " tare" in l}


def cgroups():
    found, top = set(), pathlib.Path("/sys/fs/cgroup")
    for pattern in ("tare*", "*/tare*", "*/*/tare*"):
        found |= {f"cgroup {p}" for p in top.glob(pattern) if p.is_dir()}
    return found


def others(scratch):
    """Is some other tare, not of this session, at work on this machine? Then what is global may be its own."""
    me = os.getpid()
    for d in os.listdir("/proc"):
        if not d.isdigit() or int(d) == me:
            continue
        try:
            exe = os.readlink(f"/proc/{d}/exe")
            env = pathlib.Path(f"/proc/{d}/environ").read_bytes()
        except OSError:
            continue
        if (exe.endswith("/tare") or b"PYTEST_CURRENT_TEST=" in env) and str(scratch).encode() not in env:
            return True
    return False


class Watch:
    def __init__(self, scratch):
        self.scratch = scratch
        self.known = self.all()

    def shared(self):
        return links() | netns() | tables() | cgroups()

    def all(self):
        return mounts(self.scratch) | self.shared()

    def left(self):
        found = {describe(p) for p in children()} | mounts(self.scratch)
        new = self.shared() - self.known
        if new and not others(self.scratch):
            found |= new
        return found - self.known

    def check(self, patience=5.0):
        """What is still there after a moment's patience (kernel teardown is not synchronous)."""
        until = time.monotonic() + patience
        while True:
            left = self.left()
            if not left or time.monotonic() > until:
                return sorted(left)
            time.sleep(0.05)
