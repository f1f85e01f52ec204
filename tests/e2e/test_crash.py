# SPDX-License-Identifier: Apache-2.0
"""
Commands are killed at every one of their durable steps (TARE_FAULT, base/fault.h): nothing that was
committed is lost, what is left is garbage that `tare gc` removes, and the command works the next time.
"""
import os
import pathlib
import signal
import subprocess
import time

import pytest

import harness
import storecheck

FILE = "FROM busybox\nCOPY a.txt /a.txt\nRUN cat /a.txt > /b.txt\nENV X=1\n"
MOST = 120          # points that one command may pass


@pytest.fixture(scope="module")
def filled(binary, scratch, busybox_tar):
    """A store with an image, a build of it with cache, and some garbage."""
    top = scratch / "filled"
    top.mkdir()
    t = harness.Tare(binary, top / "store", scratch=top)
    t("import", busybox_tar, "busybox")
    ctx = t.context({"Dockerfile": FILE, "a.txt": "one\n"})
    t.build(ctx, "-t", "kept")
    (ctx / "a.txt").write_text("two\n")
    t.build(ctx, "-t", "old")
    t("rmi", "-f", "old")
    return t


def copy_of(filled, tmp, n):
    root = tmp / f"store{n}"
    subprocess.run(["cp", "-a", filled.root, root], check=True)
    return harness.Tare(filled.binary, root, scratch=tmp)


def kill_everywhere(filled, tmp, command, after):
    """Run command(tare, env) on copies of the store, killed at its 1st, 2nd ... point until it ends by itself."""
    kept = image_id(filled, "kept")
    for n in range(1, MOST):
        t = copy_of(filled, tmp, n)
        r = command(t, {"TARE_FAULT": f"*:{n}"})
        if r.code == 0:
            assert n > 3, "it hardly passed a point"
            after(t)
            return
        assert r.code in (-signal.SIGKILL, 128 + signal.SIGKILL), f"point {n}\n{r}"
        storecheck.check(t.root)
        assert image_id(t, "kept") == kept
        t("gc")
        storecheck.check(t.root, clean=True)
        r = command(t, {})
        assert r.code == 0, f"after a kill at point {n}\n{r}"
        after(t)
        storecheck.check(t.root)
        subprocess.run(["rm", "-rf", t.root], check=True)
    raise AssertionError(f"more than {MOST} points")


def image_id(t, name):
    return t("inspect", "--format", "{{.Id}}", name).out.strip()


def test_build(filled, tmp):
    ctx = filled.context({"Dockerfile": FILE, "a.txt": "three\n"})

    def after(t):
        assert t.run("new", "cat", "/b.txt").out == "three\n"
        assert t.run("kept", "cat", "/b.txt").out == "one\n"
    kill_everywhere(filled, tmp, lambda t, env: t("build", "-q", "-t", "new", ctx, code=None, env=env), after)


def test_import(filled, tmp, busybox_tar):
    tar = tmp / "other.tar"
    top = harness.write_tree(tmp / "tree", {"hello": "hello\n", "dir/file": "x"})
    harness.run(["tar", "-C", top, "-cf", tar, "."], check=True)

    def after(t):
        assert t.files("other")["hello"].text == "hello\n"
    kill_everywhere(filled, tmp, lambda t, env: t("import", tar, "other", code=None, env=env), after)


def test_gc(filled, tmp):
    def after(t):
        storecheck.check(t.root, clean=True)
        assert t.run("kept", "cat", "/b.txt").out == "one\n"
    kill_everywhere(filled, tmp, lambda t, env: t("gc", "--all", code=None, env=env), after)


def test_tag_and_rmi(filled, tmp):
    def both(t, env):
        r = t("tag", "kept", "again", code=None, env=env)
        return r if r.code else t("rmi", "again", code=None, env=env)
    kill_everywhere(filled, tmp, both, lambda t: t.fails("inspect", "again"))


def test_first_command(binary, tmp, busybox_tar):
    """The store itself is being made."""
    for n in range(1, MOST):
        t = harness.Tare(binary, tmp / f"first{n}", scratch=tmp)
        r = t("import", busybox_tar, "busybox", code=None, env={"TARE_FAULT": f"*:{n}"})
        if r.code == 0:
            assert n > 3
            return
        assert r.code == -signal.SIGKILL, r
        t("import", busybox_tar, "busybox")
        t("gc")
        storecheck.check(t.root, clean=True)
        assert t.run("busybox", "echo", "ok").out == "ok\n"


def collect(t):
    """gc; a child that the killed process had just forked may hold the lease until its execve()."""
    harness.wait_for(lambda: t("gc") and not [p for p in pathlib.Path(t.root, "work").iterdir() if p.name not in
                                              ("pins", "locks")], what="an empty work directory")
    storecheck.check(t.root, clean=True)


def test_killed_at_any_moment(filled, tmp):
    """Between the named points, too: killed a little later each time."""
    for n in range(20):
        t = copy_of(filled, tmp, n)
        ctx = t.context({"Dockerfile": FILE, "a.txt": f"{n}\n"})
        with t.start("build", "-q", "-t", "new", ctx) as b:
            time.sleep(n * 0.004)
            b.stop(signal.SIGKILL)
        storecheck.check(t.root)
        collect(t)
        t.build(ctx, "-t", "new")
        assert t.run("new", "cat", "/b.txt").out == f"{n}\n"
        subprocess.run(["rm", "-rf", t.root], check=True)


def monitor_of(t, name):
    """Its process 1 is that one's child."""
    pid = t.inspect(name)["State"]["Pid"]
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def removed(t, name):
    """rm and gc leave nothing of the container."""
    t("rm", "-f", name)
    t("gc", "--all")
    storecheck.check(t.root, clean=True)
    assert not [n for n in os.listdir(pathlib.Path(t.root, "containers")) if n != "names"]


def test_run_killed(filled, tmp):
    """The command is killed: its container runs on, its layers are spared, and it can be removed."""
    t = copy_of(filled, tmp, 0)
    with t.start("run", "--name", "box", "--network", "none", "kept", "sh", "-c", "echo x > /x; echo up; sleep 99") as c:
        c.expect("up")
        t("gc", "--all")
        storecheck.check(t.root)
        c.stop(signal.SIGKILL)
    state = t.inspect("box")["State"]
    assert state["Status"] == "running" and harness.alive(state["Pid"])
    t.fails("rmi", "-f", "kept", says="running container")
    t("gc", "--all")
    storecheck.check(t.root)
    assert t("exec", "box", "cat", "/x").out == "x\n"
    removed(t, "box")
    harness.wait_for(lambda: not harness.alive(state["Pid"]), what="its end")


def test_monitor_killed(filled, tmp):
    """Its monitor is killed: the container ends, the record says so, what it had written stays until rm and gc."""
    t = copy_of(filled, tmp, 0)
    t("run", "-d", "--name", "box", "--network", "none", "kept", "sh", "-c", "echo x > /x; echo up; sleep 99")
    harness.wait_for(lambda: "up" in t("logs", "box").out, what="the container")
    state, cid = t.inspect("box")["State"], t.inspect("box")["Id"]
    os.kill(monitor_of(t, "box"), signal.SIGKILL)
    harness.wait_for(lambda: not harness.alive(state["Pid"]), what="its end")
    state = t.inspect("box")["State"]
    assert (state["Status"], state["ExitCode"], state["Pid"]) == ("exited", 137, 0)
    t("rmi", "-f", "kept")
    t("gc", "--all")
    storecheck.check(t.root)
    assert "Exited (137)" in t("ps", "-a").out
    assert not os.path.exists(f"/run/tare/containers/{cid}")
    t("cp", "box:/x", tmp / "x")
    assert (tmp / "x").read_text() == "x\n"
    removed(t, "box")


def fails_at(t, point, *words):
    """Killed at the point, be it the command or a monitor."""
    r = t(*words, code=None, env={"TARE_FAULT": f"{point}:1"})
    assert r.code in (-signal.SIGKILL, 128 + signal.SIGKILL, 125), f"{point}\n{r}"


def dotted(t, directory):
    return [n for n in os.listdir(pathlib.Path(t.root, directory)) if n.startswith((".new-", ".del-"))]


def test_networks(filled, tmp):
    """A definition is there or not, whole; the network is usable, and its name free again, either way."""
    t = copy_of(filled, tmp, 0)
    fails_at(t, "network.defined", "network", "create", "--label", "a=b", "n1")
    assert t("network", "ls", "--filter", "label=a=b", "--format", "{{.Name}}").out == "n1\n"
    t.fails("network", "create", "n1", says="already exists")
    fails_at(t, "network.removed", "network", "rm", "n1")
    assert "n1" not in t("network", "ls", "--format", "{{.Name}}").out.split()
    t("network", "create", "n1")
    t("network", "rm", "n1")
    assert [n for n in os.listdir(pathlib.Path(t.root, "networks")) if n.endswith(".json")] == []


@pytest.mark.parametrize("point", ["volume.new", "volume.named", "volume.copied", "volume.filled", "volume.moved"])
def test_volumes_made(filled, tmp, point):
    """Making or filling a volume: the next container finds it whole, with what the image has there."""
    t = copy_of(filled, tmp, 0)
    fails_at(t, point, "run", "--rm", "--network", "none", "-v", "vol:/bin", "kept", "/bin/true")
    assert t("volume", "ls", "-q").out.split() == ([] if point == "volume.new" else ["vol"])
    assert dotted(t, "volumes") == []
    t.run("-v", "vol:/bin", "kept", "true")
    assert t.run("-v", "vol:/x", "kept", "ls", "/x").out == t.run("kept", "ls", "/bin").out
    t("volume", "rm", "vol")
    t("ps", "-a")
    t("gc")
    storecheck.check(t.root)
    assert dotted(t, "containers") == []


def test_volume_unnamed(filled, tmp):
    t = copy_of(filled, tmp, 0)
    t("volume", "create", "vol")
    fails_at(t, "volume.unnamed", "volume", "rm", "vol")
    assert t("volume", "ls", "-q").out == "" and dotted(t, "volumes") == []
    t("volume", "create", "vol")
    t("volume", "rm", "vol")
