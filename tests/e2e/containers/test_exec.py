# SPDX-License-Identifier: Apache-2.0
"""tare exec: one more process in a running container (cases exec-*, usr-006, lim-011, sec-*)."""
import base64
import concurrent.futures
import json
import os
import signal

import pytest

import harness
import leaks
from kit import record, running


@pytest.fixture
def box(tare, busybox):
    with running(tare):
        yield "cc"


def test_exec_002_003_cannot_start(tare, box):
    tare.fails("exec", box, "/no/such/command", code=127, says="no such file or directory")
    tare.fails("exec", box, "/etc", code=126, says="is a directory")
    tare.fails("exec", box, "/etc/passwd", code=126, says="permission denied")
    tare.fails("exec", box, "no-such-cmd", code=127, says="executable file not found")
    tare.fails("exec", box, code=1, says="at least 2")
    tare.fails("exec", "-w", "/nowhere", box, "pwd", code=127, says="/nowhere")
    tare.fails("exec", "-u", "nosuchuser", box, "id", says="unable to find user")
    tare.fails("exec", "nosuch", "true", code=1, says="No such container: nosuch")


def test_exit_status_and_streams(tare, box):
    assert tare("exec", box, "sh", "-c", "exit 42", code=42).both == ""
    tare("exec", box, "sh", "-c", "kill -9 $$", code=137)
    r = tare("exec", box, "sh", "-c", "echo out; echo err >&2")
    assert (r.out, r.err) == ("out\n", "err\n")
    assert tare("exec", box, "cat", input="lost").out == ""
    assert tare("exec", "-i", box, "cat", input="kept").out == "kept"


def test_exec_005_bytes(tare, box):
    data = os.urandom(20 << 10)
    text = base64.b64encode(data).decode()
    tare("exec", "-i", box, "sh", "-c", "cat >/f", input=text)
    assert tare("exec", box, "cat", "/f").out == text
    assert tare("exec", box, "sh", "-c", "base64 -d /f | md5sum").out == \
        tare("exec", box, "sh", "-c", "base64 -d </f | md5sum").out


def test_exec_009_read_only(tare, busybox):
    with running(tare, "--read-only"):
        tare("exec", "cc", "true")
        tare.fails("exec", "cc", "touch", "/x", says="Read-only file system")


def test_exec_010_namespaces_and_cgroups(tare, busybox):
    """Everything that can be told of where a process is, is as process 1 has it."""
    with running(tare, "--memory", "64m", "--pids-limit", "50"):
        look = "cat /proc/self/cgroup; cd /proc/self/ns; for n in *; do readlink $n; done | grep -v time"
        first = tare("exec", "cc", "sh", "-c", look.replace("self", "1")).out
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            outs = list(pool.map(lambda i: tare("exec", "cc", "sh", "-c", look).out, range(5)))
        assert outs == [first] * 5
        pid = tare("exec", "-d", "cc", "sleep", "77")
        assert pid.both == ""
        limit = tare("exec", "cc", "sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes "
                     "/sys/fs/cgroup/memory.max 2>/dev/null", code=None).out
        assert limit == f"{64 << 20}\n"


def test_exec_012_environment(tare, busybox):
    with running(tare, "-w", "/root", "-e", "LALA=value1", "-e", "LALA=value2", "-e", "KEPT=1"):
        env = tare("exec", "-w", "/tmp", "-e", "FOO=BAR", "cc", "sh", "-c", "env").out.splitlines()
        assert "PWD=/tmp" in env and "FOO=BAR" in env and "HOME=/root" in env and "KEPT=1" in env
        assert [l for l in env if l.startswith("LALA")] == ["LALA=value2"]                      # env-009
        assert tare("exec", "cc", "pwd").out == "/root\n"
        files = tare.context({"e": "FROM_FILE=a # b\nLALA=file\nUNSET_HERE\n"})
        env = tare("exec", "--env-file", files / "e", "-e", "KEPT=2", "cc", "env").out.splitlines()
        assert "FROM_FILE=a # b" in env and "LALA=file" in env and "KEPT=2" in env
        assert tare("exec", "-e", "IMPORTED", "cc", "sh", "-c", "echo $IMPORTED",
                    env={"IMPORTED": "yes"}).out == "yes\n"
        assert "KEPT" not in tare("exec", "-e", "KEPT", "cc", "env").out
        tare.fails("exec", "-e", "=x", "cc", "env", says="invalid environment variable")


@pytest.mark.parametrize("run_tty,exec_tty,exec_env,want", [
    (False, False, False, ""), (False, True, False, "xterm"), (False, True, True, "mine"), (False, False, True, "mine"),
])
def test_exec_013_term(tare, busybox, run_tty, exec_tty, exec_env, want):
    with running(tare):
        argv = ["exec", *(["-t"] if exec_tty else []), *(["-e", "TERM=mine"] if exec_env else []),
                "cc", "sh", "-c", "echo -n $TERM"]
        if exec_tty:
            with tare.terminal(*argv) as t:
                assert t.wait() == 0
                assert t.output.decode().strip() == want
        else:
            assert tare(*argv).out == want


def test_terminal(tare, box):
    with tare.terminal("exec", "-it", box, "sh") as t:
        t.resize(33, 99)
        t.send("tty; stty size; exit 9\n")
        t.expect("/dev/pts/")
        t.expect("33 99")
        assert t.wait() == 9
    tare.fails("exec", "-it", box, "sh", code=1, says="the input device is not a TTY")


def test_users_and_groups(tare, busybox):
    with running(tare, "--group-add", "audio", "--group-add", "777", "-u", "1000:1000"):        # usr-006
        assert tare("exec", "cc", "id").out == tare("exec", "cc", "sh", "-c", "id").out
        assert tare("exec", "cc", "id", "-u").out == "1000\n"
        assert set(tare("exec", "cc", "id", "-G").out.split()) == {"1000", "29", "777"}
        root = tare("exec", "-u", "0", "cc", "id").out
        assert root.startswith("uid=0(root) gid=0(root)") and "777" in root
        assert tare("exec", "-u", "7777:", "cc", "id").out.startswith("uid=7777 gid=0(root)")
        caps = tare("exec", "cc", "grep", "CapEff", "/proc/self/status").out.split()[1]
        assert int(caps, 16) == 0


def test_lim_011_ulimits(tare, busybox):
    with running(tare, "--ulimit", "nofile=511:511", "--ulimit", "core=0"):
        assert tare("exec", "cc", "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -c").out == "511\n511\n0\n"


def test_privileges_are_the_containers(tare, busybox):
    status = ("sh", "-c", "grep -E 'CapBnd|CapEff|CapPrm|CapInh|CapAmb|NoNewPrivs|Seccomp:' /proc/$1/status", "x")
    with running(tare, "--cap-drop", "ALL", "--cap-add", "chown", "--security-opt", "no-new-privileges"):
        assert tare("exec", "cc", *status, "self").out == tare("exec", "cc", *status, "1").out
        tare.fails("exec", "cc", "unshare", "-m", "true", says="not permitted")
        tare.fails("exec", "cc", "mknod", "/n", "c", "1", "3", says="not permitted")
        whole = tare("exec", "--privileged", "cc", *status, "self").out
        assert whole != tare("exec", "cc", *status, "1").out
        tare("exec", "--privileged", "cc", "sh", "-c", "mkdir /m && mount -t tmpfs x /m && umount /m")


def test_own_filter(tare, busybox):
    profile = tare.context({"p.json": '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],'
                                      '"action":"SCMP_ACT_ERRNO","errnoRet":13}]}'}) / "p.json"
    with running(tare, "--security-opt", f"seccomp={profile}"):
        tare.fails("exec", "cc", "mkdir", "/x", says="Permission denied")


def test_no_descriptor_comes_along(tare, box):
    """0, 1, 2 and nothing else, whatever the caller has open."""
    r, w = os.pipe()
    os.set_inheritable(w, True)
    try:
        out = harness.run(tare.argv(["exec", box, "sh", "-c", "for n in /proc/self/fd/*; do readlink $n; done"]),
                          env=tare.env(), pass_fds=[w]).out
    finally:
        os.close(r)
        os.close(w)
    assert len(out.split()) == 3, out


def test_container_cannot_redirect(tare, busybox):
    """What is in the container's files leads nowhere outside of it (CVE-2024-21626, CVE-2019-5736)."""
    with running(tare):
        tare("exec", "cc", "sh", "-c", "ln -s /proc/self/fd/7 /cwd; mv /etc/passwd /etc/p; ln -s /proc/1/root/../../../etc/p "
             "/etc/passwd; ln -s /proc/self/exe /me")
        for n in ("/proc/self/fd/7", "/cwd"):
            assert tare("exec", "-w", n, "cc", "pwd", code=None).code != 0
        assert tare("exec", "-u", "0", "cc", "id", "-u").out == "0\n"
        assert tare("exec", "cc", "/me", "echo", "x", code=None).out in ("", "x\n")     # the program there is its own


def test_signals_reach_it(tare, box):
    with tare.start("exec", box, "sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; sleep 20 & wait") as p:
        p.expect("ready")
        assert p.stop(signal.SIGTERM).code == 5
        assert "got" in p.out
    with tare.start("exec", box, "sleep", "60") as p:
        harness.wait_for(lambda: "sleep 60" in tare("exec", box, "ps").out)
        assert p.stop(signal.SIGTERM).code == 143


def test_killed_client_leaves_nothing(tare, box):
    with tare.start("exec", box, "sleep", "61") as p:
        harness.wait_for(lambda: "sleep 61" in tare("exec", box, "ps").out)
        p.kill(signal.SIGKILL)
        p.wait()
    harness.wait_for(lambda: "sleep 61" not in tare("exec", box, "ps").out)
    leaks.kill_children()               # this session adopts orphans: the container ends once they are reaped


def test_detached_lives_on(tare, busybox):
    with running(tare):
        tare("exec", "-d", "cc", "sh", "-c", "sleep 1; echo done >/mark; sleep 62")
        harness.wait_for(lambda: "done" in tare("exec", "cc", "cat", "/mark", code=None).out)
        assert "sleep 62" in tare("exec", "cc", "ps").out
        tare.fails("exec", "-d", "cc", "nosuch", code=127, says="executable file not found")


def test_container_ends(tare, busybox):
    """Its processes end with it; then there is nothing to execute in."""
    with running(tare, command=("sh", "-c", "sleep 2")) as run:
        with tare.start("exec", "cc", "sleep", "63") as p:
            assert p.wait().code == 137
        run.wait()
        tare.fails("exec", "cc", "true", code=1, says="is not running")


def test_pid_is_verified(tare, busybox, store):
    """A record whose process number means another process by now is not entered."""
    with running(tare):
        _, state = record(tare, store, "cc")
        path = next((store / "containers").glob("*/state.json"))
        good = path.read_text()
        path.write_text(good.replace(str(state["Pid"]), str(os.getpid())))
        try:
            tare.fails("exec", "cc", "true", code=1, says="is not running")
        finally:
            path.write_text(good)


def test_api_021_events(tare, box, store):
    tare("exec", box, "sh", "-c", "exit 3", code=3)
    log = [json.loads(l) for l in (store / "events.jsonl").read_text().splitlines()]
    log = [l for l in log if l["Action"].startswith("exec")]
    assert [l["Action"] for l in log] == ["exec_create: sh -c exit 3", "exec_start: sh -c exit 3", "exec_die"]
    attrs = log[-1]["Actor"]["Attributes"]
    assert attrs["exitCode"] == "3" and len({l["Actor"]["Attributes"]["execID"] for l in log}) == 1
