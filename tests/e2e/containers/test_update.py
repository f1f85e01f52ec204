# SPDX-License-Identifier: Apache-2.0
"""pause, unpause, update. Names bear the numbers of the case list."""
import os
import pathlib
import time

import pytest

from harness import alive, wait_for

NONE = ("--network", "none")
TICK = "while :; do echo tick; sleep 0.05; done"


def frozen(box, name):
    """Nothing is written any more."""
    before = box.logs(name)
    time.sleep(0.3)
    return box.logs(name) == before


@pytest.mark.root
@pytest.mark.parametrize("options", [[], ["-m", "64m"]])
def test_pause_and_unpause(box, options):
    box.sh(f"({TICK}) & {TICK}", *options, name="pp")
    box.wait_logs("pp", "tick")
    assert box("pause", "pp").out == "pp\n"
    assert box.status("pp") == "paused" and box.state("pp")["Paused"] is True and box.state("pp")["Running"] is True
    assert frozen(box, "pp")
    assert "(Paused)" in box("ps", "--format", "{{.Status}}").out and box("ps", "-q", "-f", "status=paused").out
    box.fails("pause", "pp", says="is already paused")
    box.fails("attach", "pp", says="You cannot attach to a paused container, unpause it first")
    assert box("unpause", "pp").out == "pp\n"
    wait_for(lambda: not frozen(box, "pp"))
    assert box.status("pp") == "running"
    box.fails("unpause", "pp", says="is not paused")
    box("stop", "-t", "0", "pp")
    box.fails("pause", "pp", says="is not running")


@pytest.mark.root
def test_stop_005_of_a_paused_one(box):
    box.sh("trap 'exit 4' TERM; echo up; while :; do sleep 0.02; done", name="pp")
    box.wait_logs("pp", "up")
    box("pause", "pp")
    box("stop", "pp")
    assert box.state("pp")["ExitCode"] == 4 and box.status("pp") == "exited"
    box("start", "pp")
    box("pause", "pp")
    box("rm", "-f", "pp")
    assert box.names() == []


@pytest.mark.root
def test_monitor_of_a_paused_one_is_killed(box):
    box.sh("sleep 98780", name="pp")
    box("pause", "pp")
    pid = box.state("pp")["Pid"]
    os.kill(box.monitor("pp"), 9)
    wait_for(lambda: not alive(pid))
    assert box.status("pp") == "exited"


def limits(pid):
    """Memory, processor quota, number of processes that hold for a process: by cgroups of either version."""
    at = {}
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for n in names.split(","):
            at[n] = path
    top = pathlib.Path("/sys/fs/cgroup")

    def value(controller, v1, v2):
        file = top / controller / at[controller].lstrip("/") / v1 if controller in at else top / at[""].lstrip("/") / v2
        return file.read_text().split()[0] if file.exists() else None
    return (value("memory", "memory.limit_in_bytes", "memory.max"), value("cpu", "cpu.cfs_quota_us", "cpu.max"),
            value("pids", "pids.max", "pids.max"))


@pytest.mark.root
def test_lim_016_memory(box):
    box.sh("sleep 100", "-m", "300M", name="uu")
    assert box("update", "-m", "500M", "uu").out == "uu\n"
    assert box.tare.inspect("uu")["HostConfig"]["Memory"] == 524288000
    assert limits(box.state("uu")["Pid"])[0] == "524288000"
    box("restart", "-t", "0", "uu")
    assert limits(box.state("uu")["Pid"])[0] == "524288000"
    box.fails("update", "-m", "2g", "uu", says="update the memoryswap at the same time")
    box("update", "-m", "2g", "--memory-swap", "-1", "uu")
    assert limits(box.state("uu")["Pid"])[0] == str(2 << 30)
    box("update", "-m", "64m", "--memory-swap", "128m", "uu")
    assert limits(box.state("uu")["Pid"])[0] == str(64 << 20)


@pytest.mark.root
def test_update_of_what_had_no_limits(box):
    """Its processes move to the new cgroup, later ones are born there, and nothing of it stays."""
    box.sh("sleep 100 & echo up; while :; do sleep 0.05; done", name="uu")
    box.wait_logs("uu", "up")
    box("update", "--cpus", "0.5", "--pids-limit", "20", "uu")
    pid = box.state("uu")["Pid"]
    assert limits(pid)[1:] == ("50000", "20")
    box("update", "-m", "100m", "--pids-limit", "-1", "uu")
    assert limits(pid) == (str(100 << 20), "50000", "max")
    h = box.tare.inspect("uu")["HostConfig"]
    assert (h["NanoCpus"], h["PidsLimit"], h["Memory"]) == (500000000, -1, 100 << 20)
    box("rm", "-f", "uu")


def test_update_errors(box):
    box.sh("sleep 100", name="uu")
    box.fails("update", "uu", says="one or more flags")
    box.fails("update", "-m", "1k", "uu", says="Minimum memory limit allowed is 6MB")
    box.fails("update", "--cpus", "9999", "uu", says="CPUs")
    box.fails("update", "--restart", "maybe", "uu", says="unknown policy")
    box.fails("update", "--pids-limit", "10", "nosuch", says="No such container")
    assert box.tare.inspect("uu")["HostConfig"]["Memory"] == 0


def test_lim_019_policy_of_an_auto_removed_one(box):
    cid = box.sh("sleep 100", "--rm")
    box.fails("update", "--restart", "always", cid,
              says="Restart policy cannot be updated because AutoRemove is enabled for the container")


def test_rst_007_policy(box):
    cid = box.sh("sleep 0.3 && false", "--restart=on-failure:1")
    box("update", "--restart", "on-failure:3", cid)
    box.wait_status(cid, "exited")
    assert box.tare.inspect(cid)["RestartCount"] == 3


def test_update_of_a_stopped_one(box):
    box("create", *NONE, "--name", "uu", "busybox", "sleep", "100")
    box("update", "--restart", "unless-stopped", "uu")
    assert box.tare.inspect("uu")["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def value(box, name, file_v1, file_v2):
    """A limit's file as the container itself sees it: "controller/file" or, of version 2, "file"."""
    return box("exec", name, "sh", "-c", f"cd /sys/fs/cgroup; cat {file_v1} 2>/dev/null || cat {file_v2}").out.strip()


@pytest.mark.root
def test_update_every_limit(box):
    box.up("-m", "64m", "--cpu-shares", "100", "--cpu-quota", "50000", "--pids-limit", "50", "--cpuset-cpus", "0",
           "busybox", "sleep", "300", name="up")
    box("update", "--cpu-shares", "2048", "--cpu-quota", "20000", "--cpu-period", "40000", "--memory-reservation", "32m",
        "--cpuset-mems", "0", "up")
    host = box.tare.inspect("up")["HostConfig"]
    assert (host["CpuShares"], host["CpuQuota"], host["CpuPeriod"], host["MemoryReservation"], host["CpusetMems"]) == (
        2048, 20000, 40000, 32 << 20, "0")
    assert value(box, "up", "cpu/cpu.shares", "cpu.weight") in ("2048", "170", "171", "156")
    assert value(box, "up", "cpu/cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"
    assert value(box, "up", "memory/memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)
    assert value(box, "up", "cpuset/cpuset.mems", "cpuset.mems") == "0"
    box("update", "--cpu-quota", "-1", "up")
    assert value(box, "up", "cpu/cpu.cfs_quota_us", "cpu.max").split()[0] in ("-1", "max")
    box.fails("update", "--memory-reservation", "128m", "up", says="Minimum memory limit can not be less than memory reservation")
    box.fails("update", "--cpu-quota", "10", "up", says="CPU cfs quota can not be less than 1ms")
    assert box.tare.inspect("up")["HostConfig"]["CpuQuota"] == -1


@pytest.mark.root
def test_lim_018_quota_beside_cpus(box):
    box("create", "--name", "nano", *NONE, "--cpus", "0.5", "busybox", "true")
    box.fails("update", "--cpu-quota", "80000", "nano", says="CPU Quota cannot be updated as NanoCPUs has already been set")
    box.fails("update", "--cpu-period", "80000", "nano", says="CPU Period cannot be updated as NanoCPUs has already been set")
    box("create", "--name", "quota", *NONE, "--cpu-quota", "50000", "busybox", "true")
    box.fails("update", "--cpus", "0.5", "quota", says="Nano CPUs cannot be updated as CPU Quota has already been set")
