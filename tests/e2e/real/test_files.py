# SPDX-License-Identifier: Apache-2.0
"""What COPY, ADD and RUN leave in the layers: names, modes, owners, links, whiteouts, archives."""
import io
import os
import shutil
import tarfile
import zipfile

import pytest

from harness import run


def build(world, ctx, *args):
    r = world.build(ctx, *args, timeout=300)
    image = world.saved(r.image).check()
    return image, image.tree()


def below(tree, top):
    """{path below top: Entry}, without top itself."""
    return {p[len(top) + 1:]: e for p, e in tree.items() if p.startswith(top + "/")}


def changes(image, n):
    """Paths in a layer, but for the mount points that a RUN step may leave."""
    return sorted(e.path for e in image.layer(n)
                  if e.path and e.path.split("/")[0] not in ("dev", "proc", "sys", "etc"))


def files(tree, top):
    return sorted(p for p, e in below(tree, top).items() if e.type == "file")


def test_symlinks(world, context):
    ctx = context("symlinks")
    for name, target in {"to-file": "file", "to-dir": "data", "absolute": "/etc/passwd", "dangling": "nowhere",
                         "chain": "to-file", "up": "../../..", "itself": "itself"}.items():
        os.symlink(target, ctx / "farm" / name)
    image, tree = build(world, ctx, "-t", "links")
    for name, target in {"data": "", "w/up": "../../../../../etc/passwd", "w/dangling": "/nowhere"}.items():
        if target:
            assert tree["copied/" + name].target == target
    assert tree["copied/one.txt"].text == "one\n" and tree["copied/sub/one.txt"].text == "one\n"
    assert tree["passwd"].type == "file" and tree["passwd"].text.startswith("root:")
    _, first = build(world, ctx, "--target", "first")
    farm = below(first, "farm")
    assert {p: e.target for p, e in farm.items() if e.type == "link"} == {
        "to-file": "file", "to-dir": "data", "absolute": "/etc/passwd", "dangling": "nowhere",
        "chain": "to-file", "up": "../../..", "itself": "itself"}
    assert first["followed"].type == "file" and first["followed"].text == "file\n"
    assert first["followed-dir"].type == "dir" and first["followed-dir/inner"].text == "inner\n"
    assert first["through"].text == "inner\n"
    assert first["real/w"].type == "dir" and first["where"].text == "/real/w\n"
    assert first["alias"].type == "link" and first["alias2"].target == "real/sub"


def test_wildcards(world, context):
    _, tree = build(world, context("wildcards"))
    got = {d: files(tree, "w/" + d) for d in ("txt", "one", "range", "inverse", "deep", "flat", "several",
                                              "json", "joined")}
    assert got == {
        "txt": ["a.txt", "b.txt", "with space.txt"], "one": ["a.c", "b.c"], "range": ["a1.h", "b1.h"],
        "inverse": ["c1.h"], "deep": ["x.md"], "flat": ["p/x.md", "q/x.md", "q/y.md", "top.md"],
        "several": ["a.txt", "a[1].dat", "b.c"], "json": ["with space.txt"], "joined": ["a.txt", "b.txt"]}
    assert tree["w/deep/x.md"].text == "dir/q/x.md\n"        # the later of two equals wins
    assert files(tree, "w/none") == []


@pytest.mark.beyond
def test_copy_exclude(world, context):
    ctx = context("wildcards")
    (ctx / "Dockerfile").write_text("""\
FROM scratch
COPY --exclude=*.log --exclude=sub/** logs /some/
COPY --exclude=**/d.txt logs /most/
""")
    _, tree = build(world, ctx)
    assert files(tree, "some") == ["a.txt"]
    assert files(tree, "most") == ["a.log", "a.txt", "sub/c.txt"]


def test_modes_and_owners(world, context):
    ctx = context("modes")
    _, tree = build(world, ctx, "--target", "first")
    show = lambda p: (oct(tree[p].mode)[2:], *tree[p].owner)
    expect = {
        "plain/file": ("644", 0, 0), "plain/sub": ("755", 0, 0), "plain/sub/script": ("755", 0, 0),
        "octal/file": ("640", 0, 0), "octal/sub": ("640", 0, 0), "none": ("0", 0, 0),
        "both": ("400", 1, 33), "owned/file": ("644", 65534, 65534), "owned/sub": ("755", 65534, 65534),
        "owned": ("755", 65534, 65534), "made/on/the/way/file": ("644", 10, 20), "made": ("755", 10, 20),
        "from-arg": ("600", 33, 33), "exists": ("700", 0, 0), "exists/sub/script": ("755", 0, 0)}
    assert {p: show(p) for p in expect} == expect
    _, last = build(world, ctx)
    assert last["again/file"].owner == (65534, 65534) and last["again"].owner == (0, 0)
    assert last["all/both"].owner == (1, 33)
    assert last["all/bin/sh"].type == "link"


@pytest.mark.beyond
def test_symbolic_modes(world, context):
    ctx = context("modes")
    (ctx / "Dockerfile").write_text("""\
FROM busybox
COPY --chmod=u=rwX,go=rX tree /symbolic
COPY --chmod=g+w,o-rwx tree /relative
COPY --chmod=a+s,+t tree/file /bits
COPY --chmod=7755 tree/file /special
""")
    _, tree = build(world, ctx)
    assert {p: oct(tree[p].mode)[2:] for p in ("symbolic/file", "symbolic/sub", "symbolic/sub/script", "relative/file",
                                               "relative/sub", "relative/sub/script", "bits",
                                               "special")} == {
        "symbolic/file": "644", "symbolic/sub": "755", "symbolic/sub/script": "755", "relative/file": "660",
        "relative/sub": "770", "relative/sub/script": "770", "bits": "7644", "special": "7755"}


def archive(path, mode, entries):
    with tarfile.open(path, mode) as t:
        for name, value in entries.items():
            i = tarfile.TarInfo(name)
            i.mtime, i.uid, i.gid = 1_500_000_000, 5, 6
            if value is None:
                i.type, i.mode = tarfile.DIRTYPE, 0o750
                t.addfile(i)
            elif isinstance(value, tuple):
                i.type, i.linkname = value
                t.addfile(i)
            else:
                i.size, i.mode = len(value), 0o640
                t.addfile(i, io.BytesIO(value))


MEMBERS = {"top": None, "top/file": b"from the archive\n", "top/link": (tarfile.SYMTYPE, "file"),
           "top/hard": (tarfile.LNKTYPE, "top/file"), "./dot": b"dot\n", "deep/without/parents": b"deep\n"}


def test_add_archives(world, context):
    ctx = context("add-archives")
    archive(ctx / "plain.tar", "w", MEMBERS)
    for ext in ("gz", "bz2", "xz"):
        archive(ctx / f"a.tar.{ext}", f"w:{ext}", MEMBERS)
    run(["zstd", "-q", ctx / "plain.tar", "-o", ctx / "a.tar.zst"], check=True)
    shutil.copy(ctx / "a.tar.gz", ctx / "misnamed")
    run(["sh", "-c", "echo not a tar | gzip -n > not-a-tar.gz"], cwd=ctx, check=True)
    with zipfile.ZipFile(ctx / "a.zip", "w") as z:
        z.writestr("inside", "zip")
    oracle = hasattr(world, "docker")
    if oracle:                              # its version does not know zstd
        (ctx / "Dockerfile").write_text((ctx / "Dockerfile").read_text().replace("ADD a.tar.zst /zst\n", ""))
    _, tree = build(world, ctx)
    for d in ("plain", "gz", "bz2", "xz", "misnamed", "both") + (() if oracle else ("zst",)):
        assert tree[f"{d}/top"].mode == 0o750 and tree[f"{d}/top"].owner == (5, 6), d
        assert tree[f"{d}/top/file"].text == "from the archive\n" and tree[f"{d}/top/file"].mtime == 1_500_000_000
        assert tree[f"{d}/top/link"].target == "file"
        assert tree[f"{d}/top/hard"].data == tree[f"{d}/top/file"].data
        assert tree[f"{d}/dot"].text == "dot\n" and tree[f"{d}/deep/without/parents"].text == "deep\n"
    if not oracle:
        owned = below(tree, "owned")        # its members; directories that it has not are root's
        assert {owned[n].owner for n in ("top", "top/file", "top/link", "dot", "deep/without/parents")} == {(12, 34)}
        assert tree["owned"].owner == (12, 34)
    assert files(tree, "kept") == ["a.zip", "not-a-tar.gz", "text.tar"]
    assert files(tree, "copied") == ["a.tar.gz"]
    assert tree["dir/inside.txt"].text == "in a directory\n"
    assert tree["onto/top/file"].text == "from the archive\n" and tree["onto/top/other"].text == "stays\n"


def test_hard_links(world, context):
    ctx = context("hardlinks")
    for name in ("two", "three"):
        os.link(ctx / "ctx" / "one", ctx / "ctx" / name)
    image, tree = build(world, ctx)
    assert sorted(below(tree, "d")) == ["b", "c", "later", "s"]
    # Writing through one name in a later step copies that file up: links do not span layers.
    assert {n: tree[f"d/{n}"].text for n in ("b", "c", "later")} == {
        "b": "data\nchanged\n", "c": "data\n", "later": "data\n"}
    hard = {e.path: e.hard for e in image.layer(2) if e.type == "hard"}
    assert hard == {"ctx/three": "ctx/one", "ctx/two": "ctx/one"} or hard == {}


def test_large_and_sparse(world, context):
    ctx = context("large")
    with open(ctx / "big.bin", "wb") as f:
        for i in range(50):
            f.write(bytes([i]) * (1 << 20))
    with open(ctx / "sparse.bin", "wb") as f:
        f.truncate(100 << 20)
        f.write(b"begin")
    image, tree = build(world, ctx)
    assert tree["sparse"].size == (300 << 20) + 3 and tree["sparse"].data.endswith(b"\0end")
    assert tree["big"].size == 80_000_000
    assert tree["ctx/big.bin"].data == (ctx / "big.bin").read_bytes()
    assert tree["ctx/sparse.bin"].data == (ctx / "sparse.bin").read_bytes()


def test_many_small_files(world, context):
    ctx = context("many")
    for d in range(10):
        (ctx / "files" / str(d)).mkdir(parents=True)
        for f in range(300):
            (ctx / "files" / str(d) / f"{f}.txt").write_text(f"{d}/{f}\n")
    image, tree = build(world, ctx)
    assert len(files(tree, "made")) == 4000
    assert len(files(tree, "files")) == 2700 and tree["count"].text == "2700\n"
    assert tree["files/9/299.txt"].text == "9/299\n"
    assert changes(image, 3) == ["count", "files", "files/.wh.1"]


def test_whiteouts(world, context):
    image, tree = build(world, context("whiteouts"))
    t = below(tree, "tree")
    assert sorted(p for p, e in t.items() if e.type != "dir") == [
        "becomes-dir/x", "becomes-file", "dir/new", "link", "mode", "moved-here/m", "stays"]
    assert t["becomes-file"].type == "file" and t["becomes-dir"].type == "dir" and t["link"].text == "plain\n"
    assert t["mode"].mode == 0o700 and t["mode"].mtime == 1_000_000_000
    assert changes(image, 2) == ["tree", "tree/.wh.file"]
    if not hasattr(world, "docker"):        # its layers are read from overlayfs as they lie
        assert changes(image, 3) == ["tree", "tree/dir", "tree/dir/.wh.old", "tree/dir/.wh.sub", "tree/dir/new"]
        assert not [n for i in range(len(image.layers)) for n in changes(image, i) if n.endswith(".wh..wh..opq")]
    assert "tree/temporary" not in changes(image, 7) and "tree/.wh.temporary" not in changes(image, 7)
    assert changes(image, 8) == ["tree", "tree/.wh.moved", "tree/moved-here", "tree/moved-here/m"]
    assert changes(image, 11) == []         # RUN true is a layer without entries


def test_setuid_and_sticky(world, context):
    image, tree = build(world, context("setuid"))
    assert tree["sbin/busybox-suid"].mode == 0o4755
    assert tree["y/suid"].mode == tree["y/suid-too"].mode == 0o4755
    assert tree["y/sticky"].mode == 0o1777 and tree["y/sgid"].mode == 0o2775
    assert tree["y/sgid"].owner == (0, 33) and tree["y/sgid/made"].owner == (0, 33)
    assert tree["y/sticky/mine"].owner == (1234, 0)
    if not hasattr(world, "docker"):
        assert world.run("-u", "1234", image.id, "/sbin/busybox-suid", "id", "-u").out == "1234\n"


def test_names(world, context):
    ctx = context("names")
    strange = ["ctx dir/ünï.txt", "back\\slash", "new\nline", "-dash", "tab\tname", "emoji-🐢", "%41", "a:b",
               "x" * 255, os.fsdecode(b"\xff\xfe-bytes")]
    for name in strange:
        (ctx / name).parent.mkdir(exist_ok=True)
        (ctx / name).write_text(name, errors="surrogateescape")
    _, tree = build(world, ctx)
    copied = below(tree, "ctx")
    assert {n for n in copied if copied[n].type == "file" and n != "Dockerfile"} == set(strange)
    for name in strange:
        assert copied[name].data == os.fsencode(name), name
    made = below(tree, "run-made")
    long = "l" * 255
    assert set(made) == {"ünïcödé", "日本語", " lead", "trail ", "-dash", "*star", "a\\b", "quote'\"", "new\nline",
                         os.fsdecode(b"\xff\xfebad"), long, f"{long}/{long}", f"{long}/{long}/file", "long-target"}
    assert made[f"{long}/{long}/file"].text == "deep\n" and made["long-target"].target == "t" * 300
    assert files(tree, "json") == ["ünï.txt"]


def test_special_files(world, context):
    ctx = context("special")
    _, tree = build(world, ctx)
    if not hasattr(world, "docker"):        # its version leaves them out
        assert tree["x/fifo"].type == "fifo"
        assert tree["x/null"].type == "char" and tree["x/null"].dev == (1, 3)
    _, first = build(world, ctx, "--target", "first")
    assert first["blk"].type == "block" and first["blk"].mode == 0o600 and first["etc/made"].text == "made\n"
    assert not [p for p in first if p.startswith(("dev/", "proc/", "sys/"))]


def test_dockerignore(world, context):
    ctx = context("dockerignore")
    _, tree = build(world, ctx)
    assert sorted(p for p, e in tree.items() if e.type == "file") == [
        "#hash", ".dockerignore", "ac.txt", "build/keep/this.txt", "deep/1/public", "docs/README.md",
        "important.log", "sub/b.log", "sub/rooted.txt", "z.txt"]
    # An ignore file of the Dockerfile's own takes its place.
    (ctx / "Other").write_text("FROM scratch\nCOPY . /\n")
    (ctx / "Other.dockerignore").write_text("*\n!docs\ndocs/sub\n")
    _, tree = build(world, ctx, "-f", str(ctx / "Other"))
    assert sorted(p for p, e in tree.items() if e.type == "file") == ["docs/README.md", "docs/a.md"]


def test_volume_keeps_later_writes(world, context):
    image, tree = build(world, context("volumes"))
    assert files(tree, "data") == ["after", "before", "f.txt"]
    assert image.config["config"]["Volumes"] == {"/data": {}}
