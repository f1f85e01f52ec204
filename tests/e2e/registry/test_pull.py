# SPDX-License-Identifier: Apache-2.0
"""tare pull and FROM: what comes into the store from a registry, also after breaks and kills."""
import pathlib
import random
import signal

import archives
import fakereg
import harness

MIB = 1 << 20


def parts(tare):
    return list(pathlib.Path(tare.root, "work").glob("part-*"))


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


def big(size, seed=1):
    """An image with one layer that does not compress, and a small one."""
    return archives.Img(archives.pack([("etc/", None), ("etc/hello", b"hi\n")]),
                        archives.pack([("data", noise(size, seed))]))


def ranges(reg, digest):
    return [r.header("range") for r in reg.requests("GET", digest)]


def sent(reg, digest):
    return sum(r.bytes_out for r in reg.requests("GET", digest))


def test_pull(tare, reg):
    img = reg.image("a/b", "v1")
    name = f"{reg.name}/a/b:v1"
    r = tare("pull", name)
    assert r.out.splitlines() == ["v1: Pulling from a/b", f"Digest: {img.digest}",
                                  f"Status: Downloaded newer image for {name}", name]
    i = tare.inspect(name)
    assert i["Id"] == img.config_digest and i["RepoDigests"] == [f"{reg.name}/a/b@{img.digest}"] and i["RepoTags"] == [name]
    assert tare.files(name)["etc/hello"].data == b"hi\n"
    assert img.digest in tare("images", "--digests").out
    n = len(reg.requests())
    assert tare("pull", "-q", name).out == name + "\n"
    assert tare("pull", name).out.splitlines()[-2] == f"Status: Image is up to date for {name}"
    assert {q.method for q in reg.requests()[n:] if "manifests" in q.target} == {"HEAD"}
    assert not reg.requests("GET", "/blobs/")[2:]


def test_by_digest(tare, reg):
    img = reg.image("a/b", "v1")
    by = f"{reg.name}/a/b@{img.digest}"
    tare("pull", by)
    assert tare.inspect(by)["Id"] == img.config_digest
    tare.fails("pull", f"{reg.name}/a/b@sha256:{'0' * 64}", says="no such image")


def test_all_tags(tare, reg):
    for tag in ("v1", "v2", "old"):
        reg.image("a/b", tag)
    tare("pull", "-a", f"{reg.name}/a/b")
    assert sorted(tare.inspect(f"{reg.name}/a/b:v1")["RepoTags"]) == [f"{reg.name}/a/b:{t}" for t in ("old", "v1", "v2")]
    tare.fails("pull", "-a", f"{reg.name}/a/b:v1", says="wants a repository")


def test_from(tare, reg):
    reg.image("base", "1")
    tare.build({"Dockerfile": f"FROM {reg.name}/base:1\nCOPY f /f\n", "f": "x"},
               "-t", "mine")
    assert set(tare.files("mine")) >= {"etc/hello", "f"}
    n = len(reg.requests())
    tare.build({"Dockerfile": f"FROM {reg.name}/base:1\nCOPY f /f\n", "f": "x"}, "-t", "mine")
    assert len(reg.requests()) == n, "an image that is there was asked for"
    newer = reg.image("base", "1", archives.Img(archives.pack([("etc/", None), ("etc/hello", b"newer\n")])))
    tare.build({"Dockerfile": f"FROM {reg.name}/base:1\nCOPY f /f\n", "f": "x"}, "--pull", "-t", "mine")
    assert tare.files("mine")["etc/hello"].data == b"newer\n"
    assert tare.inspect(f"{reg.name}/base:1")["Id"] == newer.config_digest


def test_shared_layers(tare, reg):
    """What the store has is not fetched, and a second image with one more layer brings only that."""
    base = archives.pack([("etc/", None), ("etc/hello", b"hi\n")])
    one = reg.image("a", "1", archives.Img(base))
    two = reg.image("a", "2", archives.Img(base, archives.pack([("more", b"2")])))
    tare("pull", f"{reg.name}/a:1")
    tare("pull", f"{reg.name}/a:2")
    assert len(reg.requests("GET", one.layer_digests[0])) == 1
    assert len(reg.requests("GET", two.layer_digests[1])) == 1


def test_pieces(tare, reg):
    """A large layer comes in closed ranges, several at a time; breaks cost nothing but the break."""
    img = reg.image("a", "1", big(90 * MIB))
    layer = img.layer_digests[1]
    reg.rule("GET", layer, times=3, skip=1, rst=5 * MIB)
    tare("pull", f"{reg.name}/a:1")
    seen = ranges(reg, layer)
    assert seen[0] == "bytes=0-16777215" and len(seen) == 6 + 3
    assert sent(reg, layer) < 1.1 * len(img.layers[1])
    assert tare.files(f"{reg.name}/a:1")["data"].data == noise(90 * MIB)


def test_no_ranges(tare, make_reg):
    reg = make_reg(ranges=False)
    img = reg.image("a", "1", big(70 * MIB))
    reg.rule("GET", img.layer_digests[1], times=1, rst=20 * MIB)
    tare("pull", f"{reg.name}/a:1")
    assert tare.files(f"{reg.name}/a:1")["data"].data == noise(70 * MIB)


def test_resume_in_process(tare, reg):
    """BLOB-03, BLOB-04"""
    img = reg.image("a", "1", big(20 * MIB))
    layer = img.layer_digests[1]
    reg.rule("GET", layer, times=1, truncate=5 * MIB)
    reg.rule("GET", layer, times=2, rst=5 * MIB)
    tare("pull", f"{reg.name}/a:1")
    assert all(r.startswith("bytes=") and not r.startswith("bytes=0-") for r in ranges(reg, layer)[1:])
    assert sent(reg, layer) < 1.1 * len(img.layers[1])


def test_resume_after_kill(tare, reg):
    img = reg.image("a", "1", big(20 * MIB))
    layer, name = img.layer_digests[1], f"{reg.name}/a:1"
    reg.rule("GET", layer, times=1, stall=12 * MIB)
    with tare.start("pull", name) as p:
        harness.wait_for(lambda: [f for f in parts(tare) if f.stat().st_blocks * 512 >= 11 * MIB], what="most of the layer")
        p.kill(signal.SIGKILL)
        p.wait()
    assert name not in tare("images", "--format", "{{.Repository}}:{{.Tag}}").out
    tare("gc")
    before = len(reg.requests("GET", layer))
    tare("pull", name)
    (again,) = ranges(reg, layer)[before:]
    first = int(again[6:].split("-")[0])
    assert 11 * MIB <= first <= 12 * MIB
    assert not parts(tare)
    assert tare.files(name)["data"].data == noise(20 * MIB)


def test_damaged_partial(tare, reg):
    """BLOB-26: what was saved is damaged: it is dropped, and all comes anew."""
    img = reg.image("a", "1", big(20 * MIB))
    layer, name = img.layer_digests[1], f"{reg.name}/a:1"
    reg.rule("GET", layer, times=1, stall=12 * MIB)
    with tare.start("pull", name) as p:
        def there():
            return [f for f in parts(tare) if f.stat().st_blocks * 512 >= 11 * MIB]
        harness.wait_for(there, what="most of the layer")
        p.kill(signal.SIGKILL)
        p.wait()
    (part,) = there()
    with part.open("r+b") as f:
        f.seek(3 * MIB)
        f.write(b"damaged")
    tare("pull", name)
    assert ranges(reg, layer)[-1] is None
    assert tare.files(name)["data"].data == noise(20 * MIB)


def test_flipped(tare, reg):
    """A byte that changes on the way: refused, nothing visible, and the next pull begins anew."""
    img = reg.image("a", "1", big(2 * MIB))
    name = f"{reg.name}/a:1"
    reg.rule("GET", img.layer_digests[1], flip=MIB)
    tare.fails("pull", name, says=img.layer_digests[1][:20])
    assert tare("images", "-q").out == ""
    assert not [p for p in parts(tare) if img.layer_digests[1][7:] in p.name]
    layers = pathlib.Path(tare.root, "layers")
    assert not layers.exists() or not list(layers.iterdir())


def test_keep_blobs(tare, reg):
    img = reg.image("a", "1")
    tare("pull", "--keep-blobs", f"{reg.name}/a:1")
    blob = pathlib.Path(tare.root, "blobs/sha256") / img.layer_digests[0][7:]
    assert blob.read_bytes() == img.layers[0]
    tare("gc")
    assert blob.exists()
    tare("rmi", f"{reg.name}/a:1")
    tare("gc")
    assert not blob.exists()


def test_platforms(tare, reg):
    """MAN-12: the best of an index; what is never chosen; what there is instead."""
    amd = reg.image("a", None, archives.Img(arch="amd64"))
    v6 = reg.image("a", None, archives.Img(arch="arm", variant="v6"))
    v7 = reg.image("a", None, archives.Img(arch="arm", variant="v7"))
    index = reg.index("a", "1", [(amd, {"os": "linux", "architecture": "amd64"}),
                                 (v6, {"os": "linux", "architecture": "arm", "variant": "v6"}),
                                 (v7, {"os": "linux", "architecture": "arm", "variant": "v7"})])
    name = f"{reg.name}/a:1"
    for platform, want in (("linux/amd64", amd), ("linux/arm/v7", v7), ("linux/arm/v8", v7), ("linux/arm/v6", v6)):
        tare("pull", "--platform", platform, name)
        i = tare.inspect(name)
        assert i["Id"] == want.config_digest and i["RepoDigests"] == [f"{reg.name}/a@{index}"]
    tare.fails("pull", "--platform", "linux/s390x", name, says=["linux/s390x", "linux/arm/v7"])


def test_wrong_diff_id(tare, reg):
    """MAN-21"""
    reg.image("a", "1", archives.Img(diff_ids=["sha256:" + "1" * 64]))
    tare.fails("pull", f"{reg.name}/a:1", says="its bytes are those of")
    assert tare("images", "-q").out == ""


def test_foreign(tare, make_reg, reg):
    """BLOB-28: a layer that is elsewhere comes from there, when the registry does not have it."""
    other = make_reg()
    tar = archives.pack([("f", b"foreign")])

    def edit(m):
        m["layers"][0].update(mediaType=fakereg.FOREIGN_LAYER, urls=[f"http://{other.name}/v2/x/blobs/{m['layers'][0]['digest']}"])
    img = reg.image("a", "1", archives.Img(tar), docker=True, edit=edit)
    other.blob("x", img.layers[0])
    del reg.repo("a").blobs[img.layer_digests[0]]
    tare("pull", f"{reg.name}/a:1")
    assert tare.files(f"{reg.name}/a:1")["f"].data == b"foreign"
