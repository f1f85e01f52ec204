# SPDX-License-Identifier: Apache-2.0
"""Volumes and mounts (cases vol-*)."""
import json
import os
import signal

import pytest

import harness
from kit import running


def sh(tare, script, *options, image="busybox", **kw):
    return tare.run(*options, image, "sh", "-c", script, **kw)


def volumes(tare, *args):
    return tare("volume", "ls", "-q", *args).out.split()


# --- the verbs ---

def test_vol_028_create_list_inspect_remove(tare, store):
    assert tare("volume", "create", "data", "--label", "a=1", "--label", "b").out == "data\n"
    assert tare("volume", "create", "data").out == "data\n"                       # a second time is no more
    name = tare("volume", "create").out.strip()
    assert len(name) == 64
    assert volumes(tare) == sorted(["data", name])
    v = tare("volume", "inspect", "data").json()[0]
    assert v["Name"] == "data" and v["Driver"] == "local" and v["Scope"] == "local" and v["Options"] is None
    assert v["Labels"] == {"a": "1", "b": ""}
    assert v["Mountpoint"] == str(store / "volumes/data/_data") and os.path.isdir(v["Mountpoint"])
    assert v["CreatedAt"].endswith("Z")
    assert tare("volume", "inspect", "-f", "{{.Name}} {{.Labels.a}}", "data").out == "data 1\n"
    assert tare("volume", "ls").out.splitlines()[0].split() == ["DRIVER", "VOLUME", "NAME"]
    row = json.loads(tare("volume", "ls", "--format", "json", "-f", "name=data").out)
    assert row["Name"] == "data" and row["Labels"] == "a=1,b="
    for f, want in (("label=a", ["data"]), ("label=a=2", []), ("dangling=true", sorted(["data", name])),
                    ("dangling=false", []), ("driver=local", sorted(["data", name])), ("driver=x", [])):
        assert volumes(tare, "-f", f) == want, f
    tare.fails("volume", "ls", "-f", "bogus=1", says="invalid filter 'bogus'")
    tare.fails("volume", "ls", "-f", "dangling=perhaps", says="invalid filter")
    r = tare.fails("volume", "inspect", "data", "nosuch", says="get nosuch: no such volume")
    assert [v["Name"] for v in r.json()] == ["data"]
    assert tare("volume", "rm", "data", name).out == f"data\n{name}\n"
    assert volumes(tare) == []


def test_vol_018_remove_errors(tare, busybox):
    tare("volume", "create", "used")
    with running(tare, "-v", "used:/d"):
        r = tare.fails("volume", "rm", "used", says="volume is in use")
        tare.fails("volume", "rm", "-f", "used", says="volume is in use")
        assert volumes(tare, "-f", "dangling=false") == ["used"]
        assert tare("ps", "-q", "--no-trunc").out.strip() in r.err
    tare("volume", "rm", "used")
    tare.fails("volume", "rm", "used", code=1, says="no such volume")
    assert tare("volume", "rm", "-f", "nonexist").code == 0


@pytest.mark.parametrize("name", ["a", ".x", "x/y", "../x", "a b", "-x"])
def test_bad_names(tare, name):
    assert tare("volume", "create", "--", name, code=None).code == 1
    assert volumes(tare) == []


def test_create_options(tare):
    tare("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "tt")
    tare("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "tt")
    tare.fails("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "tt", says="other options")
    tare.fails("volume", "create", "-o", "nosuch=1", "xx", says='invalid option: "nosuch"')
    tare.fails("volume", "create", "-o", "type=tmpfs", "xx", says='missing required option: "device"')
    tare.fails("volume", "create", "-d", "nfs", "xx", says="volume driver nfs not found")
    assert volumes(tare) == ["tt"]


def test_prune(tare, busybox):
    tare("volume", "create", "named")
    tare("volume", "create", "labelled", "--label", "keep=1")
    anon = tare("volume", "create").out.strip()
    with running(tare, "-v", "busy1:/a", "-v", "/anon"):
        assert "[y/N]" in tare("volume", "prune", input="n\n").out and anon in volumes(tare)
        out = tare("volume", "prune", "-f").out
        assert out.startswith(f"Deleted Volumes:\n{anon}\n\nTotal reclaimed space: ")
        out = tare("volume", "prune", "-a", "-f", "--filter", "label!=keep").out
        assert "named" in out and "busy1" not in out and "labelled" not in out
        assert "labelled" in tare("volume", "prune", "-a", input="y\n").out
        assert len(volumes(tare)) == 2
    assert volumes(tare) == ["busy1"]           # the container's anonymous one went with it
    assert tare("volume", "prune", "-f").out == "Total reclaimed space: 0B\n"


def test_killed_at_every_step(tare, busybox, store):
    """kill -9 between the durable steps of create, fill and remove: nothing half-made is ever seen."""
    image = tare.build("FROM busybox\nRUN mkdir /d && echo one >/d/a && mkdir /d/s && echo two >/d/s/b && chown 5:6 /d\n")
    for n in range(1, 30):
        r = tare("volume", "create", "vv", "--label", "x=1", env={"TARE_FAULT": f"*:{n}"}, code=None)
        names = volumes(tare)
        assert names in ([], ["vv"])
        if names:
            assert tare("volume", "inspect", "-f", "{{.Labels.x}}", "vv").out == "1\n"
        if r.code == 0:
            break
        assert r.code == -signal.SIGKILL
    for point in ("volume.copied", "volume.filled", "volume.moved"):
        tare("run", "--rm", "--network", "none", "-v", "vv:/d", image.image, "true", env={"TARE_FAULT": f"{point}:1"},
             code=125)
        assert sh(tare, "cat /d/a /d/s/b; stat -c %u:%g /d; ls -A /d", "-v", "vv:/d", image=image.image).out == \
            "one\ntwo\n5:6\na\ns\n"
        tare("volume", "rm", "vv")
        tare("volume", "create", "vv")
    for n in range(1, 30):
        tare("volume", "create", "vv")
        r = tare("volume", "rm", "vv", env={"TARE_FAULT": f"*:{n}"}, code=None)
        assert volumes(tare) in ([], ["vv"])
        if r.code == 0:
            break
    assert [p.name for p in (store / "volumes").iterdir() if p.name.startswith(".")] == []


# --- in containers ---

def test_vol_001_copy_up(tare, busybox):
    image = tare.build("FROM busybox\nRUN mkdir -p /hello/local && echo world >/hello/local/world && "
                       "chown -R 1001:1002 /hello && chmod 2750 /hello && ln -s local/world /hello/l && "
                       "ln /hello/local/world /hello/hard\n").image
    look = "find /hello | sort; stat -c '%u:%g %a' /hello /hello/local/world; cat /hello/l; stat -c %h /hello/hard"
    want = sh(tare, look, image=image).out
    assert sh(tare, look, "-v", "/hello", image=image).out == want
    assert sh(tare, look, "-v", "named:/hello", image=image).out == want
    sh(tare, "echo changed >/hello/local/world; rm /hello/l", "-v", "named:/hello", image=image)
    assert sh(tare, "cat /hello/local/world; ls /hello", "-v", "named:/hello", image=image).out == "changed\nhard\nlocal\n"
    assert volumes(tare) == ["named"]           # --rm took the anonymous one


def test_vol_002_nocopy(tare, busybox):
    image = tare.build("FROM busybox\nRUN mkdir /foo && echo hello >/foo/bar\n").image
    sh(tare, "cat /foo/bar", "-v", "test:/foo:nocopy", image=image, code=1)
    assert sh(tare, "cat /foo/bar", "-v", "test:/foo", image=image).out == "hello\n"
    assert sh(tare, "cat /foo/bar", "-v", "test:/foo", image=image).out == "hello\n"


def test_filled_while_in_use(tare, busybox):
    """An empty volume that one container has is filled by the next one: the first sees it."""
    image = tare.build("FROM busybox\nRUN mkdir /foo && echo hello >/foo/bar\n").image
    with running(tare, "-v", "both:/x"):
        assert sh(tare, "cat /foo/bar", "-v", "both:/foo", image=image).out == "hello\n"
        assert tare("exec", "cc", "cat", "/x/bar").out == "hello\n"
        tare("exec", "cc", "sh", "-c", "echo back >/x/new")
        assert sh(tare, "cat /foo/new", "-v", "both:/foo", image=image).out == "back\n"


def test_vol_017_options(tare, busybox, tmp):
    tare("volume", "create", "mem", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,uid=1000")
    out = sh(tare, "grep ' /foo ' /proc/mounts", "-v", "mem:/foo").out
    assert "tmpfs" in out and "uid=1000" in out and "size=1024k" in out
    (tmp / "host").mkdir()
    (tmp / "host" / "f").write_text("here")
    tare("volume", "create", "bound", "--opt", "type=none", "--opt", f"device={tmp}/host", "--opt", "o=bind,ro")
    assert sh(tare, "cat /foo/f", "-v", "bound:/foo").out == "here"
    assert "Read-only" in sh(tare, "touch /foo/g", "-v", "bound:/foo", code=1).err
    tare("volume", "create", "bad", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=nonsense=1")
    tare.fails("run", "--rm", "--network", "none", "-v", "bad:/foo", "busybox", "true", code=125, says="nonsense")


def test_vol_024_trailing_slash(tare, busybox):
    image = tare.build("FROM busybox\nVOLUME /foo/\n").image
    with running(tare, "-v", "named:/bar/", image=image):
        mounts = tare.inspect("cc")["Mounts"]
        assert sorted(m["Destination"] for m in mounts) == ["/bar", "/foo"]


def test_concurrent_first_use(tare, busybox):
    image = tare.build("FROM busybox\nRUN mkdir /d && for i in 1 2 3 4 5 6 7 8 9; do echo $i >/d/$i; done\n").image
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        outs = list(pool.map(lambda i: sh(tare, "ls /d | wc -l", "-v", "many:/d", image=image).out, range(6)))
    assert outs == ["9\n"] * 6
