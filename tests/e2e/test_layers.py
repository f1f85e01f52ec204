# SPDX-License-Identifier: Apache-2.0
"""Layers in tar form: a tar and its index, mounted by the kernel. Issue: layers that are mounted, not unpacked."""
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

import harness
import storecheck

pytestmark = pytest.mark.root


def layer_files(t):
    return sorted(p.name for p in pathlib.Path(t.root, "layers").iterdir())


def suffixes(t):
    return {n.partition(".")[2] for n in layer_files(t)}


@pytest.fixture(scope="module")
def archive(binary, scratch, busybox_tar):
    """An image with deletions, links, odd modes and capabilities, saved by a store in tree form."""
    top = scratch / "layers-archive"
    top.mkdir()
    t = harness.Tare(binary, top / "store", scratch=top)
    t.env_extra["TARE_LAYER_FORM"] = "tree"
    t("import", busybox_tar, "busybox")
    t.build("FROM busybox\n"
            "RUN mkdir -p /d/sub /gone /opaque && echo one >/d/one && echo two >/d/sub/two && echo x >/gone/x && echo o >/opaque/old\n"
            "RUN rm -r /gone /d/sub && ln /d/one /d/hard && ln -s /d/one /sym && chmod 4755 /d/one && mkfifo /pipe\n"
            "RUN rm -r /opaque && mkdir /opaque && echo new >/opaque/new && chown 1:2 /opaque\n", "-t", "x")
    t("save", "-o", top / "x.tar", "x")
    assert suffixes(t) <= {"", "split"}
    return top / "x.tar"


LOOK = "stat -c '%n %f %u %g %Y' /d /opaque /bin; ls -l /d/one /d/hard /sym /pipe; cat /sym /opaque/new; ls /opaque /d; test ! -e /gone && cat /bin/busybox | sha256sum"


def test_loaded_layers_are_mounted(tare, tared, archive, tmp):
    """The same image, loaded in both forms: the same tree, the same bytes again, no file made of a layer's."""
    tare.env_extra["TARE_LAYER_FORM"] = "tree"
    seen = []
    for t in (tare, tared):
        t("load", "-i", archive)
        seen.append((t.run("x", "sh", "-c", LOOK).out, t.layers("x"), t.saved("x").check().id))
        t("save", "-o", tmp / "again.tar", "x")
        assert (tmp / "again.tar").read_bytes() == archive.read_bytes()
    assert seen[0] == seen[1]
    assert suffixes(tare) == {"", "split"} and suffixes(tared) == {"tar", "erofs"}
    storecheck.check(tared.root)
    tared("rmi", "x")
    tared("gc", "--all")
    assert layer_files(tared) == []


def test_steps_on_mounted_layers(tared, archive):
    """RUN, COPY --from and a RUN mount above tar form; a layer made by RUN is a directory."""
    tared("load", "-i", archive)
    r = tared.build("FROM x AS a\nRUN echo changed >>/d/one && rm /sym && test -p /pipe\n"
                    "FROM x\nCOPY --from=a /d /copied\nRUN --mount=from=a,target=/m cat /m/d/hard >/seen\n", "-t", "y")
    assert tared.run("y", "cat", "/copied/one", "/copied/hard", "/seen").out == "one\nchanged\none\none\n", r    # copying up parts hard links
    assert "" in suffixes(tared) and "tar" in suffixes(tared)
    tared.saved("y").check()


@pytest.mark.parametrize("damage", ["gone", "short", "old", "noise"])
def test_index_is_made_anew(tared, archive, damage):
    tared("load", "-i", archive)
    want = tared.run("x", "sh", "-c", LOOK).out
    for p in pathlib.Path(tared.root, "layers").glob("*.erofs"):
        whole = p.read_bytes()
        os.unlink(p)
        if damage == "short":
            p.write_bytes(whole[:len(whole) // 2])
        if damage == "old":
            p.write_bytes(whole.replace(b"tare index 1", b"tare index 0", 1))
        if damage == "noise":
            p.write_bytes(whole[:1200] + bytes(range(256)) + whole[1456:])
    assert tared.run("x", "sh", "-c", LOOK).out == want
    storecheck.check(tared.root)


def test_store_that_moved(tared, archive, small_disk, binary):
    """On a file system where no index can be mounted, a tar-form layer is unpacked once, for good."""
    tared("load", "-i", archive)
    want = tared.run("x", "sh", "-c", LOOK).out
    disk = small_disk(64)
    shutil.copytree(tared.root, disk / "moved", symlinks=True)
    t = harness.Tare(binary, disk / "moved", scratch=disk)
    assert t.run("x", "sh", "-c", LOOK).out == want
    assert suffixes(t) == {"", "tar", "erofs"}
    storecheck.check(t.root)
    before = {n: os.stat(pathlib.Path(t.root, "layers", n)).st_ino for n in layer_files(t)}
    assert t.run("x", "sh", "-c", LOOK).out == want
    assert before == {n: os.stat(pathlib.Path(t.root, "layers", n)).st_ino for n in layer_files(t)}
    assert t.saved("x").check().id == tared.saved("x").check().id
    t.build("FROM x\nRUN echo more >/more\n", "-t", "y")
    assert t.run("y", "cat", "/more").out == "more\n"
    t("rmi", "x", "y")
    t("gc", "--all")
    assert layer_files(t) == []


def test_damaged_tar(tared, archive):
    tared("load", "-i", archive)
    big = max(pathlib.Path(tared.root, "layers").glob("*.tar"), key=lambda p: p.stat().st_size)
    with open(big, "r+b") as f:
        f.seek(big.stat().st_size // 2)
        f.write(b"damaged")
    tared.fails("save", "-o", tared.scratch / "y.tar", "x", says="is damaged")


def test_form_that_is_none(tare, archive):
    tare.fails("load", "-i", archive, says="it may be tree or tar", env={"TARE_LAYER_FORM": "zip"})


def test_info_tells_why(binary, small_disk, tared):
    disk = small_disk(8)
    assert "layers are kept as directories" in harness.Tare(binary, disk / "store", scratch=disk)("info").out
    assert "tars that are mounted" in tared("info").out


def test_executables_and_shared_layers(tared, busybox_tar, binary):
    """Programs run from the mount, files of it are mapped, two containers use one layer at the same time."""
    tared("import", busybox_tar, "busybox")
    tared("save", "-o", tared.scratch / "b.tar", "busybox")
    tared("rmi", "busybox")
    tared("gc", "--all")
    tared("load", "-i", tared.scratch / "b.tar")
    assert suffixes(tared) == {"tar", "erofs"}
    with tared.start("run", "--rm", "--name", "one", "--network", "none", "busybox", "sh", "-c", "echo up; exec sleep 60") as one:
        one.expect("up")
        assert tared.run("busybox", "sh", "-c", "grep -c ' /bin/busybox\\| [0-9]* */bin/' /proc/self/maps").out != "0\n"
        tared("gc", "--all")
        assert tared.run("busybox", "echo", "still").out == "still\n"
        tared("kill", "one")


def test_killed_while_loading(tared, archive):
    """kill -9 at each durable step of a load in tar form."""
    for n in range(1, 60):
        t = harness.Tare(tared.binary, tared.scratch / f"s{n}", scratch=tared.scratch)
        t.env_extra = dict(tared.env_extra)
        r = t("load", "-i", archive, code=None, env={"TARE_FAULT": f"*:{n}"})
        if r.code == 0:
            assert n > 6
            return
        assert r.code == -signal.SIGKILL, r
        if n % 2:
            t("images")
            storecheck.check(t.root)
            t("gc")
            storecheck.check(t.root, clean=True)
        t("load", "-i", archive)
        storecheck.check(t.root)
        t("gc")
        storecheck.check(t.root, clean=True)
        assert "one" in t.run("x", "cat", "/sym").out
        subprocess.run(["rm", "-rf", t.root], check=True)
    raise AssertionError("no end of points")


@pytest.mark.parametrize("form", ["tree", "tar"])
def test_looking_into_images(tared, archive, form):
    """image ls and cat, in both forms of layers."""
    tared.env_extra["TARE_LAYER_FORM"] = form
    tared("load", "-i", archive)
    top = tared("image", "ls", "x").out.split()
    assert "bin" in top and "gone" not in top and top == sorted(top)
    assert tared("image", "ls", "x:/d").out == "hard\none\n"
    assert tared("image", "ls", "x:latest:/sym").out == "/sym\n"
    assert tared("image", "ls", "-l", "x:/opaque/new").out.split()[:3] == ["-rw-r--r--", "0:0", "4"]
    assert "lrwxrwxrwx" in tared("image", "ls", "-l", "x").out and "sym -> /d/one" in tared("image", "ls", "-l", "x").out
    assert "opaque/new" in tared("image", "ls", "-R", "x").out.split()
    assert tared("image", "cat", "x:/sym", "x:/opaque/new").out == "one\nnew\n"
    tared.fails("image", "cat", "x:/d", says="is a directory")
    tared.fails("image", "cat", "x:/pipe", says="not a regular file")
    tared.fails("image", "cat", "x:/no/such", says="no such file")
    tared.fails("image", "ls", "x:/d/one/below", says="no such file")
    tared.fails("image", "ls", "nothing", says="no such image")
    storecheck.check(tared.root)


@pytest.mark.parametrize("form", ["tree", "tar"])
def test_mounting_images(tared, archive, form):
    """A mounted image is the image, cannot be written, and gc spares it until it is unmounted."""
    tared.env_extra["TARE_LAYER_FORM"] = form
    tared("load", "-i", archive)
    d = tared.scratch / "mnt"
    tared.fails("image", "mount", "x", d, says="no such directory")
    d.mkdir()
    tared("image", "mount", "x", d)
    try:
        want = {k: v.mode for k, v in tared.files("x").items()}
        assert {k: (d / k).lstat().st_mode & 0o7777 for k in want} == {k: m & 0o7777 for k, m in want.items()}
        assert (d / "d/hard").read_text() == "one\n" and os.readlink(d / "sym") == "/d/one"
        with pytest.raises(OSError):
            (d / "new").write_text("x")
        tared.fails("image", "mount", "x", d, says="already")
        tared("rmi", "x")
        tared("gc", "--all")
        subprocess.run(["sh", "-c", "echo 3 >/proc/sys/vm/drop_caches"], check=True)
        assert (d / "d/one").read_text() == "one\n" and layer_files(tared)
        with open(d / "opaque/new"):
            tared.fails("image", "umount", d, says="in use")
    finally:
        tared("image", "umount", "x", d)
    tared.fails("image", "umount", d, says="no image of this store is mounted")
    tared("gc", "--all")
    assert layer_files(tared) == [] and list(d.iterdir()) == []


def test_mount_that_somebody_else_ended(tared, archive):
    tared("load", "-i", archive)
    d = tared.scratch / "mnt"
    d.mkdir()
    tared("image", "mount", "x", d)
    subprocess.run(["umount", d], check=True)
    tared("rmi", "x")
    tared("gc", "--all")
    assert layer_files(tared) == []
    tared.fails("image", "umount", d, says="no image of this store is mounted")


def test_ordinary_user_looks_into_an_image(as_user, user, busybox_tar):
    t = as_user(user)
    t("import", busybox_tar, "busybox")
    assert "busybox" in t("image", "ls", "busybox:/bin").out.split()
    assert "root" in t("image", "cat", "busybox:/etc/passwd").out
    t.fails("image", "mount", "busybox", t.scratch, says="mounting an image needs root")


def odd_context(t):
    """Files of every kind, archives among them."""
    def archive(*members, compress="cf"):
        def make(path):
            top = path.parent / f".{path.name}"
            harness.write_tree(top, dict(members))
            harness.run(["tar", "-C", top, "--sort=name", "--owner=3:3", "--group=4:4", "--mtime=@1500000000", f"-{compress}", path, "."], check=True)
            shutil.rmtree(top)
        return make

    ctx = t.context({
        "a": "a\n", "run": "#!/bin/sh\necho run\n", "big": bytes(range(256)) * 9000, "empty": b"", "suid": ("s", 0o6755),
        "d/one": "1\n", "d/two": ("2\n", 0o600), "d/hard": harness.hardlink("one"), "d/sym": harness.link("one"),
        "d/broken": harness.link("/no/where"), "d/deep/er/file": "deep\n", "d/deep/none": None, "d/" + "n" * 255: "long\n",
        "d/caf\u00e9 \u4e16": "utf\n", "d/fifo": lambda p: os.mkfifo(p),
        "d/" + "/".join(["p" * 60] * 5) + "/f": "pax\n",
        "plain.tar": archive(("x", "x\n"), ("s/y", "y\n"), ("s/h", harness.hardlink("y")), ("l", harness.link("s"))),
        "zip.tar.gz": archive(("x", "z\n"), ("d/q", "q\n"), compress="czf"),
    })
    for p in [*sorted(ctx.rglob("*"), reverse=True), ctx]:
        os.utime(p, (1400000000, 1400000000 + len(p.name)), follow_symlinks=False)
    return ctx


ODD = """\
FROM busybox AS base
COPY . /all/
COPY d /srv/d
COPY --chown=5:6 --chmod=640 a d/two /srv/
COPY --link a /linked/a
COPY --link --chown=9 d /linked/
COPY --parents d/deep/er/file d/o* /par/
COPY --exclude=*.tar . /srv/ex/
COPY a /bin/new
COPY run /bin/ls2
COPY a /var/../tmp/./x
WORKDIR /made/by/workdir
COPY a b* ./
COPY <<one <<two /here/
1 $HOME
one
2
two
ADD plain.tar /un/
ADD --chown=7:8 zip.tar.gz plain.tar /un/
ADD plain.tar /etc/
ADD --unpack=false plain.tar /un/kept
RUN ln -s /srv/d /dl && mkdir /old && echo old >/old/f && ln /old/f /old/g && mkfifo /old/p && mknod /old/null c 1 3 && touch -h -d @1600000001 /old/* /dl /old /
COPY d /dl/
COPY a /old/f
COPY a /all/a
FROM scratch
COPY --from=base /old /srv /all/
COPY --from=base --chown=1:1 /old/null /dev/
COPY --from=base / /root/
COPY a /
COPY --chmod=600 a /
COPY a /
FROM busybox
COPY --from=1 / /
"""


def test_both_forms_are_the_same_layers(tare, tared):
    """COPY, ADD, WORKDIR and import: one sketch, two forms, the same diff IDs and the same tree seen from a container."""
    got = []
    for t, form in ((tare, "tree"), (tared, "tar")):
        t.env_extra["TARE_LAYER_FORM"] = form
        harness.run([harness.BASES / "busybox", t.scratch / "b.tar"], check=True)
        t("import", t.scratch / "b.tar", "busybox")
        ctx = odd_context(t)
        (t.scratch / "Odd").write_text(ODD)
        layers = {}
        for target in ("base", "1", "2"):
            t.build(ctx, "-f", t.scratch / "Odd", "--target", target, "-t", f"odd{target}")
            layers[target] = t.layers(f"odd{target}")
            assert t.saved(f"odd{target}").check()
        walk = t.run("odd2", "sh", "-c", "cd / && find . -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o -path './etc/*' -prune "
                     "-o ! -type d -exec stat -c '%n %f %u %g %h %s %Y' {} + | sort; find root all -type f -exec sha256sum {} + | sort").out
        listed = [l for l in t("image", "ls", "-lR", "odd2").out.splitlines() if l[0] != "d"]
        got.append((layers, walk, listed))
        storecheck.check(t.root)
        t("gc", "--all")
        storecheck.check(t.root, clean=True)
    assert got[0][2] == got[1][2]
    assert got[0][0] == got[1][0]
    assert got[0][1] == got[1][1]
    assert len(got[0][1].splitlines()) > 200


def test_127_layers(tared, busybox_tar):
    """As many as Docker stacks: all in tar form, mounted at once."""
    tared("import", busybox_tar, "busybox")
    tared.build("FROM busybox\n" + "".join(f"COPY <<x /l/{i}\n{i}\nx\n" for i in range(126)), "-t", "deep")
    assert len(tared.layers("deep")) == 127 and suffixes(tared) == {"tar", "erofs"}
    assert tared.run("deep", "sh", "-c", "cat /l/* | sort -n | sum; ls /l | wc -l").out.split()[-1] == "126"


def test_full_disk(tared, archive, busybox_tar, tmp):
    """A layer in tar form that does not fit: the store is as it was, and gc gives the room back."""
    image, disk = tmp / "small.img", tmp / "small"
    disk.mkdir()
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    harness.run(["mkfs.ext4", "-q", "-F", image], check=True)
    harness.run(["mount", "-o", "loop", image, disk], check=True)
    try:
        t = harness.Tare(tared.binary, disk / "store", scratch=tmp)
        t.env_extra = dict(tared.env_extra)
        t("import", busybox_tar, "busybox")
        free = os.statvfs(disk).f_bavail
        ctx = t.context({"Dockerfile": "FROM busybox\nCOPY big /\n", "big": os.urandom(40 << 20)})
        r = t.build(ctx, "-t", "big", code=1)
        assert "No space left on device" in r.both, r
        storecheck.check(t.root)
        t("gc")
        storecheck.check(t.root, clean=True)
        assert os.statvfs(disk).f_bavail >= free - 256
        assert t.run("busybox", "echo", "ok").out == "ok\n"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_killed_while_building(tared, busybox_tar):
    """kill -9 at every fourth durable step of a build whose layers are in tar form."""
    for n in range(2, 200, 4):
        t = harness.Tare(tared.binary, tared.scratch / f"s{n}", scratch=tared.scratch)
        t.env_extra = dict(tared.env_extra)
        t("import", busybox_tar, "busybox")
        ctx = t.context({"Dockerfile": "FROM busybox AS one\nCOPY a /a\nFROM one\nRUN ln /a /b\nWORKDIR /w\nCOPY --from=one /a /c\n", "a": "a\n"})
        r = t("build", "-q", "-t", "x", ctx, code=None, env={"TARE_FAULT": f"*:{n}"})
        if r.code == 0:
            assert n > 6
            return
        assert r.code == -signal.SIGKILL, r
        storecheck.check(t.root)
        if n % 8 == 2:
            t("gc")
            storecheck.check(t.root, clean=True)
        t("build", "-q", "-t", "x", ctx)
        storecheck.check(t.root)
        assert t.run("x", "cat", "/a", "/b", "/c").out == "a\na\na\n"
        subprocess.run(["rm", "-rf", t.root], check=True)
    raise AssertionError("no end of points")
