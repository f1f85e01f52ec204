# SPDX-License-Identifier: Apache-2.0
"""diff, top, stats (cases diff-*)."""
import json
import re

import pytest

from kit import running


def test_diff_001(tare, busybox):
    image = tare.build("FROM busybox\nRUN mkdir -p /d/sub && echo a >/d/sub/a && echo b >/d/b && mkdir /kept /gone && "
                       "echo x >/gone/x\n").image
    script = ("touch /test; rm /etc/passwd; echo c >>/d/sub/a; chmod 600 /d/b; mkdir /new; echo n >/new/n; ls /kept; "
              "rm -r /gone; mkdir /gone; echo y >/gone/y")
    with running(tare, "-v", "/vol", "--tmpfs", "/mem", image=image):
        mounts = {"A /vol", "A /mem"}
        assert set(tare("diff", "cc").out.splitlines()) <= mounts
        tare("exec", "cc", "sh", "-c", script)
        lines = tare("diff", "cc").out.splitlines()
        assert [l for l in lines if l not in mounts] == sorted(
            ["A /test", "C /etc", "D /etc/passwd", "C /d", "C /d/b", "C /d/sub", "C /d/sub/a", "A /new", "A /new/n",
             "C /gone", "A /gone/y", "D /gone/x"], key=lambda l: l[2:] if l != "D /gone/x" else "/gone/z")
    tare.fails("diff", "cc", says="No such container: cc")
    tare("run", "--name", "c2", "--network", "none", "busybox", "rm", "/etc/group")
    assert tare("diff", "c2").out == "C /etc\nD /etc/group\n"


def test_top(tare, busybox):
    with running(tare, command=("sh", "-c", "sleep 301 & exec sleep 302")):
        lines = tare("top", "cc").out.splitlines()
        assert lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        assert sorted(l.split("sleep ")[1] for l in lines[1:]) == ["301", "302"]
        assert all(l.split()[0] == "root" and re.match(r"\d\d:\d\d:\d\d$", l.split()[6]) for l in lines[1:])
        assert tare("top", "cc", "-o", "pid,comm,args").out.splitlines()[0].split() == ["PID", "COMMAND", "COMMAND"]
        assert "RSS" in tare("top", "cc", "aux").out
        tare.fails("top", "cc", "-o", "nosuch", says='no column "nosuch"')
        tare.fails("top", "cc", "--weird", says="does not know the option")
    tare("create", "--name", "c2", "busybox", "true")
    tare.fails("top", "c2", says="is not running")


def test_stats(tare, busybox):
    with running(tare, "-m", "64m", command=("sh", "-c", "while :; do :; done")):
        out = tare("stats", "--no-stream").out.splitlines()
        assert out[0].split("  ")[0] == "CONTAINER ID" and "CPU %" in out[0] and "MEM USAGE / LIMIT" in out[0]
        o = json.loads(tare("stats", "--no-stream", "--format", "json", "cc").out)
        assert o["Name"] == "cc" and o["PIDs"] == "1" and len(o["ID"]) == 12
        assert float(o["CPUPerc"].rstrip("%")) > 5 and o["MemUsage"].endswith(" / 64MiB")
        assert 0 < float(o["MemPerc"].rstrip("%")) < 100
        assert len(tare("stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "cc").out.strip()) == 64
        with tare.terminal("stats", "cc") as t:
            t.expect("cc")
            t.send("\x03")
            assert t.wait() == 130
    tare("create", "--name", "c2", "busybox", "true")
    assert tare("stats", "--no-stream", "--format", "{{.Name}}").out == ""
    assert tare("stats", "-a", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}} {{.PIDs}}").out == "c2 0.00% 0\n"
    tare.fails("stats", "--no-stream", "nosuch", says="No such container: nosuch")
