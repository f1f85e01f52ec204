# SPDX-License-Identifier: Apache-2.0
"""create, start, run -d, stop, kill, restart, wait, attach, rename, rm. Names bear the numbers of the case list."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

import harness
from harness import wait_for

NONE = ("--network", "none")
TRAP = "trap 'exit {0}' TERM; echo ready; while :; do sleep 0.02; done"


# --- run -d, create, start ---

def test_run_013_detached(box):
    cid = box.up("busybox", "true")
    assert box("wait", cid).out == "0\n"
    assert box("rm", cid).out == cid + "\n"
    assert box.names() == []


def test_run_014_attach_stdin_alone(box):
    r = box("run", *NONE, "-i", "-a", "stdin", "busybox", "cat", input="blahblah")
    cid = r.out.strip()
    assert len(cid) == 64
    box("wait", cid)
    assert box.logs(cid) == "blahblah"


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_run_012_attach_one_stream(box, stream):
    with box.tare.terminal("run", "-a", stream, "--rm", *NONE, "busybox", "sh", "-c", "sleep 0.1 && exit 7") as t:
        assert t.wait() == 7


def test_run_attach_selects_streams(box):
    r = box("run", "--rm", *NONE, "-a", "stderr", "busybox", "sh", "-c", "echo out; echo err >&2")
    assert (r.out, r.err) == ("", "err\n")


def test_run_017_ends_with_its_input(box):
    p = subprocess.Popen(box.tare.argv(["run", *NONE, "--name", "tt", "-i", "busybox", "cat"]), env=box.tare.env(),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write(b"hello\n")
    p.stdin.flush()
    assert p.stdout.readline() == b"hello\n"
    p.stdin.close()
    assert p.wait(60) == 0
    p.stdout.close()
    assert box.state("tt")["Running"] is False


def test_run_020_slow_reader(box):
    p = subprocess.Popen(box.tare.argv(["run", "--rm", *NONE, "busybox", "sh", "-c",
                                        "dd if=/dev/zero bs=1024 count=500 2>/dev/null | cat -v"]),
                         env=box.tare.env(), stdout=subprocess.PIPE)
    n = 0
    while data := os.read(p.stdout.fileno(), 10000):
        n += len(data)
        time.sleep(0.001)
    p.stdout.close()
    assert (p.wait(60), n) == (0, 1024000)


def test_run_022_023_conflicts(box):
    box.fails("run", "--attach", "stdin", "-d", "busybox", "true", code=125, says="cannot specify both --attach and --detach")
    box.fails("run", "--detach-keys", "shift-a", "busybox", "true", code=125, says="invalid detach keys (shift-a):")
    box.fails("run", "-a", "stdfoo", "busybox", "true", code=125, says="valid streams are STDIN, STDOUT and STDERR")
    box.fails("run", "--rm", "--restart", "always", "busybox", "true", code=125, says="conflicting options")
    assert box.names() == []


def test_run_024_no_detach_keys(box):
    assert box("run", "--rm", *NONE, "--detach-keys=", "busybox", "echo", "success").out == "success\n"


def test_create_start(box):
    cid = box("create", *NONE, "--name", "later", "-e", "A=b c", "-w", "/srv", "busybox", "sh", "-c", "echo $A; pwd; exit 3").out.strip()
    assert box.status("later") == "created"
    assert box("ps", "-f", "status=created", "--format", "{{.Names}} {{.Status}}").out == "later Created\n"
    assert box("start", "later").out == "later\n"
    assert box("wait", "later").out == "3\n"
    r = box("start", "-a", cid[:12], code=3)
    assert r.out == "b c\n/srv\n"
    assert box.logs("later") == "b c\n/srv\n" * 2


def test_create_keeps_any_bytes(box):
    argv = box.tare.argv(["create", *NONE, "--name", "bytes", "busybox", "printf", "%s|", b"a\xff\xfe\xc3", "ü€", b"\xf4\x8f\xbf\xbf"])
    subprocess.run(argv, env=box.tare.env(), check=True, stdout=subprocess.DEVNULL, timeout=60)
    r = subprocess.run(box.tare.argv(["start", "-a", "bytes"]), env=box.tare.env(), capture_output=True, timeout=60)
    assert r.stdout == b"a\xff\xfe\xc3|" + "ü€|".encode() + b"\xf4\x8f\xbf\xbf|"
    logged = subprocess.run(box.tare.argv(["logs", "bytes"]), env=box.tare.env(), capture_output=True, timeout=60)
    assert logged.stdout == r.stdout


def test_start_errors(box):
    box("create", *NONE, "--name", "one", "busybox", "true")
    box("create", *NONE, "--name", "bad", "busybox", "/nosuch")
    r = box("start", "nosuch", "bad", "one", code=1)             # one failure does not stop the rest
    assert r.out == "one\n" and "No such container: nosuch" in r.err and "no such file" in r.err
    assert box.status("bad") == "created" and box.state("bad")["ExitCode"] == 127 and "nosuch" in box.state("bad")["Error"]
    box.fails("start", "-a", "one", "bad", says="you cannot start and attach multiple containers at once")
    box.fails("start", "-a", "bad", code=127, says="no such file")
    assert box("wait", "one").out == "0\n"


def test_start_of_a_running_one(box):
    cid = box.sh("sleep 100", name="run")
    pid = box.state(cid)["Pid"]
    assert box("start", "run").out == "run\n" and box.state(cid)["Pid"] == pid
    box.fails("rm", "run", says="container is running")


def test_files_survive_a_restart(box):
    box.sh("echo x >> /count; wc -l < /count", name="files")
    box("wait", "files")
    for n in (2, 3):
        assert box("start", "-a", "files").out == f"{n}\n"


def test_run_010_rm_when_it_cannot_start(box):
    for options in ([], ["-d"]):
        box.fails("run", *options, "--name", "gone", "--rm", *NONE, "busybox", "invalidcommand", code=127)
        assert box.names() == []


def test_rm_by_its_monitor(box):
    cid = box.sh("sleep 0.1", "--rm")
    wait_for(lambda: box.names() == [])
    box.fails("inspect", cid, says="No such object")


def test_cidfile_of_create(box, tmp):
    f = tmp / "cid"
    assert box("create", *NONE, "--cidfile", f, "busybox", "true").out.strip() == f.read_text()


# --- stop ---

@pytest.mark.parametrize("patience,code", [("0", 137), ("1", 137), ("20", 42), ("-1", 42)])
def test_stop_001_timeout(box, patience, code):
    box.sh("echo ready; sleep 2; exit 42", name="st")
    box.wait_logs("st", "ready")
    assert box("stop", "-t", patience, "st").out == "st\n"
    assert box.state("st")["ExitCode"] == code and box.status("st") == "exited"


def test_stop_003_of_what_does_not_run(box):
    box("create", *NONE, "--name", "made", "busybox", "true")
    assert box("stop", "made").out == "made\n"
    box.fails("stop", "test1234", says="No such container: test1234")


def test_stop_sends_the_stop_signal(box):
    script = "trap 'echo USR1; exit 9' USR1; trap 'echo TERM; exit 8' TERM; echo ready; while :; do sleep 0.02; done"
    for options, extra, said, code in (["--stop-signal", "USR1"], [], "USR1", 9), ([], [], "TERM", 8), ([], ["-s", "SIGUSR1"], "USR1", 9):
        cid = box.sh(script, *options)
        box.wait_logs(cid, "ready")
        box("stop", *extra, cid)
        assert box.state(cid)["ExitCode"] == code and said in box.logs(cid)


def test_stop_timeout_of_the_container(box):
    box.sh("echo ready; sleep 30", "--stop-timeout", "1", name="sti")
    box.wait_logs("sti", "ready")
    box("stop", "sti")
    assert box.state("sti")["ExitCode"] == 137
    box.fails("create", "--stop-timeout", "x", "busybox", "true", code=125)


def test_stop_signal_of_the_image(box):
    box.tare.build("FROM busybox\nSTOPSIGNAL SIGUSR2\nCMD trap 'exit 12' USR2; echo ready; while :; do sleep 0.02; done\n", "-t", "sig")
    cid = box("run", "-d", *NONE, "sig").out.strip()
    box.wait_logs(cid, "ready")
    box("stop", cid)
    assert box.state(cid)["ExitCode"] == 12
    assert box.tare.inspect(cid)["Config"]["StopSignal"] == "SIGUSR2"


def test_stop_goes_on_without_its_client(box):
    box.sh("echo ready; sleep 30", name="left")
    box.wait_logs("left", "ready")
    with box.tare.start("stop", "-t", "1", "left") as p:
        time.sleep(0.3)
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
    box.wait_status("left", "exited")


# --- kill ---

def test_kill_001_signals(box):
    numbers = [1, 2, 3, 4, 5, 6, 8, 10, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 26]
    script = "".join(f"trap 'echo got-{n}' {n};" for n in numbers) + "echo ready; while :; do sleep 0.02; done"
    box.sh(script, name="kk")
    box.wait_logs("kk", "ready")
    for words, n in [((str(n),), n) for n in numbers] + [(("INT",), 2), (("FPE",), 8), (("SIGUSR1",), 10), (("SIGUSR2",), 12)]:
        before = box.logs("kk").count(f"got-{n}\n")
        assert box("kill", "-s", *words, "kk").out == "kk\n"
        wait_for(lambda: box.logs("kk").count(f"got-{n}\n") > before, what=f"signal {n}")


def test_kill_002_003_errors(box):
    box.sh("sleep 100", name="kk")
    for bad in ("0", "SIG42", "BADSIG", "65", "999"):
        box.fails("kill", "-s", bad, "kk", says="nvalid signal")
    box("kill", "-s", "SIGWINCH", "kk")
    assert box.status("kk") == "running"
    box("kill", "kk")
    box.wait_status("kk", "exited")
    assert box.state("kk")["ExitCode"] == 137
    box.fails("kill", "kk", says="is not running")
    box.fails("kill", "nosuch", says="No such container")


def test_kill_004_and_the_restart_policy(box):
    box.sh(TRAP.format(3), "--restart", "always", "--stop-signal", "TERM", name="off")
    box.sh(TRAP.format(3), "--restart", "always", "--stop-signal", "CONT", name="on")
    for name in ("off", "on"):
        box.wait_logs(name, "ready")
        box("kill", "-s", "TERM", name)
    box.wait_status("off", "exited")
    wait_for(lambda: box.logs("on").count("ready") >= 2 and box.status("on") == "running")


def test_kill_005_stop_signal(box):
    box.fails("create", "--stop-signal=99", "busybox", "true", code=125, says="nvalid signal")
    box("create", *NONE, "--stop-signal", "9", "--name", "nine", "busybox", "true")
    assert box.tare.inspect("nine")["Config"]["StopSignal"] == "9"


# --- restart ---

def test_rst_001_on_failure(box):
    cid = box.up("--restart=on-failure:3", "busybox", "false")
    box.wait_status(cid, "exited")
    c = box.tare.inspect(cid)
    assert (c["State"]["Restarting"], c["State"]["Running"], c["RestartCount"]) == (False, False, 3)
    assert c["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_restart_policy_errors(box):
    for bad, says in (("sometimes", "unknown policy"), ("always:3", "maximum retry count"), ("on-failure:x", "must be an integer")):
        box.fails("create", "--restart", bad, "busybox", "true", code=125, says=says)


def test_restart_policy_lets_success_be(box):
    cid = box.up("--restart=on-failure", "busybox", "true")
    box.wait_status(cid, "exited")
    assert box.tare.inspect(cid)["RestartCount"] == 0


def test_stop_004_restart_always(box):
    cid = box.up("--restart=always", "busybox", "false")
    wait_for(lambda: box.tare.inspect(cid)["RestartCount"] >= 2)
    wait_for(lambda: box.status(cid) == "restarting")
    assert "Restarting (1)" in box("ps", "--format", "{{.Status}}").out
    box("stop", cid)
    assert box.status(cid) == "exited"
    count = box.tare.inspect(cid)["RestartCount"]
    time.sleep(1)
    assert box.status(cid) == "exited" and box.tare.inspect(cid)["RestartCount"] == count


def test_rst_005_restart_of_a_stopped_one(box):
    box("create", *NONE, "--name", "foobar", "busybox", "echo", "foobar")
    box("start", "foobar")
    box("wait", "foobar")
    assert box("restart", "foobar").out == "foobar\n"
    box("wait", "foobar")
    assert box.logs("foobar") == "foobar\nfoobar\n" and box.state("foobar")["ExitCode"] == 0


def test_rst_008_interactive_with_policy(box):
    r = box("run", "-i", *NONE, "--name", "tt", "--restart=always", "busybox", "sh", input="exit 11\n", code=11)
    assert r.code == 11


def test_restart_of_a_running_one(box):
    box.sh(TRAP.format(5), name="rr")
    box.wait_logs("rr", "ready")
    pid = box.state("rr")["Pid"]
    box("restart", "-t", "10", "rr")
    assert box.status("rr") == "running" and box.state("rr")["Pid"] != pid
    wait_for(lambda: box.logs("rr").count("ready") == 2)


# --- wait ---

@pytest.mark.parametrize("code", [0, 99])
def test_wait_002_blocked(box, code):
    box.sh(TRAP.format(code), name="ww")
    box.wait_logs("ww", "ready")
    with box.tare.start("wait", "ww") as p:
        time.sleep(0.2)
        box("stop", "ww")
        assert p.wait().out == f"{code}\n"


def test_wait_004_restarted(box):
    box.sh(TRAP.format(5), name="ww")
    box.wait_logs("ww", "ready")
    with box.tare.start("wait", "ww") as p:
        time.sleep(0.2)
        box("restart", "ww")
        assert p.wait().out == "5\n"


def test_wait_006_unknown(box):
    box.fails("wait", "nosuch", says="No such container: nosuch")


# --- attach ---

def test_run_048_attach_exit_code(box):
    cid = box.sh("read x; exit 21", "-i", "--rm")
    box("attach", cid, input="\n", code=21)
    wait_for(lambda: box.names() == [])


def test_attach_sees_what_follows(box):
    box.sh("while read l; do echo got $l; echo err $l >&2; done", "-i", name="att")
    with box.tare.start("attach", "--no-stdin", "att") as p:
        wait_for(lambda: "attach" in (box.tare.root and open(box.tare.root + "/events.jsonl").read()))
        with box.tare.start("attach", "att", stdin=subprocess.PIPE) as q:
            q.p.stdin.write(b"one\n")
            q.p.stdin.flush()
            p.expect("got one")
            q.expect("got one")
            p.expect("err one")
            assert "err one" in p.err
            q.p.stdin.close()
        box("stop", "-t", "0", "att")
        assert p.wait().code == 137


def test_attach_errors(box):
    box("create", *NONE, "--name", "made", "busybox", "true")
    box.fails("attach", "made", says="You cannot attach to a stopped container, start it first")
    box.fails("attach", "nosuch", says="No such container")


def test_detach_keys(box):
    with box.tare.terminal("run", "-it", *NONE, "--name", "det", "busybox", "cat") as t:
        t.send("one\r")
        t.expect("one\r\none\r\n")
        t.send("\x10\x11")
        assert t.wait() == 0
    assert box.status("det") == "running"
    with box.tare.terminal("attach", "--detach-keys", "ctrl-x,x", "det") as t:
        t.send("two\x10\x11\r")
        t.expect("two")
        t.send("\x18x")
        assert t.wait() == 0
    assert box.status("det") == "running"


def test_run_026_partial_detach_keys(box):
    box.up("-it", "busybox", "cat", name="part")
    with box.tare.terminal("attach", "--detach-keys=a,b,c", "part") as t:
        t.send("ab")
        time.sleep(0.1)
        t.send("a\r")
        t.expect(r"aba\r\naba\r\n")
        t.send("abc")
        assert t.wait() == 0


def test_run_053_start_attached_and_renamed(box):
    box("create", "-t", *NONE, "--name", "bb", "busybox", "sh", "-c", "echo up; sleep 1000")
    with box.tare.start("start", "-a", "bb") as p:
        p.expect("up")
        box("rename", "bb", "cc")
        box("stop", "--time=1", "cc")
        r = p.wait()
    assert r.code == 137 and "No such container" not in r.err


# --- rename ---

def test_rename(box):
    cid = box.sh("sleep 100", name="old")
    box("rename", "old", "new")
    assert box.names() == ["new"] and box.tare.inspect(cid)["Name"] == "/new"
    box("create", *NONE, "--name", "old", "busybox", "true")             # the name is free again
    box.fails("rename", "new", "old", says="already in use")
    box.fails("rename", "new", "new", says="same name")
    box.fails("rename", "new", "a/b", says="nvalid container name")
    box.fails("rename", "nosuch", "x1", says="No such container")
    box("stop", "-t", "0", "new")
    box("rename", "new", "newer")
    assert box.tare.inspect("newer")["Id"] == cid


# --- dying, and what is left ---

def test_record_after_the_monitor_was_killed(box):
    cid = box.sh("sleep 98770", "--restart", "always", name="dead")
    os.kill(box.monitor(cid), signal.SIGKILL)
    wait_for(lambda: box.status("dead") == "exited")
    assert box.state("dead")["ExitCode"] == 137 and box.state("dead")["Pid"] == 0
    assert box("wait", "dead").out == "137\n"
    box("start", "dead")
    assert box.status("dead") == "running"
    run = pathlib.Path("/run/tare/containers") if harness.ROOT else None
    box("rm", "-f", "dead")
    assert run is None or not (run / cid).exists()


def test_monitor_is_told_to_end(box):
    """SIGTERM, as at shutdown: the container is stopped in order, and its record says so."""
    box.sh(TRAP.format(6), name="down")
    box.wait_logs("down", "ready")
    os.kill(box.monitor("down"), signal.SIGTERM)
    box.wait_status("down", "exited")
    assert box.state("down")["ExitCode"] == 6


def test_nothing_of_the_caller_is_kept(box, tmp):
    """A descriptor that whoever calls us lets us inherit is not kept open by the monitor: locks and pipes end."""
    r, w = os.pipe()
    os.set_inheritable(w, True)
    subprocess.run(box.tare.argv(["run", "-d", *NONE, "busybox", "sleep", "100"]), env=box.tare.env(), pass_fds=[w],
                   check=True, stdout=subprocess.DEVNULL, timeout=60)
    os.close(w)
    os.set_blocking(r, False)

    def ended():
        try:
            return os.read(r, 1) == b""
        except BlockingIOError:
            return False
    wait_for(ended, what="the end of the pipe")
    os.close(r)
