# SPDX-License-Identifier: Apache-2.0
"""What monitors cost and leave: killed at random points, fifty at once, memory. TARE_KILL_ROUNDS=200 for a long run."""
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

import harness
import leaks
from harness import wait_for

NONE = ("--network", "none")
ROUNDS = int(os.environ.get("TARE_KILL_ROUNDS", "20"))


def processes(mark):
    found = []
    for d in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if d.isdigit() and mark.encode() in pathlib.Path(f"/proc/{d}/cmdline").read_bytes() and harness.alive(int(d)):
                found.append(int(d))
    return [p for p in found if p != os.getpid()]


def monitors():
    """Those of this session: they are children of this process, once whoever started them has left."""
    for pid in leaks.children():
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "tare-monitor":
                yield pid


def kill_monitors():
    for pid in monitors():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run_dirs(tare):
    top = pathlib.Path("/run/tare/containers")
    ids = {n for n in os.listdir(pathlib.Path(tare.root) / "containers")} if os.path.isdir(tare.root + "/containers") else set()
    return [n for n in os.listdir(top) if n in ids] if top.is_dir() else []


def test_killed_at_random(box):
    """kill -9 of the command, of the monitor or of both: records tell the truth, nothing is left."""
    rng = random.Random(20261125)
    kinds = [("run", "--rm"), ("run", "-d"), ("run", "--restart", "always"), ("run", "-d", "--rm")] + \
            ([("run", "-d", "-m", "64m")] if harness.ROOT else [])
    for n in range(ROUNDS):
        argv = box.tare.argv([*rng.choice(kinds), *NONE, "busybox", "sleep", "98790"])
        p = subprocess.Popen(argv, env=box.tare.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(rng.random() * 0.03)
        for who in rng.sample(["command", "monitor"], rng.choice([1, 2])):
            if who == "command":
                harness.kill_group(p)                   # it may just have ended
                p.wait()
            else:
                kill_monitors()
        if p.poll() is None:
            harness.kill_group(p)
            p.wait()
        if rng.random() < 0.3:
            for line in box("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}").out.splitlines():
                cid, state = line.split()
                assert state in ("created", "running", "exited", "restarting")
    kill_monitors()
    wait_for(lambda: not processes("98790"), what="the containers' end")
    left = box("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}").out.splitlines()
    assert all(l.split()[1] in ("created", "exited") for l in left)
    assert all("(137)" in l for l in left if l.split()[1] == "exited")
    if left:
        box("rm", *[l.split()[0] for l in left])
    assert box.names() == [] and [d for d in os.listdir(box.tare.root + "/containers") if d != "names"] == []
    assert box("run", "--rm", *NONE, "busybox", "echo", "fine").out == "fine\n"


def test_fifty_at_once(box):
    """Fifty containers started at once and removed at once."""
    script = f"for i in 1 2 3 4 5; do {box.tare.binary} run -d --network none busybox sleep 98791 || echo bad; done"
    ps = [subprocess.Popen(["sh", "-c", script], env=box.tare.env(), stdout=subprocess.PIPE) for _ in range(10)]
    out = b"".join(p.communicate(timeout=120 * harness.slow())[0] for p in ps).split()
    assert len(out) == 50 and b"bad" not in out
    assert len(box("ps", "-q").out.split()) == 50
    assert len(box("rm", "-f", *[i.decode() for i in out]).out.split()) == 50
    wait_for(lambda: not processes("98791"))
    assert box.names() == [] and run_dirs(box.tare) == []


def test_private_memory(box):
    cid = box.sh("sleep 100")
    pid = box.monitor(cid)
    if "asan" in pathlib.Path(f"/proc/{pid}/maps").read_text() or "tsan" in pathlib.Path(f"/proc/{pid}/maps").read_text():
        pytest.skip("a sanitizer's memory is not the monitor's")
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kb = sum(int(l.split()[1]) for l in lines if l.startswith("Private_"))
    assert kb < 2048, f"{kb} kB"


def test_monitor_keeps_nothing_open(box, tmp):
    """No database, no file of the caller's, no terminal; and it is in no process group that a Ctrl-C reaches."""
    cid = box.sh("sleep 100")
    pid = box.monitor(cid)

    def targets():
        return [os.readlink(f"/proc/{pid}/fd/{f}") for f in os.listdir(f"/proc/{pid}/fd")]
    wait_for(lambda: not [t for t in targets() if "tare.db" in t or "pins" in t or t.startswith("/dev/pts")])
    assert os.getpgid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
