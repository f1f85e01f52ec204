# SPDX-License-Identifier: Apache-2.0
"""
Hostile images from a registry and, beside each, the benign one that looks like it (issue 4; CVEs in brackets).

A layer is hostile in one of two ways. REFUSED ones are no image of any tool: the pull fails with a cause and the store
stays empty. CONTAINED ones use what honest images use too (links, absolute names): they are accepted, and whatever they
name is looked up within the image. For both nothing outside the store changes.
"""
import io
import json
import os
import tarfile
import time

import pytest

import archives
import storecheck
from archives import hardlink, pack, special, symlink
from fakereg import OCI_LAYER, OCI_MANIFEST, descriptor, digest
from regkit import ref


def raw(name, size=0, kind=b"0", link="", body=b"", mode=b"0000644", **fields):
    """A tar header by hand, its body, padding. fields: offset -> bytes, as o124=b"..." for the size."""
    h = bytearray(512)

    def put(at, value):
        h[at:at + len(value)] = value
    put(0, name.encode() if isinstance(name, str) else name)
    put(100, mode + b"\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"%011o\0" % 0)
    put(156, kind)
    put(157, link.encode())
    put(257, b"ustar\00000")
    for at, value in fields.items():
        put(int(at[1:]), value)
    put(148, b" " * 8)
    put(148, b"%06o\0 " % sum(h))
    return bytes(h) + body + b"\0" * (-len(body) % 512)


def pax(text, name="hidden", **kw):
    return raw("PaxHeaders/x", len(text), b"x", body=text)


def record(key, value):
    body = f" {key}={value}\n".encode()
    n = len(body) + 1
    while len(str(n)) + len(body) != n:
        n = len(str(n)) + len(body)
    return str(n).encode() + body


END = bytes(1024)
FILE = raw("file", 5, body=b"hello")

# name: (layers that are refused, layers that look alike and are accepted)
REFUSED = {
    "name leads out": ([pack([("../x", b"1")])], [pack([("..x", b"1"), ("a/..b", b"1"), ("./c", b"1")])]),
    "name leads out later": ([pack([("a/../../x", b"1")])], [pack([("a/", None), ("a/b/../c", b"1")])]),
    "root is a link [CVE-2021-29136]": ([pack([(".", symlink("/etc"))])], [pack([("./", None), ("./x", b"1")])]),
    "root is a file": ([raw("./", 5, body=b"hello") + END], [pack([(".", None), ("x", b"1")])]),
    "root is a hard link": ([pack([("x", b"1"), (".", hardlink("x"))])], [pack([("x", b"1"), ("y", hardlink("x"))])]),
    "hard link leads out": ([pack([("h", hardlink("../../etc/passwd"))])], [pack([("f", b"1"), ("h", hardlink("./f"))])]),
    "hard link to a host's file [go-archive 0.3.3]": ([pack([("h", hardlink("/etc/passwd"))])],
                                                      [pack([("f", b"1"), ("h", hardlink("/f"))])]),
    "hard link to a file of the caller's directory [GHSA-fxhp-mv3v-67qp]": (
        [pack([("h", hardlink("in-cwd"))])], [pack([("in-cwd", b"1"), ("h", hardlink("in-cwd"))])]),
    "hard link through a link": ([pack([("l", symlink("/etc")), ("h", hardlink("l/passwd"))])],
                                 [pack([("d/", None), ("d/f", b"1"), ("l", symlink("d")), ("h", hardlink("d/f"))])]),
    "hard link to a directory": ([pack([("d/", None), ("h", hardlink("d"))])], [pack([("d/", None), ("d/f", b"1")])]),
    "whiteout of nothing": ([pack([("f", b"1")]), pack([(".wh.", b"")])], [pack([("f", b"1")]), pack([(".wh.f", b"")])]),
    "whiteout of the directory": ([pack([("d/", None)]), pack([("d/.wh..", b"")])],
                                  [pack([("d/", None), ("d/.x", b"")]), pack([("d/.wh..x", b"")])]),
    "whiteout of the parent": ([pack([("d/", None)]), pack([("d/.wh...", b"")])],
                               [pack([("d/", None), ("d/..x", b"")]), pack([("d/.wh...x", b"")])]),
    "PAX without a number": ([pax(record("size", "abc")) + FILE + END], [pax(record("size", "5")) + FILE + END]),
    "PAX with a negative size": ([pax(record("size", "-5")) + FILE + END], [pax(record("mtime", "-5")) + FILE + END]),
    "PAX with a wrong length": ([pax(b"99 path=x\n") + FILE + END], [pax(record("path", "x")) + FILE + END]),
    "PAX without =": ([pax(b"7 path\n") + FILE + END], [pax(record("comment", "a=b")) + FILE + END]),
    "PAX beyond the end": ([pax(record("size", "99999999999")) + FILE + END], [pax(record("size", "5")) + FILE + END]),
    "PAX header of 8 GiB": ([raw("PaxHeaders/x", 0, b"x", o124=b"77777777777\0") + FILE + END], [pax(record("comment", "x" * 5000)) + FILE + END]),
    "long name of 8 GiB": ([raw("././@LongLink", 0, b"L", o124=b"77777777777\0") + FILE + END],
                           [raw("././@LongLink", 201, b"L", body=b"n" * 200 + b"\0") + FILE + END]),
    "negative size": ([raw("f", 0, o124=b"\xff" * 12) + END], [raw("f", 0, o124=b"\x80" + bytes(10) + b"\0") + END]),
    "sparse map without end [CVE-2025-58183]": (
        [pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.realsize", "1"))
         + raw("f", 1024, body=b"1000000000\n".ljust(1024, b"1")) + END], [pack([("f", bytes(5000))])]),
    "header's sum is wrong": ([FILE[:200] + b"X" + FILE[201:] + END], [FILE + END]),
    "cut within a file": ([raw("f", 5000, body=b"x" * 600)[:900]], [raw("f", 600, body=b"x" * 600) + END]),
    "cut within a header": ([FILE + FILE[:200]], [FILE + FILE.replace(b"file", b"filf").replace(b"\0", b"\0")[:0] + END]),
    "a name of NULs": ([raw(b"\0", 5, body=b"hello") + END], [raw("n", 5, body=b"hello") + END]),
    "unknown type": ([raw("f", 0, b"!", o100=b"9999999") + END], [raw("f", 5, b"\0", body=b"hello") + END]),
    "path too deep": ([pack([("/".join(["d"] * 5000), b"1")])], [pack([("/".join(["d"] * 200), b"1")])]),
}


def make_contained(canary):
    """name: (layers, what the tree has in the end); canary is a directory of the host with a file in it."""
    c = str(canary)
    return {
        "absolute name": ([pack([("/tare-evil", b"1")])], {"tare-evil"}),
        "write through a link": ([pack([("l", symlink(c)), ("l/evil", b"1")])], None),
        "write through a link of a lower layer": ([pack([("l", symlink(c))]), pack([("l/evil", b"1")])], None),
        "write through a relative link": ([pack([("l", symlink("../../../../../../.." + c))]), pack([("l/evil", b"1")])], None),
        "a file over a link [CVE-2021-32760]": ([pack([("l", symlink(c + "/file")), ("l", b"new")])], {"l"}),
        "attributes through a link": ([pack([("l", symlink(c))]), pack([("l", special(tarfile.SYMTYPE, c, mode=0o777, uid=7))])], {"l"}),
        "whiteout through a link": ([pack([("l", symlink(c))]), pack([("l/.wh.file", b"")])], None),
        "opaque through a link": ([pack([("l", symlink(c))]), pack([("l/.wh..wh..opq", b"")])], None),
        "a chain of links": ([pack([("a", symlink("b/..")), ("b", symlink("c")), ("c", symlink("/")), ("a/evil-chain", b"1")])], None),
        "directory over a link": ([pack([("l", symlink(c))]), pack([("l/", None), ("l/evil", b"1")])], None),
    }


CONTAINED = list(make_contained("/x"))


@pytest.fixture
def canary(tmp):
    d = tmp / "outside/canary"
    d.mkdir(parents=True)
    (d / "file").write_text("mine")
    (tmp / "in-cwd").write_text("mine")
    return d


def snapshot(tmp):
    """All that is outside the store: names, contents, attributes."""
    seen = {}
    for p in sorted(tmp.rglob("*")):
        if p.relative_to(tmp).parts[0] not in ("store", "home") and not p.relative_to(tmp).parts[0].startswith(("save", "iid", "ctx")):
            st = p.lstat()
            seen[str(p)] = (st.st_mode, st.st_uid, st.st_mtime_ns, p.read_bytes() if p.is_file() else None)
    for p in ("/etc/passwd", "/etc", "/"):
        st = os.lstat(p)
        seen[p] = (st.st_mode, st.st_nlink if p == "/etc/passwd" else 0, st.st_mtime_ns if p == "/etc/passwd" else 0)
    return seen


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_hostile_layers(tare, reg, tmp, canary, case):
    bad, good = REFUSED[case]
    before = snapshot(tmp)
    img = reg.image("bad", "v1", archives.Img(*bad))
    t0 = time.monotonic()
    r = tare.fails("pull", ref(reg, img))
    assert tare("images", "-aq").out == "" and snapshot(tmp) == before
    storecheck.check(tare.root)
    img = reg.image("good", "v1", archives.Img(*good))
    tare("pull", ref(reg, img))
    tare.files(ref(reg, img))
    assert tare.layers(ref(reg, img)) == [digest(l) for l in good] and snapshot(tmp) == before


@pytest.mark.parametrize("case", CONTAINED)
def test_contained_layers(tare, reg, tmp, canary, case):
    layers, tree = make_contained(canary)[case]
    before = snapshot(tmp)
    img = reg.image("bad", "v1", archives.Img(*layers))
    r = tare("pull", ref(reg, img), code=None)
    if r.code == 0:
        tare.files(ref(reg, img)) if tree is None else None
        if tree is not None:
            assert set(tare.files(ref(reg, img))) == tree
        tare.build(f"FROM {ref(reg, img)}\nCOPY --from={ref(reg, img)} / /copy\n", code=None)
    else:
        assert r.err and tare("images", "-aq").out == ""
    assert snapshot(tmp) == before and not os.path.exists("/tare-evil") and not os.path.exists("/evil-chain")
    storecheck.check(tare.root)


def test_benign_layers(tare, reg):
    """What honest images have, all in one: refused by some tool at some time after a hardening."""
    members = [
        ("var/", None), ("run/", None), ("var/run", symlink("/run")), ("run/x", b"1"), ("bin", symlink("usr/bin")),
        ("usr/bin/", None), ("usr/bin/sh", b"#!"), ("hard", hardlink("/usr/bin/sh")), ("dangling", symlink("/nowhere/at/all")),
        ("up", symlink("../../..")), ("dev/", None), ("dev/null", special(tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)),
        ("fifo", special(tarfile.FIFOTYPE)), ("new\nline", b"1"), ("\u00e4/", None), ("\u00e4/\u6f22", b"1"), ("x" * 250, b"1"),
        ("a/b/c/without/parents", b"1"), ("twice", b"1"), ("twice", b"22"), ("...", b"1"), ("-rf", b"1")]
    img = reg.image("good", "v1", archives.Img(pack(members)))
    tare("pull", ref(reg, img))
    tree = tare.files(ref(reg, img))
    assert tree["twice"].data == b"22" and tree["var/run"].target == "/run" and tree["up"].target == "../../.."
    assert tree["dev/null"].dev == (1, 3) and tree["hard"].data == b"#!" and "a/b/c/without/parents" in tree


def test_two_sizes_are_one_decision(tare, reg):
    """A PAX size that differs from the header's [CVE-2025-62518]: the PAX size counts, nothing hides in between."""
    inner = raw("evil", 4, body=b"evil")
    outer = pax(record("size", str(len(inner)))) + raw("outer", 0, body=inner) + raw("last", 2, body=b"ok") + END
    img = reg.image("a", "v1", archives.Img(outer))
    r = tare("pull", ref(reg, img), code=None)
    if r.code == 0:
        tree = tare.files(ref(reg, img))
        with tarfile.open(fileobj=io.BytesIO(outer)) as t:
            assert {m.name for m in t} == set(tree) == {"outer", "last"}
        assert tree["outer"].data == inner
    twice = pax(record("size", "5")) + pax(record("comment", "x")) + FILE + raw("last", 2, body=b"ok") + END
    img = reg.image("a", "v2", archives.Img(twice))
    r = tare("pull", ref(reg, img), code=None)
    assert r.code == 1 or set(tare.files(ref(reg, img))) == {"file", "last"}


@pytest.mark.root
def test_overlay_attributes_are_no_attributes_of_an_image(tare, reg):
    """trusted.overlay.* and user.overlay.* of a layer would be orders to the kernel's file system."""
    def with_xattr(name, key, value, kind=tarfile.DIRTYPE):
        m = special(kind, mode=0o755)
        m.pax_headers = {"SCHILY.xattr." + key: value}
        return name, m
    low = pack([("d/", None), ("d/secret", b"1"), ("e/", None), ("e/f", b"1")])
    top = pack([with_xattr("d/", "trusted.overlay.opaque", "y"), with_xattr("e/", "user.overlay.opaque", "y"),
                with_xattr("r/", "trusted.overlay.redirect", "/d"),
                ("e/f", special(tarfile.CHRTYPE, devmajor=0, devminor=0))])
    img = reg.image("a", "v1", archives.Img(low, top))
    r = tare("pull", ref(reg, img), code=None)
    if r.code:
        assert r.err
        return
    b = tare.build(f"FROM {ref(reg, img)}\nCOPY --from={ref(reg, img)} /d /copy\nCOPY --from={ref(reg, img)} /r /r2\n")
    tree = tare.files(b.image)
    assert "copy/secret" in tree and "r2/secret" not in tree


# --- configs ---

CONFIGS = {
    "no JSON": b"{", "a list": b"[]", "empty": b"", "no rootfs": b'{"architecture":"amd64","os":"linux"}',
    "diff_ids no list": lambda c: c.replace(b'"diff_ids": [', b'"diff_ids": 7, "x": ['),
    "duplicate keys": lambda c: c.replace(b'"rootfs"', b'"rootfs": {"type": "layers", "diff_ids": []}, "rootfs"'),
    "deep": lambda c: c.replace(b'"created"', b'"x": ' + b"[" * 50000 + b"]" * 50000 + b', "created"'),
    "no UTF-8": lambda c: c.replace(b"/bin/sh", b"/bin/\xff"),
    "NUL": lambda c: c.replace(b"/bin/sh", b"/bin/\\u0000sh"),
    "Env no list": lambda c: c.replace(b'["A=1"]', b'"A=1"'), "Cmd of numbers": lambda c: c.replace(b'["/bin/sh"]', b"[1]"),
    "huge": lambda c: c + b" " * (9 << 20),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_hostile_configs(tare, reg, case):
    img, change = archives.Img(), CONFIGS[case]
    img.config = change(img.config) if callable(change) else change
    i = reg.image("a", "v1", img)
    tare.fails("pull", ref(reg, i), says=reg.name)
    assert tare("images", "-aq").out == ""
    storecheck.check(tare.root)


def test_benign_configs(tare, reg):
    """null where something optional may stand; fields that nobody knows; no history."""
    img = archives.Img()
    c = json.loads(img.config)
    c.update(history=None, config={"Env": None, "Cmd": None, "Labels": None, "Volumes": None, "ExposedPorts": None, "X": 1}, x=[None])
    img.config = json.dumps(c).encode()
    i = reg.image("a", "v1", img)
    tare("pull", ref(reg, i))
    assert tare.saved(ref(reg, i)).config_bytes == img.config


@pytest.mark.parametrize("case", ["layers null", "layers strings", "config null", "config is a layer", "size wrong", "too many layers"])
def test_hostile_manifests(tare, reg, case):
    def edit(m):
        if case == "layers null":
            m["layers"] = None
        elif case == "layers strings":
            m["layers"] = ["x"]
        elif case == "config null":
            m["config"] = None
        elif case == "config is a layer":
            m["config"] = m["layers"][0]
        elif case == "size wrong":
            m["layers"][0]["size"] += 1
        else:
            m["layers"] *= 10000
    img = reg.image("a", "v1", edit=edit)
    tare.fails("pull", ref(reg, img), says=reg.name)
    assert tare("images", "-aq").out == ""


def test_an_artifact_is_no_image(tare, reg):
    media = "application/vnd.oci.empty.v1+json"
    reg.blob("a", b"{}")
    m = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "x/y", "config": descriptor(media, b"{}"),
         "layers": [descriptor("text/plain", b"{}")]}
    reg.manifest("a", "v1", m)
    tare.fails("pull", f"{reg.name}/a:v1", says=["a:v1"])
