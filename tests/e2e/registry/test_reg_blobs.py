# SPDX-License-Identifier: Apache-2.0
"""Cases BLOB: downloads that break, ranges, redirects, limits. Names carry the case numbers."""
import gzip
import os
import re
import signal
import time

import pytest

import archives
import harness
import storecheck
from fakehttp import Response
from fakeauth import Basic, Tokens
from fakereg import FOREIGN_LAYER, OCI_LAYER, digest
from harness import wait_for
from regkit import auth, big, many, noise, ref

MB = 1 << 20


def layer(reg, img, n=0):
    """Regular expression for the requests of a layer."""
    return "/blobs/" + img.layer_digests[n]


def whole(tare, reg, img):
    """The image in the store is the one of the registry."""
    name = ref(reg, img)
    assert tare.inspect(name)["Id"] == img.config_digest and tare.layers(name) == [digest(t) for t in img.tars]
    storecheck.check(tare.root)


def refused(tare, reg, img, *says):
    r = tare.fails("pull", ref(reg, img), says=[reg.name, *says])
    assert tare("images", "-aq").out == ""
    storecheck.check(tare.root)
    return r


def moved(reg, path="/blobs/sha256"):
    return sum(r.bytes_out for r in reg.requests("GET", path))


def files(store):
    return {str(p.relative_to(store)) for p in store.rglob("*") if p.is_file()}


def test_blob_01_nothing_is_visible_before_it_is_checked(tare, reg, store):
    img = reg.image("a", "v1", big(3 * MB))
    rule = reg.rule("GET", layer(reg, img), stall=2 * MB)
    with tare.start("pull", ref(reg, img)) as p:
        wait_for(lambda: sum(r.bytes_out for r in reg.journal) > 2 * MB)
        time.sleep(0.2)
        assert not [f for f in files(store) if digest(img.tars[0])[7:] in f and not f.startswith(("work/", "partial"))]
        assert tare("images", "-aq").out == ""
        p.stop(signal.SIGTERM)
    storecheck.check(tare.root)
    reg.server.rules.remove(rule)
    tare("pull", ref(reg, img))
    whole(tare, reg, img)


@pytest.mark.parametrize("how", ["truncate", "rst"])
def test_blob_03_04_resumed_where_it_broke(tare, reg, how):
    img = reg.image("a", "v1", big(2 * MB))
    size, at = len(img.layers[0]), 0
    reg.rule("GET", layer(reg, img), times=3, **{how: 600000})
    tare("pull", ref(reg, img))
    whole(tare, reg, img)
    asked = reg.requests("GET", layer(reg, img))
    assert len(asked) >= 4 and sum(r.bytes_out for r in asked) < 1.1 * size
    starts = sorted(int(re.match(r"bytes=(\d+)-", r.header("range") or "bytes=0-")[1]) for r in asked)
    assert starts[0] == 0 and len(set(starts)) == len(starts)


def test_blob_05_no_progress(tare, reg):
    img = reg.image("a", "v1", big(1 * MB))
    reg.rule("GET", layer(reg, img), rst=100)
    refused(tare, reg, img)
    assert len(reg.requests("GET", layer(reg, img))) <= 20


@pytest.mark.parametrize("act", [
    {"ignore_range": True},                                                       # 06
    {"drop": ["content-range"]}, {"set": {"Content-Range": "bytes 5-9/*"}},       # 08
    {"edit": lambda req, r: r.set("Content-Range", re.sub(r"/\d+", "/77", r.get("content-range") or ""))},
    {"edit": lambda req, r: r.set("Content-Range", re.sub(r"/\d+", "/*", r.get("content-range") or ""))},
    {"add": [("Content-Range", "bytes 0-1/2")]}, {"shift_range": 7},
    {"status": 416},                                                              # 09
], ids=["06_whole_body", "08_none", "08_wrong", "08_total", "08_star", "08_two", "08_shifted", "09_416"])
def test_blob_06_08_09_odd_answers_to_a_resume(tare, reg, act):
    img = reg.image("a", "v1", big(1 * MB))
    reg.rule("GET", layer(reg, img), times=1, rst=500000)
    reg.rule("GET", layer(reg, img), header=("range", r"bytes=[1-9]"), times=1, **act)
    tare("pull", ref(reg, img))
    whole(tare, reg, img)
    assert moved(reg, layer(reg, img)) < 2.2 * MB


def multipart(req, data, quote):
    m = re.match(r"bytes=(\d+)-(\d*)", req.header("range"))
    a, b = int(m[1]), int(m[2] or len(data) - 1)
    mark = "THIS:IS:ONE"
    body = (f"--{mark}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {a}-{b}/{len(data)}\r\n\r\n".encode()
            + data[a:b + 1] + f"\r\n--{mark}--\r\n".encode())
    return Response(206, [("Content-Type", f"multipart/byteranges; boundary={quote}{mark}{quote}")], body)


@pytest.mark.parametrize("quote", ["", '"'])
def test_blob_10_multipart(tare, reg, quote):
    img = reg.image("a", "v1", big(1 * MB))
    reg.rule("GET", layer(reg, img), times=1, rst=500000)
    reg.rule("GET", layer(reg, img), header=("range", r"bytes=[1-9]"), times=1, call=lambda q: multipart(q, img.layers[0], quote))
    tare("pull", ref(reg, img))
    whole(tare, reg, img)


@pytest.mark.parametrize("what", ["config", "layer"])
def test_blob_12_endless_body(tare, reg, what):
    img = reg.image("a", "v1", big(300000))
    path = layer(reg, img) if what == "layer" else "/blobs/" + img.config_digest
    data = img.layers[0] if what == "layer" else img.config

    def endless(req):
        def pieces():
            yield data
            while True:
                yield b"\0" * 65536
        return Response(200, [], pieces())
    reg.rule("GET", path, call=endless)
    r = tare("pull", ref(reg, img), code=None)
    if r.code == 0:                    # it stopped where the descriptor says, and the bytes were right
        whole(tare, reg, img)
    assert all(r.bytes_out < len(data) + 16 * MB for r in reg.requests("GET", path))


@pytest.mark.parametrize("more", [-1, 1, 5000])
def test_blob_12_wrong_length(tare, reg, more):
    img = reg.image("a", "v1", big(300000))
    reg.repos["a"].blobs[img.layer_digests[0]] = (img.layers[0] + b"x" * 5000)[:len(img.layers[0]) + more]
    refused(tare, reg, img)


def test_blob_12_wrong_bytes(tare, reg):
    img = reg.image("a", "v1", big(300000))
    rule = reg.rule("GET", layer(reg, img), flip=150000)
    refused(tare, reg, img, img.layer_digests[0])
    assert rule.hits <= 6
    reg.server.rules.clear()
    tare("pull", ref(reg, img))
    whole(tare, reg, img)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_blob_17_redirects(tare, reg, status):
    img = reg.image("a", "v1")
    other = reg.server.listen(reg.handle)

    def away(req):
        return Response(status, [("Location", f"http://{other.name}{req.target}")])
    reg.rule(port=reg.port, method="GET|HEAD", path="/(blobs|manifests)/", call=away)
    tare("pull", ref(reg, img))
    whole(tare, reg, img)
    assert tare("digest", ref(reg, img)).out.strip() == img.digest
    sent = [r for r in reg.requests(path="/manifests/", port=reg.port) if r.method == "HEAD"]
    landed = [r for r in reg.requests(path="/manifests/", port=other.port) if r.method == "HEAD"]
    assert len(sent) == len(landed)


def test_blob_18_loops_and_bad_places(tare, make_reg, reg, ca):
    img = reg.image("a", "v1")
    reg.rule("GET", layer(reg, img), call=lambda req: Response(307, [("Location", req.path)]))
    refused(tare, reg, img, "redirect")
    assert len(reg.requests("GET", layer(reg, img))) <= 2 * 11
    reg.server.rules.clear()
    reg.rule("GET", layer(reg, img), status=307, headers={"Location": "file:///etc/passwd"})
    refused(tare, reg, img, "file")
    safe = make_reg(tls=ca.context("127.0.0.1"))
    img = safe.image("a", "v1")
    plain = safe.server.listen(safe.handle)
    safe.rule(port=safe.port, method="GET", path=layer(safe, img), status=307,
              headers={"Location": f"{plain.url}/v2/a{layer(safe, img)}"})
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    refused(tare, safe, img, "http")
    assert not safe.requests(port=plain.port)


def test_blob_18_ten_hops_are_enough(tare, reg):
    img = reg.image("a", "v1")

    def hop(req):
        n = int(req.q("hop") or 0)
        return Response(307, [("Location", f"{req.path}?hop={n + 1}")]) if n < limit else None
    limit = 10
    reg.rule("GET", layer(reg, img), call=hop)
    tare("pull", ref(reg, img))
    limit = 11
    tare("rmi", ref(reg, img))
    tare("gc", code=None)
    refused(tare, reg, img)


@pytest.mark.parametrize("target", ["http://169.254.169.254/x", "http://[fe80::1]/x"])
def test_blob_19_redirect_to_an_address_within(tare, reg, target):
    img = reg.image("a", "v1")
    tare.hosts(**{"r.test": "127.0.0.1"})
    reg.rule("GET", layer(reg, img), status=307, headers={"Location": target})
    t0 = time.monotonic()
    tare.fails("pull", ref(reg, img))


def test_blob_20_expired_signature(tare, reg):
    img = reg.image("a", "v1", big(1 * MB))
    store_ = reg.server.listen(reg.handle)
    seen = []

    def away(req):
        seen.append(len(seen))
        return Response(307, [("Location", f"http://{store_.name}{req.path}?sig={seen[-1]}")])
    reg.rule(port=reg.port, method="GET", path=layer(reg, img), call=away)
    reg.rule(port=store_.port, path="sig=0", times=1, rst=400000)
    reg.rule(port=store_.port, path="sig=0", skip=1, status=403)
    tare("pull", ref(reg, img))
    whole(tare, reg, img)
    assert len(seen) >= 2 and moved(reg, "sig=") < 1.2 * MB


def test_blob_21_redirect_target_with_a_challenge(tare, make_reg, served):
    t = Tokens({"u": "p"}, anonymous="")
    reg, away = served(t), make_reg()
    img = reg.image("a", "v1")
    away.auth = Basic({"u": "p"}, challenge=f'Bearer realm="{away.listener.url}/token",service="x"')
    reg.rule(port=reg.port, method="GET", path=layer(reg, img), edit=lambda q, r: (
        setattr(r, "status", 307), r.set("Location", f"http://{away.name}{q.path}")) if r.status == 200 else None)
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare.fails("pull", ref(reg, img), says="401")
    assert away.requests() and not [r for r in away.requests() if (r.header("authorization") or "").startswith("Basic")]
    given = {"Bearer " + x for x in t.tokens}
    assert not [r for r in away.requests() if r.header("authorization") in given]


def test_blob_15_credentials_stay_with_the_registry(tare, make_reg):
    reg, away = make_reg(auth=Basic({"u": "p"})), make_reg()
    img = reg.image("a", "v1")
    away.image("a", "v1")
    reg.rule("GET", layer(reg, img), edit=lambda q, r: (
        setattr(r, "status", 307), r.set("Location", f"http://{away.name}{q.path}")) if r.status == 200 else None)
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("pull", ref(reg, img))
    assert away.requests() and not [r for r in away.requests() if r.header("authorization") or r.header("cookie")]


def test_blob_22_few_at_once(tare, reg):
    img = reg.image("a", "v1", many(12))
    reg.rule("GET", "/blobs/", delay=0.1)
    tare("pull", ref(reg, img))
    asked = reg.requests("GET", "/blobs/")
    edges = sorted([(r.begin, 1) for r in asked] + [(r.end, -1) for r in asked])
    level, most = 0, 0
    for _, step in edges:
        level += step
        most = max(most, level)
    assert 2 <= most <= 6, most
    assert asked[0].target.endswith(img.config_digest)
    assert len({r.conn for r in asked}) <= most + 1
    whole(tare, reg, img)


def test_blob_23_killed_and_started_again(tare, reg):
    """Only the rest is fetched by a second process (issue 4: kill -9 in the middle of a pull)."""
    img = reg.image("a", "v1", big(4 * MB, 1 * MB))
    rule = reg.rule("GET", layer(reg, img), stall=3 * MB)
    with tare.start("pull", ref(reg, img)) as p:
        wait_for(lambda: sum(r.bytes_out for r in reg.journal if img.layer_digests[0] in r.target) >= 2 * MB)
        time.sleep(0.3)
        p.stop(signal.SIGKILL)
    reg.server.rules.remove(rule)
    before = moved(reg)
    tare("pull", ref(reg, img))
    whole(tare, reg, img)
    assert moved(reg) < 5.3 * MB, (before, moved(reg))


@pytest.mark.parametrize("damage", ["flip", "longer", "empty"])
def test_blob_26_damaged_partial_file(tare, reg, store, damage):
    img = reg.image("a", "v1", big(2 * MB))
    rule = reg.rule("GET", layer(reg, img), stall=1 * MB)
    before = files(store) if store.exists() else set()
    with tare.start("pull", ref(reg, img)) as p:
        wait_for(lambda: sum(r.bytes_out for r in reg.journal) >= MB)
        time.sleep(0.3)
        p.stop(signal.SIGKILL)
    reg.server.rules.remove(rule)
    kept = [store / f for f in files(store) - before if (store / f).stat().st_size > 500000]
    assert kept, "no partial file was kept"
    for f in kept:
        with open(f, "r+b") as h:
            if damage == "flip":
                h.seek(1000)
                h.write(b"damage")
            elif damage == "longer":
                h.seek(0, 2)
                h.write(b"x" * 3 * MB)
            else:
                h.truncate(0)
    tare("pull", ref(reg, img))
    whole(tare, reg, img)


def test_blob_27_two_pull_the_same(tare, reg):
    img = reg.image("a", "v1", big(1 * MB, 1 * MB))
    reg.rule("GET", "/blobs/", delay=0.1)
    with tare.start("pull", ref(reg, img)) as a, tare.start("pull", ref(reg, img)) as b:
        assert (a.wait().code, b.wait().code) == (0, 0), f"{a.result()}\n{b.result()}"
    whole(tare, reg, img)


def test_blob_28_foreign_layer(tare, make_reg):
    reg, other = make_reg(auth=Basic({"u": "p"})), make_reg(auth=Basic({"x": "y"}))
    away = make_reg()
    img = away.image("a", "v1", big(1000))
    url = lambda r: f"http://{r.name}/v2/a/blobs/{img.layer_digests[0]}"
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    for source in (away, other):
        m = reg.image("a", "v1", big(1000), docker=True, edit=lambda m: m["layers"][0].update(
            mediaType=FOREIGN_LAYER, urls=[url(source)]))
        del reg.repos["a"].blobs[m.layer_digests[0]]
    other.image("a", "v1", big(1000))
    r = tare.fails("pull", ref(reg, m))
    assert not [q for q in other.requests() if q.header("authorization")]
    m = reg.image("a", "v1", big(1000), docker=True, edit=lambda m: m["layers"][0].update(mediaType=FOREIGN_LAYER, urls=[url(away)]))
    del reg.repos["a"].blobs[m.layer_digests[0]]
    tare("pull", ref(reg, m))
    whole(tare, reg, m)
    assert not [q for q in away.requests() if q.header("authorization")]


@pytest.mark.root
def test_blob_30_full_disk(binary, tmp, tare, small_disk, reg):
    disk = small_disk(6)
    small = harness.Tare(binary, disk / "store", scratch=tmp)
    small.env_extra = dict(tare.env_extra)
    img, tiny = reg.image("a", "v1", big(12 * MB)), reg.image("b", "v1", big(1000))
    r = small.fails("pull", ref(reg, img))
    assert "space" in r.err
    storecheck.check(small.root)
    small("gc", code=None)
    small("pull", ref(reg, tiny))
    storecheck.check(small.root)


@pytest.mark.root
def test_blob_31_bomb_fills_no_more_than_its_disk(binary, tmp, tare, small_disk, reg):
    """What expands without end is stopped; the ratio that stops it before that is in the unit tests (zip)."""
    small = harness.Tare(binary, small_disk(24) / "store", scratch=tmp)
    small.env_extra = dict(tare.env_extra)
    zeros = gzip.compress(bytes(8 * MB), 9)
    img = reg.image("a", "v1", archives.Img(b"x", diff_ids=["sha256:" + "1" * 64]), pack=lambda t: zeros * 160)   # 1.25 GiB
    small.fails("pull", ref(reg, img))
    assert small("images", "-aq").out == ""
    storecheck.check(small.root)


def test_blob_31_window_of_2_gib(tare, reg):
    wide = b"\x28\xb5\x2f\xfd\x00\xa8" + b"\x01\x00\x00"    # one empty block
    img = reg.image("a", "v2", archives.Img(b"y", diff_ids=["sha256:" + "1" * 64]), pack=lambda t: wide, layer_media=OCI_LAYER + "+zstd")
    refused(tare, reg, img, "window")


def test_blob_02_closed_ranges(tare, reg):
    """One big layer is fetched in closed ranges by several connections; without ranges in one piece."""
    for ranges, size in ((True, 66 * MB), (False, 65 * MB)):
        reg.ranges = ranges
        img = reg.image("a", f"v{ranges}", archives.Img(archives.pack([("zeros", bytes(size))])), pack=lambda t: t, layer_media=OCI_LAYER)
        tare("pull", ref(reg, img))
        assert tare.layers(ref(reg, img)) == img.layer_digests
        asked = reg.requests("GET", layer(reg, img))
        assert sum(r.bytes_out for r in asked) <= 1.03 * len(img.layers[0]) + 65536, asked
        if ranges:
            assert len(asked) > 2 and all(re.fullmatch(r"bytes=\d+-\d+", r.header("range")) for r in asked)
            assert len({r.conn for r in asked}) > 1
