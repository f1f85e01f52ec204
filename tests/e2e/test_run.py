# SPDX-License-Identifier: Apache-2.0
"""tare run, ps, rm: what a user sees. Names bear the numbers of the case list where there is one."""
import contextlib
import json
import os
import pathlib
import signal
import stat
import subprocess
import termios
import time

import pytest

import harness
import leaks
from harness import wait_for

RM = ("run", "--rm", "--network", "none")


def sh(tare, script, *options, **kw):
    return tare(*RM, *options, "busybox", "sh", "-c", script, **kw)


def names(tare):
    return tare("ps", "-a", "--format", "{{.Names}}").out.split()


def containers(store):
    return [n for n in os.listdir(store / "containers") if n != "names"] if (store / "containers").is_dir() else []


def processes(mark):
    """Living processes that have the text in their command line."""
    found = []
    for d in os.listdir("/proc"):
        try:
            if d.isdigit() and mark.encode() in pathlib.Path(f"/proc/{d}/cmdline").read_bytes() and harness.alive(int(d)):
                found.append(int(d))
        except OSError:
            continue
    return [p for p in found if p != os.getpid()]


# --- A: exit codes, output, arguments ---

def test_run_001_003_exit_codes(tare, busybox):
    r = tare(*RM, "busybox", "true")
    assert r.both == ""
    assert sh(tare, "exit 32", code=32).both == ""
    assert sh(tare, "kill -9 $$ & wait; kill -TERM $$; sleep 1; exit 3", code=3)    # process 1 ignores what it does not handle
    assert tare(*RM, "--init", "busybox", "sh", "-c", "kill -TERM $$", code=143)


@pytest.mark.parametrize("argv,code,says", [
    (["/no/such/command"], 127, "no such file or directory"),
    (["nosuch"], 127, "executable file not found in $PATH"),
    (["/etc"], 126, "is a directory"),
    (["/etc/passwd"], 126, "permission denied"),
])
def test_run_004_006_010_cannot_start(tare, busybox, store, argv, code, says):
    tare.fails(*RM, "--name", "failing", "busybox", *argv, code=code, says=says)
    assert names(tare) == [] and containers(store) == []            # --rm also when the start fails
    tare.fails("run", "--network", "none", "--name", "failing", "busybox", *argv, code=code, says=says)
    assert names(tare) == ["failing"]
    assert tare("ps", "-a", "--format", "{{.Status}}").out == "Created\n"
    tare("rm", "failing")


def test_script_without_interpreter_line(tare, busybox):
    r = tare.fails(*RM, "-v", f"{tare.context({'s': ('echo hi', 0o755)})}/s:/s", "busybox", "/s", code=126,
                   says="exec format error")
    assert "#!" in r.err


def test_run_016_017_stdin(tare, busybox):
    assert tare(*RM, "-i", "busybox", "cat", input="abc").out == "abc"
    assert tare(*RM, "busybox", "cat", input="abc").out == ""       # without -i it has none
    assert sh(tare, "read x; echo got $x; cat", "-i", input="one\ntwo\n").out == "got one\ntwo\n"


def test_run_020_output_is_whole(tare, busybox):
    r = sh(tare, "dd if=/dev/zero bs=1024 count=2000 2>/dev/null | cat -v")
    assert len(r.raw) == 4096000
    r = sh(tare, "echo out; echo err >&2")
    assert (r.out, r.err) == ("out\n", "err\n")


def test_output_closed_early(tare, busybox):
    """`tare run ... | head -1` ends: the container gets SIGPIPE from the very pipe that was closed."""
    r = harness.run(["sh", "-c", f"{tare.binary} run --rm --network none busybox yes | head -1"], env=tare.env(), cwd=tare.scratch)
    assert r.out == "y\n"


def test_closed_streams(tare, busybox):
    """A file of ours must not take the number of a closed stream and so become the container's."""
    for close in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        r = harness.run(["sh", "-c", f"exec {tare.binary} run -i --rm --network none busybox sh -c 'ls -l /proc/self/fd; exit 4' {close}"],
                        env=tare.env(), cwd=tare.scratch)
        assert r.code == 4
        links = [l.split("-> ")[1] for l in r.out.splitlines() if "-> " in l]
        assert not [l for l in links if str(tare.root) in l or "socket" in l]


def test_stdout_can_be_opened_again(tare, busybox):
    assert sh(tare, "echo hi > /dev/stdout; echo ho > /proc/self/fd/1", "-u", "1000").out == "hi\nho\n"


def test_run_028_missing_image(tare, busybox):
    tare.fails(*RM, "--pull", "never", "nosuch", "true", code=125, says="Unable to find image 'nosuch' locally")
    tare.fails(*RM, "localhost:1/nosuch", "true", code=125, says=["Unable to find image 'localhost:1/nosuch' locally", "pull"])
    tare.fails(*RM, "UPPER", "true", code=125)


def test_run_035_entrypoint(tare, busybox):
    tare.build("FROM busybox\nENTRYPOINT [\"echo\"]\nCMD [\"testingpoint\"]\n", "-t", "ep")
    assert tare.run("ep").out == "testingpoint\n"
    assert tare.run("ep", "other").out == "other\n"
    assert tare.run("--entrypoint", "whoami", "ep").out == "root\n"           # CMD is dropped
    assert tare.run("--entrypoint", "echo", "ep", "a", "b").out == "a b\n"
    tare.fails(*RM, "--entrypoint", "", "ep", code=125, says="no command specified")
    assert tare.run("--entrypoint=", "ep", "echo", "x").out == "x\n"


def test_run_038_039_names(tare, busybox):
    tare("run", "--network", "none", "--name", "one", "busybox", "true")
    cid = tare("ps", "-aq", "--no-trunc").out.strip()
    tare.fails(*RM, "--name", "one", "busybox", "true", code=125, says=["already in use", cid])
    tare.fails(*RM, "--name", "a/bad", "busybox", "true", code=125, says="invalid container name")
    tare("run", "--network", "none", "--name", "/good", "busybox", "true")
    assert sorted(names(tare)) == ["good", "one"]
    tare("rm", "good", "one")


def test_run_041_043_workdir(tare, busybox):
    tare.fails(*RM, "-w", "/bin/cat", "busybox", "true", code=125, says="not a directory")
    tare.fails(*RM, "-w", "rel", "busybox", "true", code=125, says="absolute path")
    assert tare.run("-w", "/i/do/not/exist/", "busybox", "pwd").out == "/i/do/not/exist\n"
    assert tare.run("-w", "/tmp/../etc//.", "busybox", "pwd").out == "/etc\n"


def test_run_046_at_once(tare, busybox):
    with tare.start(*RM, "busybox", "sleep", "0.3") as a, tare.start(*RM, "busybox", "sleep", "0.3") as b:
        assert a.wait().code == 0 and b.wait().code == 0


def test_usage(tare, busybox):
    tare.fails("run", code=125)
    tare.fails("run", "--bogus", "busybox", "true", code=125, says="--bogus")
    tare.fails("run", "--network", "nosuch", "busybox", "true", code=125, says="network nosuch not found")
    assert tare(*RM, "busybox", "echo", "--name", "-x").out == "--name -x\n"    # options end at the image


def test_cidfile(tare, busybox, tmp):
    f = tmp / "cid"
    cid = tare(*RM, "--cidfile", f, "-h", "x", "busybox", "true") and f.read_text()
    assert len(cid) == 64 and set(cid) <= set("0123456789abcdef")
    tare.fails(*RM, "--cidfile", f, "busybox", "true", code=125, says="container ID file found")
    assert f.exists()
    f.unlink()
    tare.fails(*RM, "--cidfile", f, "-w", "rel", "busybox", "true", code=125)
    assert not f.exists()


# --- signals ---

def test_signals_are_forwarded(tare, busybox):
    script = "for s in HUP INT QUIT USR1 USR2 TERM; do trap \"echo $s\" $s; done; echo ready; while :; do sleep 0.05; done"
    with tare.start("run", "--network", "none", "--name", "sig", "busybox", "sh", "-c", script) as p:
        p.expect("ready")
        for _ in range(2):                                        # the second and later, too
            for s in ("HUP", "INT", "QUIT", "USR1", "USR2", "TERM"):
                before = p.out.count(s + "\n")
                p.kill(getattr(signal, "SIG" + s))
                wait_for(lambda: p.out.count(s + "\n") > before, what=s)
        tare("rm", "-f", "sig")
        assert p.wait().code == 137
    assert names(tare) == []


def test_run_021_term_with_init(tare, busybox):
    with tare.start(*RM, "--init", "busybox", "sh", "-c", "echo up; sleep 30") as p:
        p.expect("up")
        assert p.stop(signal.SIGTERM).code == 143


def test_third_signal_ends_what_ignores_it(tare, busybox):
    with tare.start(*RM, "busybox", "sh", "-c", "echo up; sleep 30; sleep 30") as p:
        p.expect("up")
        for n in range(3):
            p.kill(signal.SIGTERM)
            if n == 0:
                p.expect("does not handle SIGTERM")
            time.sleep(0.05)
        assert p.wait().code == 137


# --- terminals ---

def test_tty(tare, busybox):
    with tare.terminal(*RM, "-it", "busybox", "sh", "-c", "tty; stty size; ls /dev/console; read x; stty size; echo $TERM $x; exit 5",
                       rows=33, cols=99) as t:
        t.expect(r"/dev/pts/0\r\n33 99\r\n/dev/console\r\n")
        raw = termios.tcgetattr(t.fd)
        assert not raw[3] & termios.ECHO and not raw[3] & termios.ISIG
        t.resize(40, 111)
        time.sleep(0.2)
        t.send("word\r")
        t.expect(r"40 111\r\nxterm word\r\n")
        assert t.wait() == 5
        assert termios.tcgetattr(t.fd)[3] & termios.ECHO


def test_tty_keys(tare, busybox):
    with tare.terminal(*RM, "-it", "busybox", "sh", "-c", "trap 'echo INT; cat; exit 3' INT; echo up; while :; do sleep 0.05; done") as t:
        t.expect("up")
        t.send("\x03")                    # a byte to the container's terminal, not a signal to us
        t.expect("INT")
        t.send("abc\r")
        t.expect("abc\r\nabc")
        t.send("\x04")
        assert t.wait() == 3


@pytest.mark.parametrize("end", ["-w /bin/cat busybox true", "busybox nosuch", "nosuch true"])
def test_tty_is_restored_after_failure(tare, busybox, end):
    with tare.terminal(*RM, "-it", *end.split()) as t:
        t.expect("tare: ")
        assert t.wait() in (125, 127)
        assert termios.tcgetattr(t.fd)[3] & termios.ECHO


def test_tty_is_restored_after_a_signal(tare, busybox):
    with tare.terminal(*RM, "-it", "--init", "busybox", "sh", "-c", "echo up; sleep 100") as t:
        t.expect("up")
        os.kill(t.p.pid, signal.SIGTERM)
        assert t.wait() == 143
        assert termios.tcgetattr(t.fd)[3] & termios.ECHO


def test_tty_hangup_ends_the_container(tare, busybox):
    t = tare.terminal("run", "--network", "none", "--name", "hup", "-it", "busybox", "sh", "-c", "echo up; sleep 1000; sleep 1000")
    t.expect("up")
    os.close(t.fd)
    t.p.wait(20 * harness.slow())
    tare("rm", "hup")


def test_input_device_is_not_a_tty(tare, busybox):
    tare.fails(*RM, "-it", "busybox", "true", code=125, says="the input device is not a TTY", input="x")
    assert tare(*RM, "-t", "busybox", "tty").out == "/dev/pts/0\r\n"


def test_terminal_is_not_handed_over(tare, busybox):
    """Without -t the container sees pipes, even if we have a terminal (Docker's behaviour, and safer)."""
    with tare.terminal(*RM, "-i", "busybox", "sh", "-c", "tty; read x; echo got $x; [ -t 1 ] || echo pipe; echo err >&2") as t:
        t.expect("not a tty")
        t.send("word\r")
        t.expect("got word")
        t.expect("pipe.*err")
        assert t.wait() == 0


def test_tty_for_a_user(tare, busybox):
    with tare.terminal(*RM, "-it", "-u", "1000", "busybox", "sh", "-c", "echo one > $(tty); echo two > /dev/stdout") as t:
        t.expect("one.*two")
        assert t.wait() == 0


# --- B: environment, user, capabilities, limits, security ---

def env_of(tare, *options, image="busybox", **kw):
    return dict(l.split("=", 1) for l in tare.run(*options, image, "env", **kw).out.splitlines())


def test_env_defaults(tare, busybox):
    e = env_of(tare, "-h", "box")
    assert e == {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": "box", "HOME": "/root"}
    assert env_of(tare, "-u", "nobody")["HOME"] == "/home"
    assert env_of(tare, "-u", "4242")["HOME"] == "/"
    assert "TERM=xterm" in tare.run("-t", "busybox", "env").out


def test_env_003_009_options(tare, busybox):
    for bad in ("", "=", "=foo"):
        tare.fails(*RM, "-e", bad, "busybox", "true", code=125, says="invalid environment variable:")
    e = env_of(tare, "-e", "LALA=value1", "-e", "LALA=value2", "-e", "HERE", "-e", "GONE", "-e", "HOME=/x", env={"HERE": "yes"})
    assert e["LALA"] == "value2" and e["HERE"] == "yes" and "GONE" not in e and e["HOME"] == "/x"


def test_env_of_the_image(tare, busybox):
    tare.build("FROM busybox\nENV A=image B=image PATH=/bin\n", "-t", "withenv")
    e = env_of(tare, "-e", "B=mine", image="withenv")
    assert e["A"] == "image" and e["B"] == "mine" and e["PATH"] == "/bin"


def test_env_006_file(tare, busybox, tmp):
    f = tmp / "env"
    f.write_text("FOO=a # b\n  K=v  \n#c\nPATHX\nTWICE=file\n")
    e = env_of(tare, "--env-file", f, "-e", "TWICE=option")
    assert e["FOO"] == "a # b" and e["K"] == "v  " and "PATHX" not in e and e["TWICE"] == "option"
    f.write_text("A B=c\n")
    tare.fails(*RM, "--env-file", f, "busybox", "true", code=125, says=f"{f}:1")
    tare.fails(*RM, "--env-file", tmp / "none", "busybox", "true", code=125, says="none")


@pytest.mark.parametrize("user,says", [
    (None, "uid=0(root) gid=0(root) groups=0(root),10(wheel)"), ("root", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
    ("1", "uid=1(daemon) gid=1(daemon) groups=1(daemon)"), ("0", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
    ("7777:", "uid=7777 gid=0(root) groups=0(root)"), (":7777", "uid=0(root) gid=7777 groups=7777"),
    ("1042:1043", "uid=1042 gid=1043 groups=1043"), ("daemon:wheel", "uid=1(daemon) gid=10(wheel) groups=10(wheel)"),
])
def test_usr_001_004(tare, busybox, user, says):
    options = ["-u", user] if user else []
    assert tare.run(*options, "busybox", "id").out.strip() == says


def test_usr_002_range(tare, busybox):
    for bad in ("4294967295", "-1"):
        tare.fails(*RM, "-u", bad, "busybox", "id", code=125, says="uids and gids must be in range")
    tare.fails(*RM, "-u", "nosuch", "busybox", "id", code=125, says="unable to find user nosuch")


def test_usr_005_groups(tare, busybox):
    out = tare.run("--group-add", "www-data", "--group-add", "777", "busybox", "id", "-G").out.split()
    assert out == ["0", "10", "33", "777"]
    tare.fails(*RM, "--group-add", "nosuch", "busybox", "id", code=125, says="nosuch")


def caps(tare, *options):
    lines = sh(tare, "cat /proc/self/status", *options).out.splitlines()
    return {l.split(":")[0]: int(l.split()[1], 16) for l in lines if l.startswith("Cap")}


def test_capabilities(tare, busybox):
    want = 0xa80425fb
    assert caps(tare) == {"CapInh": 0, "CapPrm": want, "CapEff": want, "CapBnd": want, "CapAmb": 0}
    assert caps(tare, "-u", "1000") == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": want, "CapAmb": 0}
    assert caps(tare, "--cap-drop", "all", "--cap-add", "cap_Kill")["CapEff"] == 1 << 5
    assert caps(tare, "--privileged")["CapEff"] & 1 << 21


def test_cap_001_003(tare, busybox):
    for drop in ("MKNOD", "mknod", "ALL"):
        r = sh(tare, "mknod /tmp/sda b 8 0", "--cap-drop", drop, code=1)
        assert "Operation not permitted" in r.err
    tare.fails(*RM, "--cap-add", "CHPASS", "busybox", "ls", code=125, says="CHPASS")
    tare.fails(*RM, "--cap-drop", "CHPASS", "busybox", "ls", code=125, says="CHPASS")


@pytest.mark.root
def test_cap_005_unprivileged_ports_and_ping(tare, busybox):
    r = sh(tare, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; "
           "httpd -p 80 && echo bound", "-u", "1000:1000", "--cap-drop", "ALL")
    assert r.out == "0\n0\t2147483647\nbound\n"


def test_sec_002_namespaces_are_denied(tare, busybox):
    assert "Operation not permitted" in sh(tare, "unshare -m true", code=1).err
    assert sh(tare, "unshare -m true", "--cap-add", "sys_admin", "--security-opt", "seccomp=unconfined")
    assert "Seccomp:\t2" in sh(tare, "cat /proc/self/status").out
    assert "Seccomp:\t0" in sh(tare, "cat /proc/self/status", "--security-opt", "seccomp=unconfined").out


def test_sec_003_no_new_privileges(tare, busybox):
    for opt, want in (("no-new-privileges", 1), ("no-new-privileges=true", 1), ("no-new-privileges:false", 0)):
        assert f"NoNewPrivs:\t{want}" in sh(tare, "cat /proc/self/status", "--security-opt", opt).out
    tare.build("FROM busybox\nRUN mkdir /opt && cp /bin/busybox /opt/su && chmod 4755 /opt/su && sed -i 's/^root:x:/root::/' /etc/passwd\n",
               "-t", "suid")
    assert tare.run("-u", "1000", "suid", "/opt/su", "-c", "id -u").out == "0\n"
    r = tare.run("-u", "1000", "--security-opt", "no-new-privileges=true", "suid", "/opt/su", "-c", "id -u", code=1)
    assert "must be suid" in r.err


def test_seccomp_profile(tare, busybox, tmp):
    f = tmp / "profile.json"
    f.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW",
                             "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}))
    assert "Permission denied" in sh(tare, "mkdir /x", "--security-opt", f"seccomp={f}", code=1).err
    assert "Permission denied" in sh(tare, "mkdir /x", "--privileged", "--security-opt", f"seccomp={f}", code=1).err
    f.write_text("{")
    tare.fails(*RM, "--security-opt", f"seccomp={f}", "busybox", "true", code=125)
    tare.fails(*RM, "--security-opt", f"seccomp={tmp}/none", "busybox", "true", code=125, says="opening seccomp profile")
    tare.fails(*RM, "--security-opt", "potato", "busybox", "true", code=125, says="invalid --security-opt")


def test_sec_005_masks(tare, busybox):
    script = "for f in /sys/kernel/profiling /proc/sysrq-trigger /proc/sys/kernel/panic; do touch $f 2>/dev/null && echo $f; done; " \
             "cat /proc/keys /proc/timer_list; ls /proc/acpi /sys/firmware 2>/dev/null"
    r = sh(tare, script, code=None)
    assert [l for l in r.out.splitlines() if l and not l.endswith(":")] == []
    assert sh(tare, "cat /proc/timer_list | head -1", "--security-opt", "systempaths=unconfined").out != ""


def test_cwd_is_never_a_descriptor_of_ours(tare, busybox):    # CVE-2024-21626
    for n in range(3, 20):
        r = tare.run("-w", f"/proc/self/fd/{n}", "busybox", "ls", "-a", code=None)
        assert r.code == 125 and r.out == ""


def test_nothing_leaks(tare, busybox):
    with open("/etc/passwd") as f:
        os.set_inheritable(f.fileno(), True)
        r = harness.run(tare.argv([*RM, "busybox", "ls", "/proc/self/fd"]), env=tare.env(), pass_fds=[f.fileno()])
    assert r.out.split() == ["0", "1", "2", "3"]
    assert sh(tare, "cat /proc/1/environ | tr '\\0' '\\n' | grep -c TARE", env={"TARE_X": "1"}, code=1).out == "0\n"
    mounts = sh(tare, "cat /proc/self/mountinfo").out
    assert str(tare.root) not in " ".join(l.split()[4] for l in mounts.splitlines())    # no mount point of the host
    assert all(l.split()[4].startswith("/") for l in mounts.splitlines()) and len(mounts.splitlines()) < 60


def test_devices(tare, busybox):
    r = sh(tare, "ls /dev; ls -l /dev/ptmx /dev/fd; for d in null zero full random urandom; do head -c1 /dev/$d >/dev/null || echo bad; done; "
           "for d in / /dev/ /dev/shm/; do mknod ${d}n c 1 3 && cat ${d}n 2>/dev/null && echo bad; done; true")
    assert "bad" not in r.out
    assert set(r.out.split("\n")[:14]) >= {"core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
                                           "stdin", "stdout", "tty", "urandom"}


def test_lim_001_out_of_memory(tare, busybox):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    r = tare("run", "--network", "none", "--name", "oom", "-m", "8m", "busybox", "sh", "-c",
             "x=a; while true; do x=$x$x$x$x; done", code=137)
    assert "more memory than --memory allows" in r.err
    tare("rm", "oom")


def test_lim_002_005_006(tare, busybox):
    tare.fails(*RM, "-m", "524287", "busybox", "true", code=125, says="Minimum memory limit allowed is 6MB")
    tare.fails(*RM, "--cpus", "9999", "busybox", "true", code=125, says="range of CPUs")
    tare.fails(*RM, "--cpus", "x", "busybox", "true", code=125)
    tare.fails(*RM, "-m", "64m", "--memory-swap", "32m", "busybox", "true", code=125)


@pytest.mark.root
def test_lim_005_values(tare, busybox):
    r = sh(tare, "cd /sys/fs/cgroup; cat cpu.max memory.max pids.max 2>/dev/null || "
           "cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes pids/pids.max",
           "--cpus", "0.5", "-m", "64m", "--pids-limit", "20")
    assert r.out.split() == ["50000", "100000", "67108864", "20"]
    assert "Read-only" in sh(tare, "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/memory/x", "-m", "64m", code=1).err


@pytest.mark.root
def test_pids_limit(tare, busybox):
    r = sh(tare, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; true", "--pids-limit", "6", code=None)
    assert "can't fork" in r.err


def test_lim_011_ulimit(tare, busybox):
    assert sh(tare, "ulimit -n; ulimit -Hn", "--ulimit", "nofile=50:60").out == "50\n60\n"
    tare.fails(*RM, "--ulimit", "nofile=60:50", "busybox", "true", code=125, says="soft limit")
    tare.fails(*RM, "--ulimit", "bogus=1", "busybox", "true", code=125, says="invalid ulimit type")


def test_ns_005_006_007_names(tare, busybox):
    r = sh(tare, "hostname; hostname -s; hostname -d; cat /etc/hostname; grep foobar /etc/hosts", "-h", "foobar.example.com", code=None)
    assert r.out.split("\n")[0] == "foobar.example.com" and "foobar" in r.out.split("\n")[1:3]
    r = sh(tare, "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname", "-h", "foobar", "--domainname", "baz.cyphar.com")
    assert r.out == "foobar\nbaz.cyphar.com\n"
    assert "Umask:\t0022" in sh(tare, "cat /proc/self/status").out
    short = sh(tare, "hostname").out.strip()
    assert len(short) == 12 and set(short) <= set("0123456789abcdef")
    tare.fails(*RM, "-h", "a b", "busybox", "true", code=125, says="invalid hostname")


def test_namespaces_are_private(tare, busybox):
    r = sh(tare, "readlink /proc/self/ns/* ; ls -d /proc/[0-9]*")
    ours = {n: os.readlink(f"/proc/self/ns/{n}") for n in ("ipc", "mnt", "net", "pid", "uts")}
    assert not set(r.out.split()) & set(ours.values())
    assert "/proc/1" in r.out and len([l for l in r.out.splitlines() if l.startswith("/proc/")]) <= 3


def test_read_only(tare, busybox):
    r = sh(tare, "touch /x; touch /tmp/x; touch /dev/shm/x && echo shm; echo >/dev/null && echo null", "--read-only")
    assert r.out == "shm\nnull\n" and r.err.count("Read-only file system") == 2
    assert sh(tare, "touch /tmp/x && echo ok", "--read-only", "--tmpfs", "/tmp").out == "ok\n"


def test_shm_size(tare, busybox):
    assert "size=65536k" in sh(tare, "grep /dev/shm /proc/mounts").out
    assert "size=131072k" in sh(tare, "grep /dev/shm /proc/mounts", "--shm-size", "128m").out


def test_files_of_the_network(tare, busybox):
    r = sh(tare, "cat /etc/hosts /etc/resolv.conf", "--add-host", "db:10.1.2.3", "--dns", "192.0.2.1", "-h", "me")
    assert "10.1.2.3\tdb" in r.out.replace(" ", "\t") and "nameserver 192.0.2.1" in r.out
    assert sh(tare, "echo '1.2.3.4 x' >> /etc/hosts && tail -1 /etc/hosts").out == "1.2.3.4 x\n"
    assert sh(tare, "ip -o link | wc -l; ping -c1 -W1 127.0.0.1 >/dev/null && echo up").out == "1\nup\n"
    tare.fails(*RM, "--add-host", "nonsense", "busybox", "true", code=125)


@pytest.mark.root
def test_bridge(tare, busybox):
    """The default network: own addresses, a way to the host, none of it left afterwards (the module's leak check)."""
    r = tare("run", "--rm", "busybox", "sh", "-c", "ip -o -4 addr show eth0; ip route; grep $(hostname) /etc/hosts")
    assert "default via" in r.out and "inet " in r.out


def test_host_network(tare, busybox):
    r = tare("run", "--rm", "--network", "host", "busybox", "readlink", "/proc/self/ns/net")
    if os.geteuid() == 0:
        assert r.out.strip() == os.readlink("/proc/self/ns/net")


# --- D: mounts ---

def test_bind(tare, busybox, tmp):
    (tmp / "d").mkdir()
    (tmp / "d" / "f").write_text("hello")
    assert sh(tare, "cat /m/f; echo new > /m/g", "-v", f"{tmp}/d:/m").out == "hello"
    assert (tmp / "d" / "g").read_text() == "new\n"
    assert "Read-only" in sh(tare, "touch /m/x", "-v", f"{tmp}/d:/m:ro", code=1).err
    assert sh(tare, "cat /some/where/f", "-v", f"{tmp}/d/f:/some/where/f").out == "hello"
    assert sh(tare, "cat /m/f", "-v", "./d:/m", cwd=tmp).out == "hello"
    assert tare.run("-v", f"{tmp}/missing/dir:/m", "busybox", "ls", "/m").out == ""
    assert (tmp / "missing" / "dir").is_dir()                     # made, as Docker does for -v
    tare.fails(*RM, "-v", f"{tmp}/d:/bin/busybox", "busybox", "true", code=125, says="not a directory")


@pytest.mark.root
def test_vol_005_recursive(tare, busybox, tmp, small_disk):
    d = small_disk(1)
    (d / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tare-test", d / "sub"], check=True)
    try:
        (d / "sub" / "f").write_text("nested")
        r = sh(tare, "cat /m/sub/f; touch /m/sub/x /m/x", "-v", f"{d}:/m:ro", code=1)
        assert r.out == "nested" and r.err.count("Read-only") == 2
    finally:
        subprocess.run(["umount", d / "sub"], check=True)


def test_bind_target_stays_in_the_root(tare, busybox, tmp):
    """CVE-2021-30465's kind: links in the image lead nowhere outside."""
    (tmp / "d").mkdir()
    (tmp / "d" / "f").write_text("mine")
    out = tmp / "outside"
    tare.build(f"FROM busybox\nRUN ln -s {out} /abs && ln -s ../../../../../../../..{out} /rel && ln -s /proc/1/root{out} /magic\n", "-t", "links")
    for place in ("abs", "rel"):
        assert tare.run("-v", f"{tmp}/d:/{place}/x", "links", "cat", f"/{place}/x/f").out == "mine"
    tare.run("-v", f"{tmp}/d:/magic/x", "links", "true", code=125)
    assert not out.exists()


def test_vol_001_copy_up(tare, busybox, store):
    tare.build("FROM busybox\nRUN mkdir -p /hello/local && echo w > /hello/local/world && chown -R 1001:1002 /hello && chmod 750 /hello\n"
               "VOLUME /hello/ /empty\n", "-t", "vols")
    r = tare.run("vols", "sh", "-c", "cat /hello/local/world; stat -c '%u:%g %a' /hello /hello/local; grep -c ' /hello \\| /empty ' /proc/mounts")
    assert r.out == "w\n1001:1002 750\n1001:1002 755\n2\n"
    assert os.listdir(store / "volumes") == []                    # --rm takes anonymous ones along
    tare("run", "--network", "none", "--name", "keeps", "-v", "/anon", "vols", "true")
    assert len(os.listdir(store / "volumes")) == 3
    tare("rm", "-v", "keeps")
    assert os.listdir(store / "volumes") == []


def test_vol_002_named(tare, busybox, store):
    tare.build("FROM busybox\nRUN mkdir /foo && echo hello > /foo/f\n", "-t", "foo")
    tare.run("-v", "test:/foo:nocopy", "foo", "cat", "/foo/f", code=1)
    assert tare.run("-v", "test:/foo", "foo", "cat", "/foo/f").out == "hello\n"
    tare.run("-v", "test:/foo", "foo", "sh", "-c", "echo changed > /foo/f")
    assert tare.run("-v", "test:/foo", "foo", "cat", "/foo/f").out == "changed\n"    # filled on first use only
    assert os.listdir(store / "volumes") == ["test"]
    assert tare.run("-v", "test:/bar:ro", "foo", "sh", "-c", "touch /bar/x || cat /bar/f").out == "changed\n"


def test_vol_003_008_conflicts(tare, busybox):
    for a, b in (("/a:/x", "/b:/x"), ("t1:/x", "t2:/x")):
        tare.fails(*RM, "-v", a, "-v", b, "busybox", "true", code=125, says="Duplicate mount point")
    tare.fails(*RM, "--tmpfs", "/run", "-v", "/run:/run", "busybox", "true", code=125, says="Duplicate mount point")
    tare.fails(*RM, "--tmpfs", "/run:foobar", "busybox", "true", code=125, says="foobar")
    tare.fails(*RM, "--tmpfs", "/run:size=x", "busybox", "true", code=125, says="size")


def test_vol_007_009_tmpfs(tare, busybox, tmp):
    line = sh(tare, "grep ' /tmp ' /proc/mounts", "--tmpfs", "/tmp").out
    assert set(line.split()[3].split(",")) >= {"rw", "nosuid", "nodev", "noexec", "relatime"}
    line = sh(tare, "grep ' /tmp ' /proc/mounts", "--tmpfs", "/tmp:rw,size=8192k,exec,size=4096k,noexec").out
    assert "size=4096k" in line and "noexec" in line and "8192" not in line
    (tmp / "f").write_text("x")
    assert sh(tare, "ls /run", "-v", f"{tmp}/f:/run/test", "--tmpfs", "/run").out == "test\n"


def test_vol_015_025_flags(tare, busybox, tmp):
    (tmp / "d").mkdir()
    r = sh(tare, "touch /dev/shm/foo", "--read-only", "-v", f"{tmp}/d:/dev/shm:ro", code=1)
    assert "Read-only file system" in r.err
    (tmp / "d" / "s").write_text("#!/bin/sh\necho ran\n")
    (tmp / "d" / "s").chmod(0o755)
    assert tare.run("-v", f"{tmp}/d:/d", "busybox", "/d/s").out == "ran\n"
    tare.fails(*RM, "-v", f"{tmp}/d:/d:noexec", "busybox", "/d/s", code=126, says="permission denied")


# --- ps, rm ---

def test_ps(tare, busybox):
    for n, code in (("first", 0), ("second", 3)):
        tare("run", "--network", "none", "--name", n, "-l", f"n={n}", "-l", "all=yes", "busybox", "sh", "-c", f"exit {code}", code=code)
    with tare.start("run", "--network", "none", "--name", "third", "busybox", "sh", "-c", "echo up; sleep 1000") as p:
        p.expect("up")
        ps = lambda *a: tare("ps", "--format", "{{.Names}}", *a).out.split()
        assert ps() == ["third"]
        assert ps("-a") == ["third", "second", "first"]               # newest first
        assert ps("-n", "2") == ["third", "second"] and ps("-l") == ["third"]
        assert ps("-f", "exited=3") == ["second"] and ps("-f", "status=exited") == ["second", "first"]
        assert ps("-a", "-f", "name=ir") == ["third", "first"]
        assert ps("-a", "-f", "label=n=first") == ["first"]
        assert ps("-a", "-f", "label=n=first", "-f", "label=all") == ["first"]
        assert ps("-a", "-f", "label=n=first", "-f", "label=n=second") == []
        assert ps("-a", "-f", "before=third", "-f", "since=first") == ["second"]
        assert ps("-a", "-f", "ancestor=busybox") == ["third", "second", "first"] and ps("-a", "-f", "ancestor=nosuch") == []
        tare.fails("ps", "-f", "bogus=1", says="invalid filter")
        tare.fails("ps", "-f", "status=bogus", says="invalid filter")
        rows = [json.loads(l) for l in tare("ps", "-a", "--format", "json").out.splitlines()]
        assert [r["State"] for r in rows] == ["running", "exited", "exited"]
        assert rows[0]["Status"].startswith("Up ") and rows[1]["Status"].startswith("Exited (3) ") and rows[1]["Image"] == "busybox"
        head, *lines = tare("ps", "-a").out.splitlines()
        assert head.split("  ")[0] == "CONTAINER ID" and len(lines) == 3 and lines[1].endswith("second")
        ids = tare("ps", "-aq").out.split()
        full = tare("ps", "-aq", "--no-trunc").out.split()
        assert [f[:12] for f in full] == ids and all(len(f) == 64 for f in full)
        tare.fails("rm", "third", says="container is running")
        assert tare("rm", "-f", "third").out == "third\n"
        assert p.wait().code == 137
    assert tare("rm", ids[1], full[2]).out.split() == [ids[1], full[2]]
    assert names(tare) == []


def test_ps_006_image_that_lost_its_name(tare, busybox, busybox_tar):
    tare("run", "--network", "none", "--name", "old", "busybox", "true")
    assert tare("ps", "-a", "--format", "{{.Image}}").out == "busybox\n"
    tare.build("FROM busybox\nLABEL a=b\n", "-t", "busybox")
    shown = tare("ps", "-a", "--format", "{{.Image}}").out.strip()
    assert len(shown) == 12 and set(shown) <= set("0123456789abcdef")
    tare("rm", "old")


def test_rm_errors(tare, busybox):
    tare.fails("rm", "nosuch", says="No such container: nosuch")
    tare("run", "--network", "none", "--name", "there", "busybox", "true")
    r = tare("rm", "nosuch", "there", code=1)
    assert r.out == "there\n" and names(tare) == []
    assert tare("rm", "-f", "nosuch").out == ""


def test_container_keeps_layers(tare, busybox):
    """gc takes nothing that a container's record names."""
    tare.build("FROM busybox\nRUN echo kept > /f\n", "-t", "img")
    tare("run", "--network", "none", "--name", "user", "img", "true")
    tare("rmi", "-f", "img", code=None)
    tare("gc", "--all")
    assert names(tare) == ["user"]
    tare("rm", "user")


# --- dying ---

def monitor(tare, name):
    """The pid of a container's monitor: its process 1 is that one's child."""
    pid = tare.inspect(name)["State"]["Pid"]
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def crash(tare, options, script):
    with tare.start("run", "--network", "none", "--name", "crash", *options, "busybox", "sh", "-c", script) as p:
        p.expect("up")
        os.kill(monitor(tare, "crash"), signal.SIGKILL)
        assert p.wait().code == 137


@pytest.mark.parametrize("script", ["echo up; exec sleep 98761", "echo up; exec su -s /bin/sh daemon -c 'exec sleep 98761'"])
def test_kill_9_of_the_monitor_leaves_nothing(tare, busybox, store, script):
    """Also where process 1 has changed its user, which clears PDEATHSIG: then it is the keeper's work."""
    crash(tare, ["-m", "64m"] if os.geteuid() == 0 else [], script)
    wait_for(lambda: not [p for p in processes("98761")], what="the container's end")
    assert tare("ps", "-a", "--format", "{{.Names}} {{.Status}}").out == "crash Exited (137)\n"
    tare("rm", "crash")
    assert containers(store) == []


def test_kill_9_of_the_monitor_with_rm(tare, busybox, store):
    crash(tare, ["--rm"], "echo up; exec sleep 98762")
    wait_for(lambda: not processes("98762"))
    assert names(tare) == [] and containers(store) == []


def test_kill_9_of_the_command_lets_it_run(tare, busybox, store):
    with tare.start("run", "--rm", "--network", "none", "--name", "stays", "-i", "busybox", "sh", "-c",
                    "echo up; sleep 98765", stdin=subprocess.PIPE) as p:
        p.expect("up")
        os.kill(p.pid, signal.SIGKILL)
        p.wait()
    assert tare("ps", "--format", "{{.Names}} {{.State}}").out == "stays running\n"
    assert tare("logs", "stays").out == "up\n"
    tare("rm", "-f", "stays")
    wait_for(lambda: not processes("98765"))
    assert containers(store) == []


def kill_monitors():
    for pid in leaks.children():
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() in ("tare-monitor", "tare"):
                os.kill(pid, signal.SIGKILL)


def test_kill_9_at_any_moment(tare, busybox, store):
    """Forty runs, command and monitor killed a little later than the one before: no process, no mount, no record stays."""
    for n in range(40):
        p = subprocess.Popen(tare.argv([*RM, "busybox", "sleep", "98763"]), env=tare.env(), start_new_session=True,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(n * 0.0007)
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        kill_monitors()
    wait_for(lambda: not processes("98763"), what="the containers' end")
    assert names(tare) == []
    assert containers(store) == []
    assert tare(*RM, "busybox", "echo", "fine").out == "fine\n"


def test_many(tare, busybox, store):
    """Two hundred, eight at a time; the command of a quarter of them is killed."""
    script = f"""
    i=0
    while [ $i -lt 25 ]; do
        i=$((i+1))
        if [ $((i % 4)) = 0 ]; then
            {tare.binary} run --rm --network none busybox sleep 98764 & p=$!
            sleep 0.0$((i % 3 + 1)); kill -9 $p; wait $p 2>/dev/null
        else
            {tare.binary} run --rm --network none busybox true || echo bad
        fi
    done"""
    ps = [subprocess.Popen(["sh", "-c", script], env=tare.env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(8)]
    assert [p.communicate(timeout=120 * harness.slow())[0] for p in ps] == [b""] * 8
    time.sleep(0.2)                                               # for those that are just starting
    left = tare("ps", "-aq").out.split()
    if left:
        tare("rm", "-f", *left, code=None)
    wait_for(lambda: not processes("98764"))
    assert names(tare) == [] and containers(store) == []


# --- an ordinary user ---

@pytest.mark.parametrize("kind", ["user", "user_single"])
def test_as_a_user(as_user, busybox_tar, request, kind):
    u = request.getfixturevalue(kind)
    tare = as_user(u)
    tare("import", busybox_tar, "busybox")
    assert tare.run("busybox", "id", "-u").out == "0\n"
    assert sh(tare, "exit 9", code=9)
    assert sh(tare, "echo x > /dev/null; touch /root/f /dev/shm/f; cat /proc/self/uid_map | wc -l").code == 0
    d = tare.context({"f": "text"})
    assert sh(tare, "cat /m/f; echo new > /m/g", "-v", f"{d}:/m", "-v", "vol:/v").out == "text"
    assert (d / "g").stat().st_uid == u.uid
    assert tare("run", "--rm", "--network", "host", "busybox", "sh", "-c", "ls /sys | grep -c kernel").out == "1\n"
    r = tare("run", "--rm", "busybox", "true")
    assert r.err == "" or "network" in r.err                      # said plainly where only the host's can be had
    with tare.terminal(*RM, "-it", "busybox", "tty") as t:
        t.expect("/dev/pts/0")
        assert t.wait() == 0
    if u.ranges:
        assert tare.run("-u", "daemon", "busybox", "id", "-u").out == "1\n"
        assert tare.run("--group-add", "777", "busybox", "id", "-G").out.split()[-1] == "777"
    else:
        r = tare.fails(*RM, "-u", "daemon", "busybox", "id", code=125)
        assert "subuid" in r.err
    assert names(tare) == []
