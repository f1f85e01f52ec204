# SPDX-License-Identifier: Apache-2.0
"""cp, export, diff, commit: files of containers that run and of others (cases cp-*, diff-*)."""
import gzip
import io
import os
import subprocess
import tarfile

import pytest

import harness
from kit import running


def stopped(tare, *options, image="busybox", name="cc", script="true"):
    """A container that is there and does not run."""
    tare("run", "--name", name, "--network", "none", *options, image, "sh", "-c", script)


@pytest.fixture(params=["running", "stopped"])
def box(request, tare, busybox):
    if request.param == "running":
        with running(tare, "-w", "/srv"):
            tare("exec", "cc", "mkdir", "-p", "/usr")
            yield "cc"
    else:
        stopped(tare, "-w", "/srv", script="mkdir -p /usr")
        yield "cc"
        tare("rm", "cc")


def tree(tare, name="cc"):
    """The container's files by their path, read back by tarfile: {path: TarInfo} and a reader."""
    raw = subprocess.run(tare.argv(["export", name]), env=tare.env(), capture_output=True, check=True).stdout
    t = tarfile.open(fileobj=io.BytesIO(raw))
    return {m.name: m for m in t.getmembers()}, lambda n: t.extractfile(n).read()


def content(tare, path, name="cc"):
    return tree(tare, name)[1](path.lstrip("/"))


@pytest.fixture
def host(tare, tmp):
    d = tmp / "host"
    harness.write_tree(d, {"f": "file\n", "dir/a": "A\n", "dir/s/b": ("B\n", 0o640), "dir/l": harness.link("a"),
                           "dir/abs": harness.link("/etc/passwd"), "exec": ("#!/bin/sh\n", 0o755)})
    return d


@pytest.mark.parametrize("to,lands", [
    ("/", "f"), ("/anotherbase.txt", "anotherbase.txt"), ("/tmp", "tmp/f"), ("/tmp/", "tmp/f"), ("/tmp/.", "tmp/f"),
    ("/tmp/x", "tmp/x"), ("tmp/rel", "tmp/rel"), ("/tmp/../up", "up"),
])
def test_cp_001_file(tare, box, host, to, lands):
    tare("cp", host / "f", f"{box}:{to}")
    assert content(tare, lands) == b"file\n"


@pytest.mark.parametrize("src,to,lands", [
    ("dir", "/", "dir/a"), ("dir/", "/tmp", "tmp/dir/a"), ("dir/.", "/usr/", "usr/a"), ("dir", "/newdir", "newdir/a"),
    ("dir/.", "/newdir3", "newdir3/a"), ("dir", "/tmp/", "tmp/dir/a"),
])
def test_cp_002_directory(tare, box, host, src, to, lands):
    tare("cp", str(host / "x").replace("/x", "/") + src, f"{box}:{to}")
    files, read = tree(tare)
    top = lands[:-2]
    assert read(lands) == b"A\n" and read(f"{top}/s/b") == b"B\n"
    assert files[f"{top}/s/b"].mode == 0o640
    assert files[f"{top}/l"].linkname == "a" and files[f"{top}/abs"].linkname == "/etc/passwd"


def test_cp_003_008_errors(tare, box, host, tmp):
    tare.fails("cp", host / "dir", f"{box}:/etc/passwd", says="destination must be a directory when copying a directory")
    tare.fails("cp", host / "nosuch", f"{box}:/", says="no such file or directory")
    tare.fails("cp", f"{box}:/nosuch", tmp, says="Could not find the file /nosuch in container cc")
    tare.fails("cp", f"{box}:/etc/passwd/", tmp, says="not a directory")
    tare("cp", f"{box}:/etc/", tmp / "etc")
    assert (tmp / "etc" / "passwd").exists()
    tare.fails("cp", host / "f", f"{box}:/no/such/", says="Could not find the file /no/such/")
    tare.fails("cp", host / "f", f"{box}:/nodir/", says="no such directory")
    tare.fails("cp", host / "f", host / "g", says="must specify at least one container source")       # cp-013
    tare.fails("cp", f"{box}:/a", f"{box}:/b", says="copying between containers is not supported")
    tare.fails("cp", host / "f", "nosuch:/", says="No such container: nosuch")
    os.mkdir(host / "etc")
    (host / "passwd").mkdir()
    tare.fails("cp", host / "passwd", f"{box}:/etc", says="passwd")


def test_out(tare, box, host, tmp):
    """Files that come out are the caller's own; modes, links and times stay."""
    d = tmp / "out"
    d.mkdir()
    tare("cp", "-q", f"{box}:/etc/passwd", d)
    assert (d / "passwd").read_text().startswith("root:")
    assert tare("cp", f"{box}:/etc/passwd", d / "renamed").both == ""
    assert (d / "renamed").read_bytes() == (d / "passwd").read_bytes()
    tare("cp", f"{box}:/etc/.", d)
    assert (d / "group").exists()
    tare("cp", host / "dir", f"{box}:/tmp")
    tare("cp", f"{box}:/tmp/dir", d / "back")
    assert os.readlink(d / "back" / "l") == "a" and (d / "back/s/b").stat().st_mode & 0o7777 == 0o640
    assert int((d / "back/a").stat().st_mtime) == int((host / "dir/a").stat().st_mtime)
    assert (d / "back/a").stat().st_uid == os.geteuid()
    tare("cp", f"{box}:/tmp/dir/l", d / "link")
    assert os.readlink(d / "link") == "a"
    tare("cp", "-L", f"{box}:/tmp/dir/l", d / "followed")
    assert (d / "followed").read_text() == "A\n" and not (d / "followed").is_symlink()
    os.symlink("target", d / "tolink")
    tare("cp", f"{box}:/tmp/dir/a", d / "tolink")
    assert (d / "target").read_text() == "A\n"


def test_cp_006_links_stay_inside(tare, box, host, tmp):
    secret = tmp / "secret"
    secret.write_text("host\n")
    links = tmp / "links"
    links.mkdir()
    os.symlink(f"{tmp}", links / "up")
    os.symlink("../../../../../../../../.." + str(secret), links / "rel")
    tare("cp", links, f"{box}:/links")
    assert tare("cp", f"{box}:/links/up/secret", tmp / "got", code=1).err
    assert tare("cp", "-L", f"{box}:/links/rel", tmp / "got", code=1).err
    assert tare("cp", "-L", f"{box}:../../../../../../..{secret}", tmp / "got", code=1).err
    assert not (tmp / "got").exists()
    tare("cp", host / "f", f"{box}:/links/up", code=None)               # that means tmp's path inside the container
    assert secret.read_text() == "host\n" and not (tmp / "f").exists()
    tare("cp", host / "f", f"{box}:/links/rel", code=None)
    assert secret.read_text() == "host\n"
    tare("cp", host / "f", f"{box}:/../../../../../../tmp/inside")
    assert content(tare, "tmp/inside") == b"file\n"


def test_cp_009_streams(tare, box, tmp):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as t:
        for name, data in (("d/one", b"1"), ("two", b"2"), ("../../etc/evil", b"3")):
            m = tarfile.TarInfo(name)
            m.size = len(data)
            m.uid = 55
            if not name.startswith(".."):
                t.addfile(m, io.BytesIO(data))
    packed = tmp / "t.tar.gz"
    packed.write_bytes(gzip.compress(raw.getvalue()))

    def feed(path, to, code=0):
        with open(path, "rb") as f:
            r = subprocess.run(tare.argv(["cp", "-", f"{box}:{to}"]), env=tare.env(), stdin=f, capture_output=True,
                               text=True)
        assert r.returncode == code, r
        return r.stderr
    feed(packed, "/tmp")
    files, read = tree(tare)
    assert read("tmp/d/one") == b"1" and files["tmp/two"].uid == 55
    plain = tmp / "plain"
    plain.write_text("not a tar at all\n" * 100)
    assert "must be a (compressed) tar archive" in feed(plain, "/tmp", 1)
    assert "destination must be a directory when copying from stdin" in feed(packed, "/etc/passwd", 1)
    out = subprocess.run(tare.argv(["cp", f"{box}:/tmp/d", "-"]), env=tare.env(), capture_output=True, check=True).stdout
    assert [m.name for m in tarfile.open(fileobj=io.BytesIO(out)).getmembers()] == ["d", "d/one"]
    out = subprocess.run(tare.argv(["cp", f"{box}:/tmp/d/.", "-"]), env=tare.env(), capture_output=True, check=True).stdout
    assert [m.name for m in tarfile.open(fileobj=io.BytesIO(out)).getmembers()] == ["one"]


@pytest.mark.parametrize("user,want", [("2375:2376", (2375, 2376)), ("7777:", (7777, 0)), (":7777", (0, 7777)),
                                       ("nobody", (65534, 65534))])
def test_cp_011_owners(tare, busybox, host, user, want):
    with running(tare, "-u", user):
        tare("cp", "-a", host / "f", "cc:/tmp/a")
        tare("cp", host / "f", "cc:/tmp/b")
        files, _ = tree(tare)
        assert (files["tmp/a"].uid, files["tmp/a"].gid) == want
        assert (files["tmp/b"].uid, files["tmp/b"].gid) == ((host / "f").stat().st_uid, (host / "f").stat().st_gid)
        tare("cp", "-a", "cc:/tmp/a", host / "back")
        st = (host / "back").stat()
        assert (st.st_uid, st.st_gid) == want


def test_cp_012_read_only(tare, busybox, host):
    with running(tare, "--read-only", "-v", "vv:/vol"):
        tare.fails("cp", host / "f", "cc:/tmp", says="container rootfs is marked read-only")
        tare("cp", host / "f", "cc:/vol/f")
        assert tare("exec", "cc", "cat", "/vol/f").out == "file\n"
    stopped(tare, "--read-only", "-v", "vv:/vol")
    tare.fails("cp", host / "f", "cc:/tmp", says="container rootfs is marked read-only")
    tare("cp", host / "f", "cc:/vol/g")
    tare("rm", "cc")
    assert tare.run("-v", "vv:/v", "busybox", "cat", "/v/g").out == "file\n"


def test_vol_026_into_volumes(tare, busybox, host, store):
    """A file lands in the innermost volume, also while nothing runs; export leaves volumes out."""
    stopped(tare, "-v", "vol1:/tmp/volume", "-v", "vol2:/tmp/volume/sub", "-v", f"{host}:/ro:ro")
    tare("cp", host / "f", "cc:/tmp/volume/sub")
    assert os.listdir(store / "volumes/vol2/_data") == ["f"]
    assert os.listdir(store / "volumes/vol1/_data") == ["sub"]
    assert not os.listdir(store / "volumes/vol1/_data/sub")
    tare.fails("cp", host / "f", "cc:/ro/x", says="read-only")
    tare("cp", "cc:/ro/dir/a", host / "from-bind")
    assert (host / "from-bind").read_text() == "A\n"
    assert "tmp/volume/sub/f" not in tree(tare)[0]
    tare("rm", "cc")


def test_running_sees_memory_file_systems(tare, busybox, host):
    with running(tare, "--tmpfs", "/mem"):
        tare("cp", host / "f", "cc:/mem/f")
        assert tare("exec", "cc", "cat", "/mem/f").out == "file\n"
        tare("cp", "cc:/proc/1/cmdline", host / "cmdline", code=None)
        tare("exec", "cc", "sh", "-c", "ln -s /proc/1/root/../../../../.. /tmp/esc; mkfifo /tmp/pipe")
        assert tare("cp", f"cc:/tmp/esc{host}/f", host / "escaped", code=1).err
        tare("cp", "cc:/tmp", host / "tmp-of-cc")
        assert (host / "tmp-of-cc/pipe").is_fifo()


def test_export(tare, box, tmp):
    tare("export", "-o", tmp / "e.tar", box)
    with tarfile.open(tmp / "e.tar") as t:
        assert "etc/passwd" in t.getnames() and not [n for n in t.getnames() if n.startswith("proc/")]
    tare("import", tmp / "e.tar", "again")
    assert tare.run("again", "cat", "/etc/passwd").out.startswith("root:")
    tare.fails("export", "nosuch", says="No such container: nosuch")
    with tare.terminal("export", box) as t:
        assert t.wait() == 1
        assert "cowardly refusing" in t.output.decode()


def test_started_again(tare, busybox, host):
    """What was copied into a container that does not run is there for what looks into it next."""
    stopped(tare, script="echo x >/made")
    tare("cp", host / "f", "cc:/made2")
    files, read = tree(tare)
    assert read("made") == b"x\n" and read("made2") == b"file\n"
    tare("cp", "cc:/made2", host / "made2")
    assert (host / "made2").read_text() == "file\n"
    tare("rm", "cc")
