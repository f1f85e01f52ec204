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


# --- --mount ---

@pytest.mark.parametrize("text,says", [
    ("type=volume,target=/foo,bogus=x", "unknown option 'bogus'"),
    ("type=volume,src= /foo,target=/x", "value should not have whitespace"),
    ("type=volume,src =/foo,target=/x", "option should not have whitespace"),
    ("type=volume,target=/foo,bind-propagation=rslave", "cannot mix 'bind-*' options with mount type 'volume'"),
    ("type=bind,src=/,target=/foo,volume-nocopy", "cannot mix 'volume-*' options with mount type 'bind'"),
    ("type=bind,src=/,target=/foo,tmpfs-size=1m", "cannot mix 'tmpfs-*' options with mount type 'bind'"),
    ("type=bind,src=/", "target is required"),
    ("type=bind,target=/foo", "field Source must not be empty"),
    ("type=nosuch,target=/foo", "unknown"),
    ("type=bind,src=/,target=/foo,readonly=maybe", "invalid boolean value"),
    ("type=bind,src=/,target=/foo,bind-recursive=x", "must be \"enabled\", \"disabled\", \"writable\", or \"readonly\""),
    ("type=bind,src=/,target=/foo,bind-nonrecursive", "bind-nonrecursive is deprecated"),
    ("type=bind,src=/,target=/foo,bind-recursive=readonly", "requires 'readonly'"),
    ("type=bind,src=/,target=/foo,bind-propagation=odd", "invalid value for bind-propagation: odd"),
    ("type=tmpfs,target=/foo,tmpfs-size=lots", "invalid value for tmpfs-size: lots"),
    ("type=tmpfs,target=/foo,tmpfs-mode=9", "invalid value for tmpfs-mode: 9"),
    ("type=tmpfs,target=foo", "mount path must be absolute"), ("type=tmpfs,target=.", "mount path must be absolute"),
    ("type=tmpfs,target=/", "destination can't be '/'"), ("type=tmpfs,target=//", "destination can't be '/'"),
    ("type=bind,src=/no/such/dir,target=/x", "bind source path does not exist: /no/such/dir"),
    ("type=volume,target", "must be a key=value pair"), ("", "value is empty"), ("type=,target=/x", "value is empty"),
    ("type=volume,src=v1,target=/x,volume-subpath=/etc/passwd", "must be a relative path within the volume"),
    ("type=volume,target=/x,volume-driver=nfs", "volume driver nfs not found"),
])
def test_vol_010_011_bad_mounts(tare, busybox, text, says):
    tare.fails("run", "--rm", "--network", "none", "--mount", text, "busybox", "true", code=125, says=says)
    assert volumes(tare) == []


def test_mount_kinds(tare, busybox, tmp):
    d = harness.write_tree(tmp / "d", {"f": "here\n"})
    assert sh(tare, "cat /x/f", "--mount", f"type=bind,source={d},target=/x").out == "here\n"
    assert "Read-only" in sh(tare, "touch /x/g", "--mount", f"type=bind,src={d},dst=/x,ro", code=1).err
    assert sh(tare, "touch /x/made", "--mount", f"type=bind,src={tmp}/new,dst=/x,bind-create-src").out == ""
    assert (tmp / "new" / "made").exists()
    assert sh(tare, "echo 1 >/v/a; cat /v/a", "--mount", "source=named,target=/v,volume-label=k=v").out == "1\n"
    assert tare("volume", "inspect", "-f", "{{.Labels.k}}", "named").out == "v\n"
    assert "Read-only" in sh(tare, "touch /v/b", "--mount", "type=volume,src=named,dst=/v,readonly=true", code=1).err
    out = sh(tare, "grep ' /t ' /proc/mounts; stat -c %a /t", "--mount", "type=tmpfs,dst=/t,tmpfs-size=8m,tmpfs-mode=1770").out
    assert "size=8192k" in out and "noexec" in out and out.splitlines()[-1] == "1770"
    assert sh(tare, "cat '/a,b'", "--mount", f'"type=bind","src={d}/f","target=/a,b"').out == "here\n"
    with running(tare, "--mount", f"type=bind,src={d},dst=/x,readonly", "--mount", "type=volume,src=named,dst=/v"):
        m = {m["Destination"]: m for m in tare.inspect("cc")["Mounts"]}
        assert (m["/x"]["Type"], m["/x"]["RW"], m["/x"]["Source"]) == ("bind", False, str(d))
        assert (m["/v"]["Type"], m["/v"]["Name"], m["/v"]["RW"]) == ("volume", "named", True)


def test_vol_014_subpath(tare, busybox):
    sh(tare, "mkdir /v/subdir; echo hello >/v/subdir/hello.txt; echo bar >/v/bar.txt; ln -s /etc /v/esc", "-v", "sv:/v")
    mount = "type=volume,src=sv,target=/m,volume-subpath="
    assert sh(tare, "ls /m", "--mount", mount + "subdir").out == "hello.txt\n"
    assert sh(tare, "cat /m", "--mount", mount + "bar.txt").out == "bar\n"
    tare.fails("run", "--rm", "--network", "none", "--mount", mount + "some-path/that/doesnt-exist", "busybox", "true",
               code=127, says="cannot access path ")
    tare.fails("run", "--rm", "--network", "none", "--mount", mount + "esc/passwd", "busybox", "true", code=127,
               says="cannot access path ")
    tare.fails("run", "--rm", "--network", "none", "--mount", mount + "../../x", "busybox", "true", code=125,
               says="relative path within the volume")


def test_vol_003_022_conflicts_and_order(tare, busybox, tmp):
    for a, b in (("a", "b"), ("t1", "t2")):
        (tmp / a).mkdir()
        (tmp / b).mkdir()
    tare.fails("create", "-v", f"{tmp}/a:/x", "-v", f"{tmp}/b:/x", "busybox", "true", code=125, says="Duplicate mount point")
    tare.fails("create", "-v", "t1:/x", "-v", "t2:/x", "busybox", "true", code=125, says="Duplicate mount point")
    sh(tare, "true", "-v", "t1:/x", "-v", "t1:/x")
    sh(tare, "echo one >/d/f", "-v", "one:/d")
    sh(tare, "echo two >/d/f", "-v", "two:/d")
    tare("create", "--name", "d1", "-v", "one:/d", "-v", "/anon", "-v", f"{tmp}/a:/bound", "busybox", "true")
    tare("create", "--name", "d2", "-v", "two:/d", "busybox", "true")
    assert sh(tare, "cat /d/f", "--volumes-from", "d1", "--volumes-from", "d2").out == "two\n"
    assert sh(tare, "cat /d/f; ls -d /anon /bound", "--volumes-from", "d1").out == "one\n/anon\n/bound\n"
    assert sh(tare, "ls /d", "--volumes-from", "d1", "-v", f"{tmp}/b:/d").out == ""
    assert "Read-only" in sh(tare, "touch /d/g", "--volumes-from", "d1:ro", code=1).err
    tare.fails("create", "--volumes-from", "d1:z", "busybox", "true", code=125, says="invalid mode: z")
    tare.fails("create", "--volumes-from", "nosuch", "busybox", "true", code=125, says="No such container")
    assert len(volumes(tare)) == 4              # --rm of the others did not take d1's anonymous one
    tare("rm", "-v", "d1", "d2")
    assert sorted(volumes(tare)) == ["one", "t1", "two"]


def test_vol_005_recursion(tare, busybox, tmp):
    """A mount below the source comes along; what is read-only depends on bind-recursive."""
    d = tmp / "top"
    (d / "sub").mkdir(parents=True)
    harness.run(["mount", "-t", "tmpfs", "tare-test", d / "sub"], check=True)
    try:
        (d / "sub" / "f").write_text("nested")
        assert sh(tare, "cat /x/sub/f", "-v", f"{d}:/x:ro").out == "nested"
        assert "Read-only" in sh(tare, "touch /x/sub/g", "-v", f"{d}:/x:ro", code=1).err
        mount = f"type=bind,src={d},dst=/x,readonly,bind-recursive="
        assert sh(tare, "touch /x/sub/g; touch /x/h", "--mount", mount + "writable", code=1).err.count("Read-only") == 1
        assert sh(tare, "ls /x/sub", "--mount", mount + "disabled").out == ""
        assert "Read-only" in sh(tare, "touch /x/sub/g", "--mount", mount + "readonly", code=1).err
    finally:
        harness.run(["umount", d / "sub"])


def test_vol_015_025_read_only_and_noexec(tare, busybox, tmp):
    (tmp / "d").mkdir()
    assert "Read-only" in sh(tare, "touch /dev/shm/foo", "--read-only", "-v", f"{tmp}/d:/dev/shm:ro", code=1).err
    sh(tare, "echo '#!/bin/sh' >/vol/s; echo echo ran >>/vol/s; chmod +x /vol/s", "-v", "mm:/vol")
    assert tare.run("-v", "mm:/vol", "busybox", "/vol/s").out == "ran\n"
    tare.fails("run", "--rm", "--network", "none", "-v", "mm:/vol:noexec", "busybox", "/vol/s", code=126,
               says="permission denied")


def test_postgres_like_life(tare, busybox):
    """An empty volume is initialised once; what is written outlives rm and run."""
    image = tare.build('FROM busybox\nRUN mkdir -p /var/lib/db && chown 70:70 /var/lib/db && chmod 700 /var/lib/db\n'
                       'VOLUME /var/lib/db\nUSER 70\nCMD ["sh", "-c", "[ -e /var/lib/db/v ] || echo initialised; '
                       'echo x >>/var/lib/db/v; wc -l </var/lib/db/v"]\n').image
    run = ("-v", "pg:/var/lib/db", image)
    assert tare.run(*run).out == "initialised\n1\n"
    assert tare.run(*run).out == "2\n"


@pytest.mark.parametrize("option", ["-v", "--mount"])
def test_idmapped_bind(tare, busybox, small_disk, option):
    """The owner of a host directory is the container's user, and what that user makes is the owner's on the host."""
    d = small_disk(8) / "d"
    d.mkdir()
    (d / "mine").write_text("x")
    (d / "roots").write_text("x")
    for p in (d, d / "mine"):
        os.chown(p, 1234, 1235)
    value = f"{d}:/w:idmap" if option == "-v" else f"type=bind,src={d},dst=/w,bind-idmap"
    out = sh(tare, "stat -c %u:%g /w /w/mine /w/roots; echo y >/w/new; id -u", option, value, "-u", "70:71")
    assert out.out == "70:71\n70:71\n0:0\n70\n"
    assert (d / "new").stat().st_uid == 1234 and (d / "new").stat().st_gid == 1235
    out = sh(tare, "stat -c %u /w/mine /w/roots; echo y >/w/root-made", option, value)
    assert out.out == "0\n1234\n"
    assert (d / "root-made").stat().st_uid == 1234
    assert (d / "mine").stat().st_uid == 1234


def test_vol_028_one_event(tare, store):
    tare("volume", "create", "vv")
    tare("volume", "create", "vv")
    tare("volume", "rm", "vv")
    log = [json.loads(l) for l in (store / "events.jsonl").read_text().splitlines()]
    assert [(l["Type"], l["Action"], l["Actor"]["ID"]) for l in log] == [("volume", "create", "vv"), ("volume", "destroy", "vv")]
