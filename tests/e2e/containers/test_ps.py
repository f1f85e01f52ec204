# SPDX-License-Identifier: Apache-2.0
"""ps, inspect, events, container prune, and the words of two. Names bear the numbers of the case list."""
import json
import re
import subprocess
import time

import pytest

import harness
from harness import wait_for

NONE = ("--network", "none")


# --- ps ---

def test_ps_001_sets(box):
    a, b = box.sh("sleep 100", name="one"), box.sh("sleep 100", name="two")
    c = box.up("busybox", "true", name="three")
    box("wait", c)
    d = box.sh("sleep 100", name="four")
    ps = lambda *o: box("ps", "-q", "--no-trunc", *o).out.split()
    assert ps() == [d, b, a] and ps("-a") == [d, c, b, a] and ps("-n=2") == [d, c] and ps("-l") == [d]
    assert ps("-f", f"since={a}") == [d, b] and ps("-a", "-f", f"since={a}") == [d, c, b]
    assert ps("-f", f"before={d}") == [b, a] and ps("-a", "-f", f"before={d}") == [c, b, a]
    assert ps("-a", "-f", f"since={a}", "-f", f"before={d}") == [c, b] and ps("-f", f"since={a}", "-f", f"before={d}") == [b]
    assert box("ps", "-q").out.split() == [x[:12] for x in (d, b, a)]


def test_ps_002_filters(box):
    zero, one = box.up("busybox", "true"), box.up("busybox", "false")
    made = box("create", *NONE, "busybox", "true").out.strip()
    for x in (zero, one):
        box("wait", x)
    ps = lambda *o: box("ps", "-q", "--no-trunc", *o).out.split()
    assert ps("-a", "-f", "exited=0") == [zero] and ps("-a", "-f", "exited=1") == [one] and ps("-f", "status=created") == [made]
    assert ps("-a", "-f", "status=exited", "-f", "status=created") == [made, one, zero]


def test_ps_003_labels(box):
    a = box("create", *NONE, "-l", "match=me", "-l", "second=tag", "busybox", "true").out.strip()
    b = box("create", *NONE, "-l", "match=me too", "busybox", "true").out.strip()
    ps = lambda *o: box("ps", "-aq", "--no-trunc", *o).out.split()
    assert ps("-f", "label=match=me", "-f", "label=second=tag") == [a] and ps("-f", "label=match") == [b, a]
    assert ps("-f", "label=match=me", "-f", "label=no") == []


def test_ps_005_columns(box):
    box.sh("sleep 100", "-v", "vol:/v", "-l", "k=v", name="cols")
    row = json.loads(box("ps", "--format", "json", "--no-trunc").out)
    assert row["Names"] == "cols" and row["State"] == "running" and row["Status"].startswith("Up ") and row["Image"] == "busybox"
    assert row["Command"] == '"sh -c sleep 100"' or row["Command"] == '"sh -c \'sleep 100\'"'
    assert row["Mounts"] == "vol" and row["LocalVolumes"] == "1" and row["Labels"] == "k=v" and len(row["ID"]) == 64
    assert row["Ports"] == ""
    head = box("ps", "-s").out.splitlines()[0].split()
    assert head == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES", "SIZE"]


# --- inspect ---

def test_inspect_has_what_docker_s_has(box):
    cid = box.sh("sleep 100", "-e", "A=b", "-m", "64m" if harness.ROOT else "0", "--restart", "on-failure:2", "--log-opt", "max-size=1m",
                 "--stop-signal", "INT", "--stop-timeout", "7", "-h", "hh", "-u", "1000", "--tmpfs", "/t", "-v", "/tmp:/x:ro", name="full")
    c = box.tare.inspect("full")
    assert c["Id"] == cid and c["Name"] == "/full" and c["Path"] == "sh" and c["Args"] == ["-c", "sleep 100"]
    assert c["Image"].startswith("sha256:") and c["LogPath"].endswith(f"/{cid}-json.log") and c["RestartCount"] == 0
    s = c["State"]
    assert (s["Status"], s["Running"], s["Paused"], s["Restarting"], s["OOMKilled"], s["Dead"], s["ExitCode"], s["Error"]) == \
           ("running", True, False, False, False, False, 0, "")
    assert s["Pid"] > 1 and s["StartedAt"].endswith("Z") and s["FinishedAt"] == "0001-01-01T00:00:00Z"
    conf, host = c["Config"], c["HostConfig"]
    assert (conf["Hostname"], conf["User"], conf["StopSignal"], conf["StopTimeout"], conf["Cmd"], conf["Tty"], conf["OpenStdin"]) == \
           ("hh", "1000", "INT", 7, ["sh", "-c", "sleep 100"], False, False)
    assert "A=b" in conf["Env"] and not [e for e in conf["Env"] if e.startswith("HOSTNAME")]
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2}
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "1m"}} and host["Tmpfs"] == {"/t": ""}
    assert [(m["Type"], m["Source"], m["Destination"], m["Mode"], m["RW"]) for m in c["Mounts"]] == [("bind", "/tmp", "/x", "ro", False)]
    assert "Transient" not in c and "SizeRw" not in c and c["NetworkSettings"]["Ports"] == {}
    assert box.tare.inspect("full", "-s")["SizeRw"] >= 0
    assert box("inspect", "-f", "{{.State.Status}} {{.HostConfig.PidMode}}|", "full").out == "running |\n"


def test_inspect_types_and_errors(box):
    box("create", *NONE, "--name", "busybox", "busybox", "true")     # a container called as its image
    assert "State" in box.tare.inspect("busybox") and "State" not in box.tare.inspect("busybox", "--type", "image")
    r = box("inspect", "nosuch", "busybox", code=1)
    assert "No such object: nosuch" in r.err and len(r.json()) == 1
    box.fails("inspect", "--type", "container", "nosuch", says="No such container")


# --- words of two ---

def test_container_words(box):
    cid = box("container", "create", *NONE, "--name", "words", "busybox", "sleep", "100").out.strip()
    box("container", "start", "words")
    assert box("container", "ls", "-q", "--no-trunc").out.split() == [cid]
    assert box("container", "inspect", "words").json()[0]["Id"] == cid
    box("container", "stop", "-t", "0", "words")
    assert box("container", "rm", "words").out == "words\n"
    assert "busybox" in box("image", "list").out
    box.fails("container", "nosuch", says="unknown command")


# --- prune ---

def test_container_prune(box):
    run = box.sh("sleep 100", name="keeps")
    old = box("create", *NONE, "--name", "old", "-l", "keep=yes", "busybox", "true").out.strip()
    gone = box.up("-v", "/anon", "busybox", "sh", "-c", "dd if=/dev/zero of=/f bs=1k count=100 2>/dev/null", name="gone")
    box("wait", "gone")
    assert box("container", "prune", input="n\n").out.startswith("WARNING! This will remove all stopped containers.")
    assert len(box.names()) == 3
    r = box("container", "prune", "-f", "--filter", "label!=keep")
    assert r.out.startswith(f"Deleted Containers:\n{gone}\n\nTotal reclaimed space: 10")
    assert box("container", "prune", "-f", "--filter", "until=1h").out == "Total reclaimed space: 0B\n"
    assert old in box("container", "prune", "-f").out and box.names() == ["keeps"]
    box.fails("container", "prune", "-f", "--filter", "bogus=1", says="invalid filter")


# --- events ---

def actions(box, *options):
    lines = box("events", "--since", "1", "--until", f"{time.time():.6f}", "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}", *options).out
    return [tuple(l.split(" ", 2)) for l in lines.splitlines()]


def test_events_of_run_rm(box):
    """Spec: docker run --rm gives create attach start die destroy."""
    box("run", "--rm", *NONE, "--name", "ee", "busybox", "true")
    assert [a for t, a, n in actions(box, "-f", "container=ee") if t == "container"] == ["create", "attach", "start", "die", "destroy"]


def test_events_of_a_life(box):
    cid = box.sh("trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done", "-l", "team=x", name="life")
    box.wait_logs("life", "up")
    box("kill", "-s", "WINCH", "life")
    box("rename", "life", "lives")
    box("stop", "lives")
    box("start", "lives")
    box.wait_logs("lives", "up\nup")
    box("restart", "lives")
    box("rm", "-f", "lives")
    got = [a for t, a, n in actions(box, "-f", f"container={cid[:10]}", "-f", "type=container")]
    assert got == ["create", "start", "kill", "rename", "kill", "die", "stop", "start", "kill", "die", "start", "restart", "kill", "die", "destroy"]
    assert [a for _, a, _ in actions(box, "-f", "event=die", "-f", "label=team=x")] == ["die"] * 3
    assert actions(box, "-f", "label=team=y") == [] and actions(box, "-f", "image=busybox", "-f", "event=create") != []
    row = json.loads(box("events", "--since", "1", "--until", f"{time.time():.6f}", "-f", "event=die", "--format", "json").out.splitlines()[0])
    assert (row["status"], row["id"], row["from"], row["Type"], row["Action"], row["scope"]) == ("die", cid, "busybox", "container", "die", "local")
    assert row["Actor"]["Attributes"]["exitCode"] == "3" and row["Actor"]["Attributes"]["team"] == "x"
    line = box("events", "--since", "1", "--until", f"{time.time():.6f}", "-f", "event=create").out
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z container create [0-9a-f]{64} \(image=busybox, name=life, team=x\)\n", line)


def test_events_follow(box):
    with box.tare.start("events", "-f", "event=start", "--format", "{{.Actor.Attributes.name}}") as p:
        time.sleep(0.3)
        box.up("busybox", "true", name="seen")
        p.expect("seen")
        p.stop()
    r = box("events", "--until", f"{time.time() + 0.3:.3f}")            # ends by itself
    assert r.out == ""
    box.fails("events", "-f", "bogus=1", says="invalid filter")
    box.fails("events", "--since", "yesterday", says="since")


def test_image_prune(box):
    """Untagged ones; with -a those that no container has, too; filters; Docker's words."""
    box("create", "--name", "user", *NONE, "busybox", "true")
    context = box.tare.context({"Dockerfile": "FROM busybox\nLABEL kind=old\nCMD [\"true\"]\n"})
    box("build", "-t", "one", context)
    box("build", "-t", "two", "--label", "kind=new", context)
    asked = box("image", "prune", input="n\n").out
    assert asked.startswith("WARNING! This will remove all dangling images.")
    assert box("image", "prune", "-f").out.startswith("Total reclaimed space: ")
    out = box("image", "prune", "-a", "-f", "--filter", "label=kind=new").out
    assert "Deleted Images:\nuntagged: two:latest\ndeleted: sha256:" in out and "one" not in out
    assert "one" in box("images").out
    assert "untagged" not in box("image", "prune", "-a", "-f", "--filter", "until=24h").out
    box.fails("image", "prune", "-f", "--filter", "size=3", says="invalid filter")
    assert "untagged: one:latest" in box("image", "prune", "-a", "-f").out
    assert box("images", "--format", "{{.Repository}}").out.split() == ["busybox"]       # a container has it


def test_system_prune(box):
    box("create", "--name", "user", *NONE, "-v", "/data", "busybox", "true")
    box.fails("system", "prune", "-f", "--volumes", "--filter", "until=1h", says="is not supported with \"--volumes\"")
    assert "  - all stopped containers\n" in box("system", "prune", "--volumes", input="n\n").out
    assert box.names() == ["user"]
    out = box("system", "prune", "-f").out
    assert "Deleted Containers:\n" in out and "Total reclaimed space: " in out and box.names() == []
    assert "busybox" in box("images").out
    assert "untagged: busybox:latest" in box("system", "prune", "-a", "-f", "--volumes").out
    assert box("images", "-q").out == "" and box("system", "df").out == box("df").out
