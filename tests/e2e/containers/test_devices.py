# SPDX-License-Identifier: Apache-2.0
"""GPUs and devices by CDI name: run, RUN --device, cdi list and generate. There is no GPU: files and drivers are made up."""
import json
import os

import pytest

RM = ("run", "--rm", "--network", "none")
SPEC = {
    "cdiVersion": "0.7.0", "kind": "vendor.com/gpu", "containerEdits": {"env": ["FOO=all"]},
    "annotations": {"org.mobyproject.buildkit.device.class": "fast"},
    "devices": [
        {"name": "0", "containerEdits": {"env": ["FOO=injected"],
                                         "deviceNodes": [{"path": "/dev/fake-gpu0", "hostPath": "/dev/null"}],
                                         "additionalGIDs": [0, 4242],
                                         "mounts": [{"hostPath": "/proc/version", "containerPath": "/opt/drv/version",
                                                     "options": ["ro", "bind"]}]}},
        {"name": "1", "containerEdits": {"deviceNodes": [{"path": "/dev/fake-gpu1", "type": "c", "major": 1, "minor": 5}]}},
    ],
}


@pytest.fixture
def cdi(tmp_path, monkeypatch):
    """Where CDI files are looked for; a function that writes one."""
    d = tmp_path / "cdi"
    d.mkdir()
    monkeypatch.setenv("CDI_SPEC_DIRS", str(d))
    monkeypatch.setenv("TARE_DRIVER_ROOT", str(tmp_path / "nothing"))

    def write(spec, name="a.json"):
        (d / name).write_text(spec if isinstance(spec, str) else json.dumps(spec))
        os.chmod(d / name, 0o644)
        return d / name
    os.chmod(tmp_path, 0o755)
    write.env = {"CDI_SPEC_DIRS": str(d), "TARE_DRIVER_ROOT": str(tmp_path / "nothing")}
    return write


def hooked(*hooks):
    return {"cdiVersion": "0.7.0", "kind": "vendor.com/gpu", "devices": [{"name": "0", "containerEdits": {"hooks": list(hooks)}}]}


def hook(when, script, **more):
    return {"hookName": when, "path": "/bin/sh", "args": ["sh", "-c", script], **more}


def test_cdi_injects(tare, busybox, cdi):
    cdi(SPEC)
    out = tare(*RM, "--device", "vendor.com/gpu=0", "-u", "1000", "busybox", "sh", "-c",
               "echo $FOO; id -G; ls -l /dev/fake-gpu0; cat /opt/drv/version; touch /opt/drv/version; ls /dev/fake-gpu1",
               env=cdi.env, code=1).out.splitlines()
    assert out[0] == "injected" and "4242" in out[1].split() and "1,   3" in out[2]
    assert out[3] == open("/proc/version").read().strip()
    out = tare(*RM, "--device", "vendor.com/gpu=1", "busybox", "sh", "-c", "echo $FOO; head -c1 /dev/fake-gpu1 | od -b",
               env=cdi.env).out.splitlines()
    assert out[0] == "all" and out[1].split() == ["0000000", "000"]


def test_cdi_004_007_unknown_devices(tare, busybox, cdi):
    cdi(SPEC)
    cdi("{", "broken.yaml")
    cdi({**SPEC, "kind": "other.com/gpu", "cdiVersion": "0.3.0"}, "old.json")
    tare.fails(*RM, "--device", "vendor.com/gpu=7", "--device", "no.com/x=y", "busybox", "true", env=cdi.env, code=125,
               says="unresolvable CDI devices vendor.com/gpu=7, no.com/x=y")
    r = tare("cdi", "list", env=cdi.env)
    assert r.out.split() == ["vendor.com/gpu=0", "vendor.com/gpu=1"]
    assert "broken.yaml: line" in r.err and "old.json: cdiVersion 0.3.0 is too old" in r.err
    assert tare("ps", "-aq").out == ""


def test_cdi_009_no_gpu(tare, busybox, cdi):
    r = tare.fails(*RM, "--gpus", "1", "busybox", "true", env=cdi.env, code=125,
                   says='could not select device driver "" with capabilities: [[gpu]]')
    assert "/dev/nvidia0" in r.err
    tare.fails(*RM, "--gpus", "count=1,device=0", "busybox", "true", env=cdi.env, code=125,
               says="cannot set both Count and DeviceIDs on device request")


def driver(top):
    """What NVIDIA's installer leaves, where only its place matters."""
    lib = top / "usr/lib/x86_64-linux-gnu"
    for d in ("dev", "proc/driver/nvidia", "usr/bin"):
        (top / d).mkdir(parents=True)
    lib.mkdir(parents=True)
    for n in ("nvidia0", "nvidia1", "nvidiactl"):
        os.mknod(top / "dev" / n, 0o20666, os.makedev(1, 3))
    (top / "proc/driver/nvidia/version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.1.05  Sat\n")
    (lib / "libcuda.so.535.1.05").write_text("cuda\n")
    (lib / "libcuda.so.1").symlink_to("libcuda.so.535.1.05")
    (top / "usr/bin/nvidia-smi").write_text("#!/bin/sh\necho made up\n")
    os.chmod(top / "usr/bin/nvidia-smi", 0o755)


@pytest.mark.root
def test_gpus_without_cdi_files(tare, busybox, cdi, tmp_path):
    driver(tmp_path / "drv")
    env = {**cdi.env, "TARE_DRIVER_ROOT": str(tmp_path / "drv")}
    look = "ls /dev | grep nvidia | tr '\\n' ' '; nvidia-smi; cat /usr/lib/libcuda.so.1; echo $NVIDIA_VISIBLE_DEVICES"
    run = lambda which: tare(*RM, "--gpus", which, "busybox", "sh", "-c", look, env=env).out.splitlines()
    assert run("all") == ["nvidia0 nvidia1 nvidiactl made up", "cuda", "void"]
    assert run("device=1")[0] == "nvidia1 nvidiactl made up"
    assert run("1")[0] == "nvidia0 nvidiactl made up"
    tare.fails(*RM, "--gpus", "3", "busybox", "true", env=env, code=125, says="unresolvable CDI devices nvidia.com/gpu=2")
    out = tmp_path / "cdi/nvidia.json"
    tare("cdi", "generate", "--driver-root", tmp_path / "drv", "--output", out)
    assert {d["name"] for d in json.loads(out.read_text())["devices"]} == {"0", "1", "all"}
    assert tare("cdi", "list", "-v", env=cdi.env).out.splitlines()[0] == f"nvidia.com/gpu=0\t{out}"
    tare.fails("cdi", "generate", "--driver-root", tmp_path / "none", says="no GPU found")


@pytest.mark.root
def test_hooks_of_a_whole_life(tare, busybox, cdi, tmp_path):
    log = tmp_path / "log"
    note = lambda when: f"echo {when} $(cat) >>{log}"
    inside = "d=$(sed 's/.*\"bundle\":\"\\([^\"]*\\)\".*/\\1/'); echo root >$d/rootfs/hooked; " \
             "grep -q '\"path\":\"rootfs\"' $d/config.json"
    cdi(hooked(*[hook(w, note(w)) for w in ("prestart", "createRuntime", "createContainer", "poststart", "poststop")],
               hook("createContainer", inside), {"hookName": "startContainer", "path": "/bin/touch", "args": ["touch", "/started"]}))
    assert tare(*RM, "--device", "vendor.com/gpu=0", "busybox", "cat", "/hooked", "/started", env=cdi.env).out == "root\n"
    lines = [l.split(" ", 1) for l in log.read_text().splitlines()]
    assert [l[0] for l in lines] == ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    states = [json.loads(l[1]) for l in lines]
    assert [s["status"] for s in states] == ["creating"] * 3 + ["running", "stopped"]
    assert len({(s["pid"], s["bundle"], s["id"]) for s in states}) == 1 and not os.path.exists(states[0]["bundle"])


@pytest.mark.root
@pytest.mark.parametrize("when", ["createRuntime", "createContainer", "startContainer"])
def test_a_failing_hook_stops_the_start(tare, busybox, cdi, when):
    script = "echo because; exit 3"
    cdi(hooked(hook(when, script)))
    tare.fails(*RM, "--device", "vendor.com/gpu=0", "busybox", "echo", "ran", env=cdi.env, code=125,
               says="hook /bin/sh: exit status 3: because")
    cdi(hooked(hook(when, "sleep 60", timeout=1)))
    tare.fails(*RM, "--device", "vendor.com/gpu=0", "busybox", "echo", "ran", env=cdi.env, code=125,
               says="hook /bin/sh: it took more than 1 s")
    assert tare("ps", "-aq").out == ""


def test_devices_in_builds(tare, busybox, cdi):
    cdi(SPEC)
    step = "FROM busybox\nRUN --device={} echo got $FOO; ls /dev | grep fake | tr '\\n' ' '\n"
    tare.build({"Dockerfile": step.format("vendor.com/gpu=0")}, env=cdi.env, code=1)
    for name, says in (("vendor.com/gpu=0", "got injected"), ("vendor.com/gpu=*", "fake-gpu0 fake-gpu1"), ("fast", "fake-gpu0 fake-gpu1"),
                       ("vendor.com/gpu", "fake-gpu0"), ("none.com/x=y", "got")):
        assert says in tare.build({"Dockerfile": step.format(name)}, "--allow", "device", "--progress", "plain", env=cdi.env).both
    r = tare.build({"Dockerfile": step.format("none.com/x=y,required")}, "--allow", "device=none.com/x=y", env=cdi.env, code=1)
    assert 'required CDI device "none.com/x=y" is not registered' in r.err
    r = tare.build({"Dockerfile": step.format("vendor.com/gpu=0")}, "--allow", "device=vendor.com/gpu=1", env=cdi.env, code=1)
    assert "entitlement device is not allowed" in r.err
    tare.build({"Dockerfile": step.format("fast")}, "--allow", "all", code=1)


def test_dev_002_host_nodes(tare, busybox, cdi):
    out = tare(*RM, "--device", "/dev/zero:/dev/zz:r", "--device", "/dev/full", "busybox", "sh", "-c", "head -c2 /dev/zz | od -b; ls -l /dev/full").out
    assert out.split()[:3] == ["0000000", "000", "000"] and "1,   7" in out
    cdi(SPEC)
    if os.geteuid() == 0:
        tare(*RM, "--privileged", "--device", "vendor.com/gpu=0", "--device", "/dev/full", "busybox", "ls", "/dev/fake-gpu0", env=cdi.env)
    tare.fails(*RM, "--device", "/dev/zero:ro", "busybox", "true", code=125, says="ro is not an absolute path")
    tare.fails(*RM, "--device", "/dev/zero:/dev/x:rx", "busybox", "true", code=125, says="bad mode specified: rx")
    tare.fails(*RM, "--device", "/etc", "busybox", "true", code=125, says='"/etc": not a device node')
    tare.fails(*RM, "--device", "/dev/nosuch", "busybox", "true", code=127, says="No such file")
