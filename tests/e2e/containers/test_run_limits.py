# SPDX-License-Identifier: Apache-2.0
"""What a container may use and see (cases lim-*, ns-*, sec-004)."""
import os

import pytest

import harness
from kit import running

RUN = ("run", "--rm", "--network", "none")


def sh(tare, script, *options, **kw):
    return tare.run(*options, "busybox", "sh", "-c", script, **kw)


def cgroup(tare, name, *options):
    """A file of the container's own cgroup, by the names of version 1 and 2."""
    v1, v2 = name
    return sh(tare, f"cat /sys/fs/cgroup/{v1} 2>/dev/null || cat /sys/fs/cgroup/{v2}", *options).out.strip()


@pytest.mark.parametrize("options,says", [
    (["--memory-swappiness", "101"], "Valid memory swappiness range is 0-100".lower()),              # lim-004
    (["--memory-swappiness", "-10"], "valid memory swappiness range is 0-100"),
    (["--cpus", "0.5", "--cpu-quota", "50000", "--cpu-period", "100000"],
     "conflicting options: nano cpus and cpu period cannot both be set"),                            # lim-006
    (["--cpus", "0.5", "--cpu-quota", "50000"], "conflicting options: nano cpus and cpu quota cannot both be set"),
    (["--cpu-period", "900"], "cpu cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
    (["--cpu-period", "2000000"], "cpu cfs period can not be"), (["--cpu-period", "-3"], "cpu cfs period can not be"),
    (["--cpu-quota", "10"], "cpu cfs quota can not be less than 1ms"),
    (["--memory-reservation", "1m"], "minimum memory reservation allowed is 6mb"),
    (["--memory-reservation", "20m", "-m", "10m"], "can not be less than memory reservation"),
    (["-m", "524287"], "minimum memory limit allowed is 6mb"),                                       # lim-002
    (["--cpuset-cpus", "999"], "requested cpus are not available"),                                  # lim-008
    (["--oom-score-adj", "1001"], "invalid value 1001, range for oom score adj is [-1000, 1000]"),   # lim-015
    (["--oom-score-adj", "-1001"], "invalid value -1001, range for oom score adj is [-1000, 1000]"),
    (["--sysctl", "kernel.foobar=1"], "invalid argument"), (["--sysctl", "vm.swappiness=1"], "is not allowed"),
    (["--sysctl", "net.ipv4.ip_forward"], "is not allowed"), (["--sysctl", "net.ipv4/../../x=1"], "is not allowed"),
    (["--ipc", "invalid"], "invalid ipc mode: invalid"), (["--pid", "invalid"], "invalid pid mode: invalid"),
    (["--uts", "invalid"], "invalid uts mode: invalid"), (["--cgroupns", "invalid"], "mode: invalid"),
    (["--userns", "invalid"], "invalid user mode: invalid"), (["--pid", "container:"], "invalid pid mode: container:"),
    (["--ulimit", "nofile=9:8"], "soft limit must be less than or equal to hard limit"),
    (["--ulimit", "nosuch=1"], "invalid ulimit type"),
    (["--cap-add", "CHPASS"], "chpass"), (["--cap-drop", "CHPASS"], "chpass"),                       # cap-003
    (["--security-opt", "writable-cgroups=1"], "invalid --security-opt"),                            # sec-004
    (["--security-opt", "writable-cgroups=potato"], "invalid --security-opt"),
    (["--security-opt", "writeable-cgroups=true"], "invalid --security-opt"),
    (["-e", "=foo"], "invalid environment variable"), (["-e", "="], "invalid environment variable"), # env-003
    (["-u", "2147483648000"], "uids and gids must be in range"), (["-u", "-1"], "uids and gids must be in range"),
])
def test_refused(tare, busybox, options, says):
    r = tare.fails(*RUN, *options, "busybox", "true", code=125)
    assert says in r.err.lower()
    assert tare("ps", "-aq").out == ""


def test_lim_005_processor_time(tare, busybox):
    quota = ("cpu/cpu.cfs_quota_us", "cpu.max")
    assert cgroup(tare, quota, "--cpus", "0.5") in ("50000", "50000 100000")
    assert cgroup(tare, quota, "--cpu-quota", "20000", "--cpu-period", "40000") in ("20000", "20000 40000")
    assert cgroup(tare, ("cpu/cpu.cfs_period_us", "cpu.max"), "--cpu-period", "40000") in ("40000", "max 40000")
    assert cgroup(tare, ("cpu/cpu.shares", "cpu.weight"), "-c", "512") in ("512", "59")
    tare("create", "--name", "cc", "--cpus", "0.5", "busybox", "true")
    host = tare.inspect("cc")["HostConfig"]
    assert (host["NanoCpus"], host["CpuQuota"], host["CpuPeriod"]) == (500000000, 0, 0)


def test_memory(tare, busybox):
    assert cgroup(tare, ("memory/memory.soft_limit_in_bytes", "memory.low"), "--memory-reservation", "32m") == str(32 << 20)
    assert cgroup(tare, ("memory/memory.limit_in_bytes", "memory.max"), "-m", "64m", "--memory-reservation", "32m") == \
        str(64 << 20)
    if os.path.isdir("/sys/fs/cgroup/memory"):
        assert cgroup(tare, ("memory/memory.swappiness", ""), "-m", "64m", "--memory-swappiness", "7") == "7"
        assert cgroup(tare, ("memory/memory.memsw.limit_in_bytes", ""), "-m", "64m", "--memory-swap", "96m") == \
            str(96 << 20)
    assert cgroup(tare, ("cpuset/cpuset.mems", "cpuset.mems"), "--cpuset-mems", "0") == "0"
    assert cgroup(tare, ("cpuset/cpuset.cpus", "cpuset.cpus"), "--cpuset-cpus", "0") == "0"
    assert cgroup(tare, ("pids/pids.max", "pids.max"), "--pids-limit", "33") == "33"


def test_lim_001_out_of_memory(tare, busybox):
    r = tare("run", "--name", "cc", "--network", "none", "-m", "8MB", "busybox", "sh", "-c",
             "x=a; while true; do x=$x$x$x$x; done", code=137)
    state = tare.inspect("cc")["State"]
    assert state["OOMKilled"] is True and state["ExitCode"] == 137
    assert "memory" in r.err


def test_lim_013_sysctls(tare, busybox):
    assert sh(tare, "cat /proc/sys/net/ipv4/ip_forward", "--sysctl", "net.ipv4.ip_forward=0").out == "0\n"
    assert sh(tare, "cat /proc/sys/net/ipv4/ip_forward", "--sysctl", "net.ipv4.ip_forward=1").out == "1\n"
    assert sh(tare, "cat /proc/sys/kernel/msgmax", "--sysctl", "kernel.msgmax=4096").out == "4096\n"
    tare.fails("run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "busybox", "true", code=125,
               says="not allowed in host network namespace")
    tare.fails(*RUN, "--sysctl", "net.ipv4.no_such_thing=1", "busybox", "true", code=125, says="no_such_thing")


def test_lim_014_shm(tare, busybox):
    assert "size=65536k" in sh(tare, "mount | grep /dev/shm").out
    assert "size=1048576k" in sh(tare, "mount | grep /dev/shm", "--shm-size", "1G").out
    tare("create", "--name", "cc", "--shm-size", "1G", "busybox", "true")
    assert tare.inspect("cc")["HostConfig"]["ShmSize"] == 1 << 30


def test_oom_score(tare, busybox):
    assert sh(tare, "cat /proc/self/oom_score_adj", "--oom-score-adj", "500").out == "500\n"


def test_namespaces(tare, busybox):
    host = {n: os.readlink(f"/proc/self/ns/{n}") for n in ("uts", "ipc", "cgroup", "pid", "mnt")}

    def ns(name, *options):
        return sh(tare, f"readlink /proc/self/ns/{name}", *options).out.strip()
    for name in host:
        assert ns(name) != host[name]
    assert ns("uts", "--uts", "host") == host["uts"]
    assert ns("ipc", "--ipc", "host") == host["ipc"]
    assert ns("ipc", "--ipc", "private") != host["ipc"]
    assert ns("cgroup", "--cgroupns", "host") == host["cgroup"]
    assert sh(tare, "ls -d /dev/shm", "--ipc", "none", code=1)
    assert sh(tare, "hostname", "--uts", "host").out.strip() == os.uname().nodename
    assert sh(tare, "hostname; cat /proc/sys/kernel/domainname", "--hostname", "foobar", "--domainname",
              "baz.cyphar.com").out == "foobar\nbaz.cyphar.com\n"                                     # ns-006


def test_sec_004_writable_cgroups(tare, busybox):
    make = "d=/sys/fs/cgroup; [ -d $d/pids ] && d=$d/pids; mkdir $d/below && rmdir $d/below"
    limit = ("--pids-limit", "50")
    sh(tare, make, "--security-opt", "writable-cgroups", *limit)
    sh(tare, make, "--security-opt", "writable-cgroups=true", *limit)
    for options in ([], ["--security-opt", "writable-cgroups=false"]):
        assert "Read-only file system" in sh(tare, make, *options, *limit, code=1).err
