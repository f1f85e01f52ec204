# SPDX-License-Identifier: Apache-2.0
"""Capabilities, the system call filter and resource limits, as a container's process meets them."""
import re
import resource

import pytest

root = pytest.mark.root
DEFAULT = "00000000a80425fb"         # what Docker's containers have


def caps(r):
    return dict(re.findall(r"^(Cap\w+):\s+(\w+)$", r.out, re.M))


def test_default_capabilities(tare, busybox):
    got = caps(tare.run(busybox, "cat", "/proc/self/status"))
    assert got["CapEff"] == got["CapPrm"] == got["CapBnd"] == DEFAULT
    assert int(got["CapInh"], 16) == int(got["CapAmb"], 16) == 0
    got = caps(tare.run("--user", "1000", busybox, "cat", "/proc/self/status"))
    assert int(got["CapEff"], 16) == int(got["CapPrm"], 16) == 0 and got["CapBnd"] == DEFAULT


@pytest.mark.parametrize("args,eff", [
    (["--cap-add", "sys_admin"], int(DEFAULT, 16) | 1 << 21),
    (["--cap-drop", "CAP_MKNOD", "--cap-drop", "chown"], int(DEFAULT, 16) & ~(1 << 27 | 1)),
    (["--cap-drop", "all"], 0),
    (["--cap-drop", "ALL", "--cap-add", "CHOWN"], 1),
])
def test_added_and_dropped(tare, busybox, args, eff):
    assert int(caps(tare.run(*args, busybox, "cat", "/proc/self/status"))["CapEff"], 16) == eff


@pytest.mark.parametrize("drop", ["MKNOD", "mknod", "ALL"])
def test_dropped_mknod(tare, busybox, drop):
    """cap-001"""
    r = tare.run("--cap-drop", drop, busybox, "mknod", "/tmp/sda", "b", "8", "0", code=1)
    assert "Operation not permitted" in r.err


@pytest.mark.parametrize("option", ["--cap-add", "--cap-drop"])
def test_unknown_capability(tare, busybox, option):
    """cap-003"""
    r = tare("run", "--rm", option, "CHPASS", busybox, "echo", "ran", code=125)
    assert "CHPASS" in r.err and r.out == ""


def test_filter(tare, busybox):
    """sec-002: no new namespaces without SYS_ADMIN"""
    assert "Operation not permitted" in tare.run(busybox, "unshare", "-m", "true", code=1).err
    tare.run("--cap-add", "sys_admin", busybox, "unshare", "-m", "true")
    assert tare.run(busybox, "grep", "Seccomp:", "/proc/self/status").out.split() == ["Seccomp:", "2"]
    r = tare.run("--security-opt", "seccomp=unconfined", busybox, "grep", "Seccomp:", "/proc/self/status")
    assert r.out.split() == ["Seccomp:", "0"]


def test_own_filter(tare, busybox, tmp):
    profile = tmp / "profile.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"],'
                       ' "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}')
    r = tare.run("--security-opt", f"seccomp={profile}", busybox, "mkdir", "/x", code=1)
    assert "No space left" in r.err
    profile.write_text('{"defaultAction": "SCMP_ACT_SING"}')
    tare.fails("run", "--rm", "--network", "none", "--security-opt", f"seccomp={profile}", busybox, "true", code=125,
               says="SCMP_ACT_SING")


@root
def test_memory(tare, busybox):
    """lim-001"""
    r = tare.run("-m", "8m", busybox, "sh", "-c", "x=a; while true; do x=$x$x$x$x; done", code=137)
    assert "memory" in r.err.lower()
    tare.fails("run", "--rm", "-m", "524287", busybox, "true", code=125, says="Minimum memory limit allowed is 6MB")


@root
def test_processes(tare, busybox):
    r = tare.run("--pids-limit", "5", busybox, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo $!",
                 code=None)
    assert "can't fork" in r.err
    assert tare.run(busybox, "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do true & done; wait; echo ok").out == "ok\n"


@root
def test_processors(tare, busybox):
    tare.run("--cpus", "0.5", busybox, "true")
    tare.fails("run", "--rm", "--cpus", "1000", busybox, "true", code=125, says="ange of CPUs is from 0.01")
    r = tare.run("--cpuset-cpus", "0", busybox, "grep", "Cpus_allowed_list", "/proc/self/status")
    assert r.out.split() == ["Cpus_allowed_list:", "0"]
    tare.fails("run", "--rm", "--cpuset-cpus", "4000", busybox, "true", code=125, says="Requested CPUs are not available")


def test_limits_of_ordinary_users(user, as_user, busybox_tar):
    """Without a delegated cgroup a limit is refused with a remedy; without limits nothing is said."""
    t = as_user(user)
    t("import", busybox_tar, "busybox")
    assert t.run("busybox", "echo", "ok").err == ""
    r = t.run("-m", "32m", "busybox", "echo", "ok", code=None)
    assert (r.code, r.out) == (0, "ok\n") or (r.code == 125 and "hint:" in r.err and r.out == "")


def test_more_layers_than_open_files(tare, busybox):
    """A chain of 400 layers with a soft limit of 256 open files: it is raised for the build, steps get the old one."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    chain = "".join(f"WORKDIR /d{i}\n" for i in range(400))
    tare("build", "-t", "deep", tare.context({"Dockerfile": f"FROM busybox\n{chain}RUN ulimit -Sn >/soft && test -d /d0\n"}),
         preexec_fn=few)
    assert tare.files("deep")["soft"].data == b"256\n"
    assert tare("run", "--rm", "--network", "none", "deep", "sh", "-c", "ls -d /d* | wc -l").out == "401\n"
