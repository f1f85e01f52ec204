# SPDX-License-Identifier: Apache-2.0
"""Cases PUSH: uploads that break, odd sessions, order. Names carry the case numbers."""
import json
import re
import signal
import time

import pytest

import archives
from fakeauth import Tokens
from fakehttp import Response
from fakereg import FOREIGN_LAYER, OCI_INDEX, OCI_MANIFEST, Refuse, digest
from harness import wait_for
from regkit import auth, bearers, big, many, ref
from test_reg_auth import stored

MB = 1 << 20
UP = "/blobs/uploads/"


def image(tare, reg, *sizes, repo="b", seed=1):
    """An image in the store whose name leads to the registry."""
    return stored(tare, big(*(sizes or (2000,)), seed=seed), f"{reg.name}/{repo}:v1")


def arrived(reg, repo="b", tag="v1"):
    """All that the manifest names is there, and is what the diff IDs say."""
    import gzip
    _, m = reg.get(repo, tag)
    blobs = reg.repos[repo].blobs
    config = json.loads(blobs[m["config"]["digest"]])
    got = [blobs[l["digest"]] for l in m["layers"]]
    assert [len(b) for b in got] == [l["size"] for l in m["layers"]]
    assert [digest(gzip.decompress(b)) for b in got] == config["rootfs"]["diff_ids"]
    return m


def sent(reg):
    return sum(r.bytes_in for r in reg.requests("PATCH|PUT|POST", UP))


def test_push_plain(tare, reg):
    tare("push", image(tare, reg, 2000, 3000))
    m = arrived(reg)
    assert len(m["layers"]) == 2 and m["mediaType"] in (OCI_MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
    for r in reg.requests("PATCH"):
        assert not r.chunked
    assert not reg.uploads


def test_push_01_what_is_there_is_not_sent(tare, reg):
    name = image(tare, reg, 2000, 3000)
    tare("push", name)
    before = len(reg.journal)
    tare("push", name)
    assert not [r for r in reg.journal[before:] if r.method in ("POST", "PATCH")]
    assert not [r for r in reg.journal[before:] if r.method == "PUT" and UP in r.target]


def test_push_02_location_on_another_host(tare, make_reg):
    class Door(Tokens):
        def check(self, req, needs):
            return None if req.port == other.port else super().check(req, needs)
    t = Door({"u": "p"})
    reg = make_reg(auth=t)
    tokens, other = reg.server.listen(t.handle), reg.server.listen(reg.handle, "127.0.0.2")
    t.realm = tokens.url + "/token"
    reg.rule("POST", UP, port=reg.port, edit=lambda q, r: r.get("location") and r.set(
        "Location", r.get("location").replace(reg.name, other.name)))
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("push", image(tare, reg, 300000))
    arrived(reg)
    bodies = reg.requests("PATCH|PUT", UP)
    assert bodies and {r.port for r in bodies} == {other.port}
    assert not [r for r in reg.requests(port=other.port) if r.header("authorization")]


FORMS = {
    "query": ("/v2/b/blobs/uploads/{id}?_state=a%3D%3D&u=1%2f~", "/v2/b/blobs/uploads/{id}?_state=a%3D%3D&u=1%2f~&digest="),
    "relative": ("{id}/y?z", "/v2/b/blobs/uploads/{id}/y?z&digest="),
    "only": ("?id={id}", "/v2/b/blobs/uploads/?id={id}&digest="),
    "network": ("//{host}/else/{id}", "/else/{id}?digest="),
    "fragment": ("/v2/b/blobs/uploads/{id}?u=1#frag", "/v2/b/blobs/uploads/{id}?u=1&digest="),
    "dots": ("../../../up/./{id}", "/v2/up/{id}?digest="),
    "empty": ("/up/{id}?", "/up/{id}?digest="),
}


@pytest.mark.parametrize("form", FORMS)
def test_push_03_forms_of_a_location(tare, reg, form):
    location, want = FORMS[form]
    idents = []

    def say(req, r):
        at = re.search(r"uploads/([0-9a-f]{32})", r.get("location") or "")
        if at and req.method == "POST":
            idents.append(at[1])
            r.set("Location", location.format(id=at[1], host=reg.name))

    def route(req):
        ident = re.search(r"[0-9a-f]{32}", req.target)
        if req.method == "POST" or not ident or "sha256" in req.path:
            return None
        req.path = "/v2/b/blobs/uploads/" + ident[0]
        return reg.handle(req)
    reg.strict_state = False
    reg.rule("POST", UP, edit=say)
    reg.rule("PUT|PATCH", call=route, where=lambda q: "/manifests/" not in q.target)
    tare("push", image(tare, reg, 2000))
    arrived(reg)
    puts = [r.target for r in reg.requests("PUT") if "/manifests/" not in r.target]
    assert len(puts) == len(idents) == 2
    for target, ident in zip(sorted(puts), sorted(idents)) if form != "x" else ():
        assert "#" not in target and target.count("digest=") == 1
    assert sorted(re.sub("[0-9a-f]{32}", "{id}", t.split("digest=")[0]) + "digest=" for t in puts) == [want] * 2
    assert all(re.search(r"digest=sha256(:|%3A)[0-9a-f]{64}$", t) for t in puts)


@pytest.mark.parametrize("value", [None, "", "http://[::bad/x", "http://h:99999/", "ftp://127.0.0.1/x", "http://"])
def test_push_04_no_location(tare, reg, value):
    reg.rule("POST", UP, **({"drop": ["location"]} if value is None else {"set": {"Location": value}}))
    tare.fails("push", image(tare, reg), says=reg.name)
    assert not reg.requests("PUT|PATCH")


@pytest.mark.parametrize("status", [200, 202, 204])
def test_push_07_odd_ends(tare, reg, status):
    reg.rule("PUT", UP, restatus=status)
    tare("push", image(tare, reg))
    arrived(reg)
    ends = [i for i, r in enumerate(reg.journal) if r.method == "PUT" and UP in r.target]
    for i in ends:
        d = re.search(r"sha256(?::|%3A)([0-9a-f]{64})", reg.journal[i].target)[1]
        assert [r for r in reg.journal[i:] if r.method == "HEAD" and d in r.target]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_push_07_an_end_that_stored_nothing(tare, reg, status):
    reg.rule("PUT", UP, status=status)
    tare.fails("push", image(tare, reg), says=reg.name)
    assert not reg.repo("b").tags


def test_push_08_chunks(tare, reg):
    tare("push", "--chunk", "5M", image(tare, reg, 12 * MB))
    m = arrived(reg)
    size = m["layers"][0]["size"]
    big_ = [r for r in reg.requests("PATCH") if r.length > 4 * MB]
    assert [r.header("content-range") for r in reg.requests("PATCH")][:3] == [
        "0-5242879", "5242880-10485759", f"10485760-{size - 1}"]
    assert len(big_) == 2
    end = next(r for r in reg.requests("PUT", UP) if m["layers"][0]["digest"][7:] in r.target)
    assert end.header("content-length") == "0"


def test_push_09_least_size_of_a_chunk(tare, reg):
    reg.min_chunk = 2 * MB
    tare("push", "--chunk", "1M", image(tare, reg, 5 * MB))
    arrived(reg)
    lengths = [r.length for r in reg.requests("PATCH", status=202)]
    assert all(n >= 2 * MB for n in lengths[:-1]) and len(lengths) >= 2


def test_push_10_largest_body(tare, reg):
    """413 from what stands in front: smaller parts."""
    reg.max_body = 700000
    tare("push", "--chunk", "4M", image(tare, reg, 3 * MB))
    arrived(reg)
    assert sent(reg) < 1.3 * 3 * MB


@pytest.mark.parametrize("cut", [MB // 2, 3 * MB // 2])
def test_push_11_reset_within_a_chunk(tare, reg, cut):
    name = image(tare, reg, 5 * MB)
    reg.rule("PATCH", times=2, skip=1, cut=cut)
    tare("push", "--chunk", "2M", name)
    arrived(reg)
    assert sent(reg) < 1.3 * 5 * MB
    assert [r for r in reg.requests("GET", UP) if r.status == 204]


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_push_12_ambiguous_range(tare, reg, cut, checks):
    """"0-0" means no byte or one. checks: the registry compares Content-Range with what it has; 2.8.2 does not."""
    reg.check_range = checks
    name = image(tare, reg, 2 * MB)
    reg.rule("PATCH", times=1, cut=cut)
    tare("push", "--chunk", "1M", name)
    arrived(reg)


def test_push_13_session_is_gone(tare, reg):
    name = image(tare, reg, 3 * MB)
    reg.rule("PATCH", skip=1, times=1, call=lambda req: reg.uploads.clear())
    tare("push", "--chunk", "1M", name)
    arrived(reg)


def test_push_14_killed_and_started_again(tare, reg):
    """Only the rest is sent by a second process (issue 4: kill -9 in the middle of a push)."""
    name = image(tare, reg, 6 * MB)
    rule = reg.rule("PATCH", skip=4, delay=30)
    with tare.start("push", "--chunk", "1M", name) as p:
        wait_for(lambda: rule.hits)
        p.stop(signal.SIGKILL)
    reg.server.rules.remove(rule)
    before = sum(r.bytes_in for r in reg.journal if r.method == "PATCH")
    assert before >= 4 * MB
    tare("push", "--chunk", "1M", name)
    arrived(reg)
    assert sum(r.bytes_in for r in reg.journal if UP in r.target) < 1.2 * 6 * MB


def test_push_15_session_of_a_dead_process_is_gone(tare, reg):
    name = image(tare, reg, 4 * MB)
    rule = reg.rule("PATCH", skip=2, delay=30)
    with tare.start("push", "--chunk", "1M", name) as p:
        wait_for(lambda: rule.hits)
        p.stop(signal.SIGKILL)
    reg.server.rules.remove(rule)
    reg.uploads.clear()
    tare("push", "--chunk", "1M", name)
    arrived(reg)


def test_push_17_failed_but_stored(tare, reg):
    name = image(tare, reg, 300000)
    reg.rule("PUT", UP, restatus=500)
    tare("push", name)
    arrived(reg)
    assert sent(reg) < 1.1 * 300000 + 5000


def source(tare, reg):
    """An image pulled from a, to be pushed to b of the same host."""
    img = reg.image("a", "v1", big(300000, 2000))
    tare("pull", ref(reg, img))
    tare("tag", ref(reg, img), f"{reg.name}/b:v1")
    return img


def test_push_18_mounted(tare, reg):
    img = source(tare, reg)
    tare("push", f"{reg.name}/b:v1")
    assert reg.get("b", "v1")[1]["layers"] == reg.get("a", "v1")[1]["layers"]
    mounts = [r.q("mount") for r in reg.requests("POST", UP, 201)]
    assert set(img.layer_digests) <= set(mounts) and {r.q("from") for r in reg.requests("POST", "mount=")} == {"a"}
    assert sent(reg) <= len(img.config)


def test_push_19_mount_becomes_a_session(tare, reg):
    source(tare, reg)
    reg.mount = False
    tare("push", f"{reg.name}/b:v1")
    arrived(reg)
    assert not reg.uploads, "a session was left behind"
    assert len(reg.requests("POST", UP)) <= 3 or reg.requests("DELETE", UP)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500])
def test_push_20_mount_refused(tare, reg, status):
    source(tare, reg)
    rule = reg.rule("POST", "mount=", status=status)
    tare("push", f"{reg.name}/b:v1")
    arrived(reg)
    plain = [r for r in reg.requests("POST", UP) if not r.q("mount")]
    assert rule.hits and len(plain) == 3


def test_push_21_pulled_from_elsewhere(tare, reg, make_reg):
    """A pulled layer keeps its compressed form's digest: it is streamed from where it came, not made anew."""
    img = source(tare, reg)
    to = make_reg()
    tare("tag", ref(reg, img), f"{to.name}/c:v1")
    tare("push", f"{to.name}/c:v1")
    assert to.get("c", "v1")[1]["layers"] == reg.get("a", "v1")[1]["layers"]


def test_push_21_source_is_gone(tare, reg, make_reg):
    img = source(tare, reg)
    to = make_reg()
    tare("tag", ref(reg, img), f"{to.name}/c:v1")
    reg.listener.close()
    reg.server.forget()
    r = tare("push", f"{to.name}/c:v1")
    arrived(to, "c")
    assert "digest" in r.err


def test_push_24_order(tare, reg, make_reg):
    """Blobs, manifests, index, tag: whoever sees the tag finds everything."""
    to = make_reg()
    imgs = [reg.image("a", None, archives.Img(archives.pack([("x", a.encode())]), arch=a)) for a in ("amd64", "arm64", "s390x")]
    index = reg.index("a", "v1", [(i, {"os": "linux", "architecture": json.loads(i.config)["architecture"]}) for i in imgs])
    to.sparse = False
    tag = to.rule("PUT", "/manifests/v1", close="rst")
    tare.fails("copy", "--all", f"{reg.name}/a:v1", f"{to.name}/b:v1")
    assert not to.repo("b").tags and {i.digest for i in imgs} <= set(to.repo("b").manifests)
    to.server.rules.remove(tag)
    tare("copy", "--all", f"{reg.name}/a:v1", f"{to.name}/b:v1")
    assert to.repos["b"].tags == {"v1": index}
    for m in [i.manifest for i in imgs]:
        assert to.repos["b"].manifests[digest(m)] == (OCI_MANIFEST, m)


def test_push_25_sparse_index(tare, reg, make_reg):
    to = make_reg()
    imgs = [reg.image("a", None, archives.Img(archives.pack([("x", a.encode())]), arch=a)) for a in ("amd64", "arm64")]
    index = reg.index("a", "v1", [(i, {"os": "linux", "architecture": a}) for i, a in zip(imgs, ("amd64", "arm64"))])
    tare("copy", "--all", "--platform", "linux/arm64", f"{reg.name}/a:v1", f"{to.name}/b:v1")
    assert to.repos["b"].tags == {"v1": index} and set(to.repos["b"].manifests) == {index, imgs[1].digest}


def test_push_26_manifest_misses_a_blob(tare, reg):
    def lost(req):
        r = reg.repo("b")
        d = next(x["digest"] for x in json.loads(req.body())["layers"])
        del r.blobs[d]
        return Refuse(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", {"digest": d}).response
    reg.rule("PUT", "/manifests/", times=1, call=lost)
    tare("push", image(tare, reg, 2000, 3000))
    arrived(reg)
    assert len(reg.requests("PUT", "/manifests/")) == 2


def test_push_27_manifest_too_large(tare, reg):
    reg.rule("PUT", "/manifests/", status=413, body=b"no")
    tare.fails("push", image(tare, reg), says=[reg.name, "refuses a manifest of"])


def test_push_28_manifest_put_broken(tare, reg):
    reg.rule("PUT", "/manifests/", times=1, close="rst")
    reg.rule("PUT", "/manifests/", skip=1, times=1, restatus=500)
    tare("push", image(tare, reg))
    arrived(reg)


def test_push_29_nondistributable(tare, reg, make_reg):
    to, away = make_reg(), make_reg()
    change = lambda m: m["layers"][0].update(mediaType=FOREIGN_LAYER, urls=[f"http://{away.name}/layer"])
    img = reg.image("a", "v1", big(2000, 3000), docker=True, edit=change)
    tare("copy", ref(reg, img), f"{to.name}/b:v1")
    assert img.layer_digests[0] not in to.repos["b"].blobs and img.layer_digests[1] in to.repos["b"].blobs
    assert to.get("b", "v1")[1] == reg.get("a", "v1")[1]


@pytest.mark.parametrize("how", ["gzip", "zstd", "none"])
def test_push_34_compression(tare, reg, how, tmp):
    from harness import run
    name = image(tare, reg, 50000)
    tare("push", "--compression", how, name)
    media, m = reg.get("b", "v1")
    kind = m["layers"][0]["mediaType"]
    data = reg.repos["b"].blobs[m["layers"][0]["digest"]]
    magic = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "none": b"big0"}[how]
    assert data.startswith(magic)
    assert kind.endswith({"gzip": "gzip", "zstd": "+zstd", "none": "tar"}[how])
    run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{reg.name}/b:v1", f"oci:{tmp}/l:v1"], check=True)


def test_push_35_no_docker_manifest_with_zstd(tare, reg):
    r = tare("push", "--compression", "zstd", "--format", "docker", image(tare, reg), code=None)
    if r.code == 0:
        assert reg.get("b", "v1")[0] == OCI_MANIFEST
    else:
        assert "zstd" in r.err and not reg.repo("b").tags


def test_push_36_compressed_once(tare, reg, make_reg):
    """The same bytes again, without compressing again: a second registry gets the same manifest."""
    name = image(tare, reg, 200000)
    tare("push", name)
    to = make_reg()
    tare("tag", name, f"{to.name}/b:v1")
    tare("push", f"{to.name}/b:v1")
    assert to.repos["b"].tags == reg.repos["b"].tags


def test_push_37_several_names(tare, reg):
    name = image(tare, reg, 300000)
    tare("tag", name, f"{reg.name}/b:v2")
    tare("push", name, f"{reg.name}/b:v2")
    assert set(reg.repos["b"].tags) == {"v1", "v2"} and sent(reg) < 1.2 * 300000 + 5000


def test_push_39_no_body_before_it_is_allowed(tare, served):
    reg = served(Tokens({"u": "p"}, anonymous="pull"))
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("push", "--chunk", "1M", image(tare, reg, 3 * MB))
    arrived(reg)
    assert not [r for r in reg.requests(status=401) if r.bytes_in > 0]


def test_push_40_denied(tare, served):
    reg = served(Tokens({"u": "p"}, anonymous="pull", allow=lambda user, scope: scope[2] == "pull"))
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    r = tare.fails("push", image(tare, reg), says=[reg.name])
    assert "401" in r.err or "denied" in r.err
    assert len(reg.requests()) < 20


@pytest.mark.parametrize("how", ["gzip", "none"])
def test_push_43_layer_changes_meanwhile(tare, reg, store, how):
    """Never do other bytes arrive than the config says: what was read before the change, or nothing."""
    name = image(tare, reg, 6 * MB)
    rule = reg.rule("PATCH", skip=1, times=1, delay=1)
    with tare.start("push", "--compression", how, "--chunk", "1M", name) as p:
        wait_for(lambda: rule.hits)
        files = [f for f in (store / "layers").rglob("*") if f.is_file() and f.stat().st_size > 5 * MB]
        assert files
        for f in files:
            with open(f, "r+b") as h:
                h.seek(5 * MB)
                h.write(b"changed")
        r = p.wait()
    if r.code == 0 and how == "gzip":
        arrived(reg)
        return
    assert r.code == 1 and "127.0.0.1" in r.err, r
    assert not reg.repo("b").tags
    layers = [b for b in reg.repo("b").blobs.values() if len(b) > MB]
    assert not layers


def test_push_what_is_not_there(tare, reg):
    tare.fails("push", f"{reg.name}/none:v1", says="none")
    assert not reg.requests("POST|PUT|PATCH")
