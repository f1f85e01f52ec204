# SPDX-License-Identifier: Apache-2.0
"""tare logs. Names bear the numbers of the case list."""
import datetime
import json
import os
import re
import subprocess
import time

import pytest

import harness

NONE = ("--network", "none")


def done(box, script, *options, name=None):
    cid = box.sh(script, *options, name=name)
    box("wait", cid)
    return cid


def test_logs_004_tail(box):
    done(box, "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo $i; done", name="ll")
    for tail, n in (("0", 0), ("5", 5), ("99", 99), ("all", 100), ("-1", 100), ("random", 100), ("1000", 100)):
        assert len(box.logs("ll", "--tail", tail).splitlines()) == n
    assert box.logs("ll", "-n", "2") == "99\n100\n"


def test_logs_005_streams(box):
    done(box, "echo err >&2", name="ee")
    r = box("logs", "ee")
    assert (r.out, r.err) == ("", "err\n")
    done(box, "echo err >&2", "-t", name="tt")
    r = box("logs", "tt")
    assert (r.out, r.err) == ("err\r\n", "")


def test_logs_007_since_until(box):
    done(box, "echo before; sleep 1.2; echo after", name="ss")
    lines = box.logs("ss", "-t").splitlines()
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (before|after)", l) for l in lines) and len(lines) == 2
    first, second = (l.split()[0] for l in lines)
    assert box.logs("ss", "--since", second) == "after\n" and box.logs("ss", "--until", first) == "before\n"
    assert box.logs("ss", "--since", "1000") == "before\nafter\n" and box.logs("ss", "--until", "1000") == ""
    assert box.logs("ss", "--since", "1h") == "before\nafter\n" and box.logs("ss", "--until", "1h") == ""
    assert box.logs("ss", "--since", second, "--tail", "5") == "after\n"
    assert box.logs("ss", "--since", first[:10]) == "before\nafter\n"
    unix = datetime.datetime.fromisoformat(second[:26] + "+00:00").timestamp()
    assert box.logs("ss", "--since", f"{unix:.6f}") == "after\n"
    box.fails("logs", "--since", "yesterday", "ss", says="invalid value")


def test_logs_008_follow_of_a_stopped_one(box):
    done(box, "seq 50", name="ff")
    assert box.logs("ff", "-f") == "".join(f"{n}\n" for n in range(1, 51))


@pytest.mark.parametrize("size", [32767, 32768, 33000, 100001])
def test_logs_009_sizes(box, size):
    cid = done(box, f"head -c {size} /dev/zero | tr '\\0' a")
    assert box.logs(cid) == "a" * size


def test_logs_010_follow_of_a_busy_one(box):
    cid = box.sh("yes X | head -c 150000")
    p = subprocess.Popen(box.tare.argv(["logs", "-f", cid]), env=box.tare.env(), stdout=subprocess.PIPE)
    got = b""
    for n in range(100):
        got += os.read(p.stdout.fileno(), 100)
        time.sleep(0.001)
    got += p.stdout.read()
    p.stdout.close()
    assert p.wait(60) == 0 and len(got) == 150000


def test_logs_follow_through_a_restart_of_the_log(box):
    """Rotation while somebody follows: no line is lost or told twice."""
    cid = box.sh("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line-$i; done", "--log-opt", "max-size=20k", "--log-opt", "max-file=100")
    out = box("logs", "-f", cid).out
    assert out == "".join(f"line-{n}\n" for n in range(1, 3001))
    files = [f for f in os.listdir(os.path.join(box.tare.root, "containers", cid)) if "json.log" in f]
    assert len(files) > 5
    assert box.logs(cid) == out and box.logs(cid, "--tail", "3") == "line-2998\nline-2999\nline-3000\n"


def test_logs_rotation_keeps_so_many(box):
    cid = done(box, "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line-$i; done", "--log-opt", "max-size=20k", "--log-opt", "max-file=2")
    top = os.path.join(box.tare.root, "containers", cid)
    files = [f for f in os.listdir(top) if "json.log" in f]
    assert len(files) == 2 and all(os.path.getsize(os.path.join(top, f)) < 110000 for f in files)
    assert box.logs(cid).endswith("line-3000\n")


def test_log_file_is_docker_s(box):
    cid = done(box, "echo 'a \"b\" <&>'; printf 'no newline'; echo err >&2")
    path = box.tare.inspect(cid)["LogPath"]
    lines = [json.loads(l) for l in open(path)]
    assert {(l["log"], l["stream"]) for l in lines} == {('a "b" <&>\n', "stdout"), ("no newline", "stdout"), ("err\n", "stderr")}
    assert all(datetime.datetime.fromisoformat(l["time"][:19]) for l in lines)


def test_logs_keep_any_bytes(box):
    cid = done(box, r"printf '\377\376 \303\274 \001\n'")
    r = subprocess.run(box.tare.argv(["logs", cid]), env=box.tare.env(), capture_output=True, timeout=60)
    assert r.stdout == b"\xff\xfe \xc3\xbc \x01\n"


def test_logs_015_options(box):
    box.fails("create", "--log-opt", "invalid=true", "busybox", "true", code=125, says="unknown log opt")
    box.fails("create", "--log-driver", "nosuch", "busybox", "true", code=125, says="no log driver named 'nosuch'")
    box.fails("create", "--log-opt", "max-file=0", "busybox", "true", code=125, says="max-file")
    box.fails("create", "--log-opt", "max-size=x", "busybox", "true", code=125, says="max-size")
    assert box.names() == []


def test_log_driver_none(box):
    cid = done(box, "echo lost", "--log-driver", "none")
    box.fails("logs", cid, says="configured logging driver does not support reading")
    assert not [f for f in os.listdir(os.path.join(box.tare.root, "containers", cid)) if "log" in f and "json.log" in f]


def test_logs_details(box):
    cid = done(box, "echo x", "-l", "team=blue", "-l", "other=1", "-e", "STAGE=prod", "--log-opt", "labels=team,missing", "--log-opt", "env=STAGE",
               "--log-opt", "tag=hello", name="det")
    assert box.logs(cid, "--details") == "STAGE=prod,tag=hello,team=blue x\n"
    assert box.logs(cid) == "x\n"


def test_logs_017_of_several(box):
    a = done(box, "echo one; echo two", name="aa")
    b = done(box, "echo three", name="bb")
    out = box("logs", "aa", "bb").out.splitlines()
    assert [l for l in out if l.startswith(a[:12])] == [f"{a[:12]} one", f"{a[:12]} two"]
    assert [l for l in out if l.startswith(b[:12])] == [f"{b[:12]} three"]


def test_logs_of_what_is_not_there(box):
    box.fails("logs", "nosuch", says="No such container: nosuch")
    box("create", *NONE, "--name", "made", "busybox", "true")
    assert box("logs", "made").both == ""


def test_logs_follow_ends_with_a_killed_monitor(box):
    cid = box.sh("echo up; sleep 98771")
    box.wait_logs(cid, "up")
    with box.tare.start("logs", "-f", cid) as p:
        p.expect("up")
        os.kill(box.monitor(cid), 9)
        assert p.wait().code == 0
    harness.wait_for(lambda: box.status(cid) == "exited")
