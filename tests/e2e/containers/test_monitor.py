# SPDX-License-Identifier: Apache-2.0
"""What monitors cost and leave: killed at random points, fifty at once, memory. `make soak` sets TARE_KILL_ROUNDS=200."""
import contextlib
import os
import pathlib
import random
import re
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


class Host:
    """
    A "host" of its own to leave things on: network and mount namespace, with its own /run/tare. What is found there is
    this test's, whatever else runs on this machine. Elsewhere than as root: the machine itself, and no networks.
    """

    def __init__(self, tare):
        self.tare, self.holder, self.before = tare, None, []
        if harness.ROOT:
            pathlib.Path("/run/tare").mkdir(mode=0o700, exist_ok=True)
            script = "mount -t tmpfs -o mode=0700 tare /run/tare && ip link set lo up && echo up && exec sleep 100000"
            self.holder = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", script], stdout=subprocess.PIPE)
            assert self.holder.stdout.readline() == b"up\n"
            self.before = ["nsenter", "-t", str(self.holder.pid), "--net", "--mount"]

    def argv(self, *words):
        return [*self.before, *self.tare.argv(words)]

    def __call__(self, *words, code=0):
        r = harness.run(self.argv(*words), env=self.tare.env())
        assert code is None or r.code == code, r
        return r

    def inside(self, *words):
        return harness.run([*self.before, *words], check=True).out

    def end(self):
        if self.holder:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()

    def links(self):
        return [re.split("[@:]", l.split()[1])[0] for l in self.inside("ip", "-o", "link").splitlines() if " lo:" not in l]

    def entries(self):
        """What is in its run directory that belongs to somebody: directories of containers, endpoints, names of bridges."""
        found = self.inside("find", "/run/tare", "-mindepth", "2", "-printf", "%P\\n").splitlines()
        return [f for f in found if f.startswith("containers/") or (f.count("/") >= 3 and not f.endswith("/.subnet"))]

    def left(self, ids):
        """All that is left of this store's containers."""
        store = self.tare.root.encode()
        found = [f"process {p}" for p in processes("98790")]
        for d in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if store in pathlib.Path(f"/proc/{d}/environ").read_bytes() and harness.alive(int(d)):
                    found.append(leaks.describe(int(d)))
        found += [c for c in leaks.cgroups() if any(i in c for i in ids)]
        found += [l for l in pathlib.Path("/proc/self/mountinfo").read_text().splitlines() if self.tare.root in l]
        if self.holder:
            mounts = pathlib.Path(f"/proc/{self.holder.pid}/mountinfo").read_text().splitlines()
            found += [l for l in mounts if self.tare.root in l]
            found += self.links() + self.inside("nft", "list", "tables").splitlines() + self.entries()
        return found


@pytest.fixture
def host(tare, busybox):
    h = Host(tare)
    yield h
    kill_monitors()
    h.end()


def kinds():
    yield from (("run", "--rm", *NONE), ("run", "-d", *NONE), ("run", "--restart", "always", *NONE), ("run", "-d", "--rm", *NONE))
    if harness.ROOT:
        yield ("run", "-d", "-m", "64m", *NONE)
        for how in (("-d",), ("--rm",), ("-d", "--rm"), ("-d", "--restart", "always")):
            yield ("run", *how, "-p", f"127.0.0.1:{harness.free_port()}:80")


def one_round(host, rng, kind):
    p = subprocess.Popen(host.argv(*kind, "busybox", "sleep", "98790"), env=host.tare.env(), stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(rng.random() * (0.1 if "-p" in kind else 0.05))
    for who in rng.sample(["command", "monitor"], rng.choice([1, 2])):
        if who == "command":
            harness.kill_group(p)                   # it may just have ended
            p.wait()
        else:
            kill_monitors()
    if p.poll() is None:
        harness.kill_group(p)
        p.wait()


def test_killed_at_random(host):
    """kill -9 of the command, of the monitor or of both: records tell the truth, and after a look at them nothing is left."""
    rng = random.Random(20261125)
    every = list(kinds())
    for n in range(ROUNDS):
        one_round(host, rng, every[n % len(every)])
        if rng.random() < 0.3:
            for line in host("ps", "-a", "--format", "{{.State}}").out.splitlines():
                assert line in ("created", "running", "exited", "restarting")
    wait_for(lambda: kill_monitors() or not processes("98790"), what="the containers' end")
    ids = set(re.findall(r"\b[0-9a-f]{64}\b", host("events", "--since", "1h", "--until", "0s").out))
    assert len(ids) >= ROUNDS // 4
    left = host("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}").out.splitlines()
    assert all(l.split()[1] in ("created", "exited") for l in left)
    assert all("(137)" in l for l in left if l.split()[1] == "exited")
    wait_for(lambda: host("ps") and not host.left(ids), what="nothing to be left")
    if left:
        host("rm", *[l.split()[0] for l in left])
    assert [d for d in os.listdir(host.tare.root + "/containers") if d != "names"] == []
    host("gc")                          # a name may have been killed before its container was there
    assert os.listdir(host.tare.root + "/containers/names") == []
    assert host("run", "--rm", "busybox", "echo", "fine").out == "fine\n"
    wait_for(lambda: host("ps") and not host.left(ids), what="nothing to be left")


@pytest.mark.root
@pytest.mark.parametrize("look", ["ps", "container prune -f", "network ls", "network prune -f", "gc", "rm"])
def test_what_is_left_is_swept(host, look):
    """A killed monitor with a bridge, a published port and a limit: whichever verb comes next takes away what is left."""
    cid = host("run", "-d", "-m", "64m", "-p", f"127.0.0.1:{harness.free_port()}:80", "busybox", "sleep", "98790").out.strip()
    kill_monitors()
    wait_for(lambda: not processes("98790"), what="the container's end")
    wait_for(lambda: host.links() == ["tare0"], what="the kernel to take its link away")
    assert any(cid in e for e in host.entries())
    host(*look.split(), *([cid] if look == "rm" else []))
    wait_for(lambda: not host.left({cid}), what=f"nothing to be left after {look}: {host.left({cid})}")


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


def test_boot(box):
    """After the host has gone down in any way, `start --boot` starts what Docker's daemon would."""
    want = {"always": "always", "unless": "unless-stopped", "byhand": "unless-stopped", "stopped": "always",
            "failing": "on-failure", "plain": "no"}
    for name, policy in want.items():
        box.up("--restart", policy, "busybox", "sleep", "98792", name=name)
    box("create", "--name", "never", "--restart", "always", *NONE, "busybox", "sleep", "98792")
    box.up("--restart", "always", "busybox", "sleep", "98792", name="running")
    box("stop", "-t", "0", "byhand", "stopped")
    survivor = box.state("running")["Pid"]
    killed = ("always", "unless", "failing", "plain")
    pids = [box.state(name)["Pid"] for name in killed]
    for name in killed:
        os.kill(box.monitor(name), signal.SIGKILL)
    wait_for(lambda: not any(map(harness.alive, pids)), what="the others' end")
    assert box("start", "--boot").out.split() == ["always", "unless", "stopped"]
    up = {n: box.status(n) for n in box.names()}
    assert {n for n, s in up.items() if s == "running"} == {"always", "unless", "stopped", "running"}
    assert up["never"] == "created" and box.state("running")["Pid"] == survivor
    assert box("container", "start", "--boot").out == ""


def test_boot_usage(box):
    box.up("--restart", "always", "busybox", "sleep", "98792", name="broken")
    box("stop", "-t", "0", "broken")
    (pathlib.Path(box.tare.root) / "containers" / box.tare.inspect("broken")["Id"] / "layers").unlink()
    box.fails("start", "--boot", says="open layers")
    box.fails("start", "--boot", "broken", says="takes no containers")
    box.fails("start", "--boot", "-a", says="attaches to none")
    box.fails("start", says="at least 1 operand")
