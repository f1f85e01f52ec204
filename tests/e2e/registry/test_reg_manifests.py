# SPDX-License-Identifier: Apache-2.0
"""Cases MAN: manifests, indexes, the choice of a platform. Names carry the case numbers."""
import gzip
import json
import subprocess

import pytest

import archives
import storecheck
from fakehttp import Response
from fakereg import (DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, digest)
from harness import run
from regkit import big, many, ref

TYPES = {OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST}


def refused(tare, reg, name, *says, args=()):
    """The pull fails with a cause, and nothing of it is in the store."""
    r = tare.fails("pull", *args, f"{reg.name}/{name}", says=[reg.name, *says])
    assert tare("images", "-aq").out == ""
    storecheck.check(tare.root)
    return r


def test_man_01_what_is_accepted(tare, reg):
    img = reg.image("a", "v1")
    tare("pull", ref(reg, img))
    tare("digest", ref(reg, img))
    asked = reg.requests(path="/manifests/")
    assert asked
    for r in asked:
        assert {t.split(";")[0].strip() for v in r.all("accept") for t in v.split(",")} == TYPES, r.headers


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("kind", [None, "application/json", "text/plain"])
def test_man_03_type_from_the_body(tare, reg, kind, docker):
    img = reg.image("a", "v1", docker=docker)
    reg.rule("GET|HEAD", "/manifests/", **({"set": {"Content-Type": kind}} if kind else {"drop": ["content-type"]}))
    tare("pull", ref(reg, img))
    assert tare.inspect(ref(reg, img))["Id"] == img.config_digest


def test_man_03_nothing_tells_the_type(tare, reg):
    reg.manifest("a", "v1", {"schemaVersion": 2})
    reg.rule("GET|HEAD", "/manifests/", drop=["content-type"])
    refused(tare, reg, "a:v1", "manifest")


def test_man_04_type_confusion(tare, reg):
    img = reg.image("a", "v1", mediaType=OCI_INDEX)
    reg.repos["a"].manifests[img.digest] = (OCI_MANIFEST, img.manifest)
    refused(tare, reg, "a:v1")


@pytest.mark.parametrize("more", [{"manifests": []}, {"manifests": [{"mediaType": OCI_MANIFEST, "digest": digest(b""), "size": 0}]}])
def test_man_05_both_layers_and_manifests(tare, reg, more):
    reg.image("a", "v1", **more)
    refused(tare, reg, "a:v1")
    m = reg.get("a", "v1")[1]
    del m["layers"]
    reg.manifest("a", "v2", m)
    refused(tare, reg, "a:v2")


def test_man_07_header_lies_about_the_digest(tare, reg):
    img = reg.image("a", "v1")
    reg.rule("GET|HEAD", "/manifests/", set={"Docker-Content-Digest": digest(b"other")})
    refused(tare, reg, "a:v1", "its bytes are those of")


def test_man_07_bytes_are_not_what_was_asked_for(tare, reg):
    img = reg.image("a", "v1")
    reg.repos["a"].manifests[img.digest] = (OCI_MANIFEST, img.manifest.replace(b"schemaVersion\": 2", b"schemaVersion\":  2"))
    refused(tare, reg, "a@" + img.digest, "the bytes of")


def test_man_08_no_digest_header(tare, reg):
    img = reg.image("a", "v1")
    reg.rule("GET|HEAD", "/manifests/", drop=["docker-content-digest"])
    tare("pull", ref(reg, img))
    assert tare("digest", ref(reg, img)).out.strip() == img.digest


@pytest.mark.parametrize("rule", [{"status": 405}, {"status": 404}, {"drop": ["content-length"]}, {"status": 403},
                                  {"set": {"Docker-Content-Digest": "garbage"}}])
def test_man_09_head_is_not_to_be_trusted(tare, reg, rule):
    img = reg.image("a", "v1")
    reg.rule("HEAD", "/manifests/", **rule)
    assert tare("digest", ref(reg, img)).out.strip() == img.digest
    assert len(reg.requests("GET", "/manifests/")) <= 1


def padded(reg, size):
    """An image whose manifest has exactly so many bytes."""
    img = reg.image("a", "v1", annotations={"x": ""})
    m = json.loads(img.manifest)
    m["annotations"]["x"] = "y" * (size - len(img.manifest))
    assert len(json.dumps(m)) == size
    reg.manifest("a", "v1", m)
    return img


def test_man_10_size_of_a_manifest(tare, reg):
    padded(reg, 4 << 20)
    tare("pull", f"{reg.name}/a:v1")
    padded(reg, (4 << 20) + 1)
    tare.fails("pull", f"{reg.name}/a:v1", says="manifest")


def test_man_10_endless_manifest(tare, reg):
    reg.image("a", "v1")
    reg.rule("GET", "/manifests/", call=lambda req: Response(200, [("Content-Type", OCI_MANIFEST)],
                                                             (b" " * 65536 for _ in range(1 << 20))))
    refused(tare, reg, "a:v1")
    assert max(r.bytes_out for r in reg.requests("GET")) < 32 << 20


def test_man_11_schema_1(tare, reg):
    media = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    reg.strict_accept = False
    reg.manifest("a", "v1", {"schemaVersion": 1, "name": "a", "tag": "v1", "fsLayers": [], "history": []}, media)
    refused(tare, reg, "a:v1", "schema version 1", media)


def platforms(reg, *texts, **kw):
    """An index with an image for each "os/arch/variant"; their digests by that text."""
    entries, digests = [], {}
    for t in texts:
        o, a, v = (t.split("/") + [""])[:3]
        img = reg.image("a", None, archives.Img(archives.pack([("p", t.encode())]), arch=a, **({"variant": v} if v else {})))
        entries.append((img, {"os": o, "architecture": a, **({"variant": v} if v else {})}))
        digests[t] = img.config_digest
    att = reg.image("a", None, archives.Img(archives.pack([("att", b"x")]), arch="unknown"))
    entries += [({**descriptor(OCI_MANIFEST, att.manifest), "platform": {"os": "unknown", "architecture": "unknown"},
                  "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})] * 2
    reg.index("a", "v1", entries, **kw)
    return digests


def pulled(tare, reg, *args):
    tare("pull", *args, f"{reg.name}/a:v1")
    return tare.inspect(f"{reg.name}/a:v1")["Id"]


def test_man_12_choice_of_a_platform(tare, reg):
    have = platforms(reg, "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8")
    for want, got in (("linux/amd64", "linux/amd64"), ("linux/arm/v7", "linux/arm/v7"), ("linux/arm/v8", "linux/arm/v7"),
                      ("linux/arm64", "linux/arm64/v8"), ("linux/arm/v6", "linux/arm/v6")):
        assert pulled(tare, reg, "--platform", want) == have[got], want
    r = tare.fails("pull", "--platform", "linux/arm/v5", f"{reg.name}/a:v1", says=["linux/arm/v6", "linux/amd64"])
    assert "unknown" not in r.err


def test_man_13_variants_of_amd64(tare, reg):
    have = platforms(reg, "linux/amd64", "linux/amd64/v2", "linux/amd64/v3")
    for want, got in (("linux/amd64/v3", "linux/amd64/v3"), ("linux/amd64/v2", "linux/amd64/v2"), ("linux/amd64", "linux/amd64")):
        assert pulled(tare, reg, "--platform", want) == have[got], want


def test_man_14_entries_without_a_platform(tare, reg):
    imgs = [reg.image("a", None, archives.Img(archives.pack([("p", a.encode())]), arch=a)) for a in ("arm64", "amd64")]
    reg.index("a", "v1", [(i, None) for i in imgs])
    assert pulled(tare, reg, "--platform", "linux/amd64") == imgs[1].config_digest
    assert pulled(tare, reg, "--platform", "linux/arm64") == imgs[0].config_digest
    reg.index("a", "v1", [(imgs[0], None)])
    assert pulled(tare, reg) == imgs[0].config_digest


def wrapped(reg, img, depth):
    data, media = img.manifest, OCI_MANIFEST
    for _ in range(depth):
        data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(media, data)]}).encode()
        media = OCI_INDEX
        reg.manifest("a", None, data, media)
    reg.repos["a"].tags["v1"] = digest(data)


def test_man_15_nested_indexes(tare, reg):
    img = reg.image("a", None)
    wrapped(reg, img, 2)
    assert pulled(tare, reg) == img.config_digest


def test_man_15_too_deep_and_too_wide(tare, reg):
    img = reg.image("a", None)
    wrapped(reg, img, 50)
    refused(tare, reg, "a:v1")
    entry = {**descriptor(OCI_MANIFEST, b"absent"), "platform": {"os": "linux", "architecture": "amd64"}}
    reg.manifest("a", "v1", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry] * 20000}, OCI_INDEX)
    refused(tare, reg, "a:v1")


def test_man_17_data_in_a_descriptor(tare, reg):
    import base64
    config = archives.Img().config
    inline = lambda b: lambda m: m["config"].update(data=base64.b64encode(b).decode())
    img = reg.image("a", "v1", edit=inline(config))
    del reg.repos["a"].blobs[img.config_digest]
    tare("pull", ref(reg, img))
    assert not reg.requests(path="/blobs/" + img.config_digest)


@pytest.mark.parametrize("change", [lambda c: c.replace(b"amd64", b"arm64"), lambda c: c + b" ", lambda c: c[:-1], lambda c: b""])
def test_man_17_wrong_data_in_a_descriptor(tare, reg, change):
    import base64
    config = archives.Img().config
    reg.image("a", "v1", edit=lambda m: m["config"].update(data=base64.b64encode(change(config)).decode()))
    refused(tare, reg, "a:v1")


SENSELESS = [
    b'"size": -1', b'"size": 9223372036854775808', b'"size": 1e30', b'"size": "12"', b'"size": 1.5', b'"size": null',
    b'"size": 3, "size": 3', b'"digest": "sha256:../../etc/passwd", "size": 3', b'"size": 3, "x": "\xff\xfe"',
    b'"size": 3, "x": ' + b"[" * 10000 + b"]" * 10000]


@pytest.mark.parametrize("n", range(len(SENSELESS)))
def test_man_18_senseless_json(tare, reg, n):
    img = reg.image("a", "v1")
    text = img.manifest.replace(b'"size": %d' % len(img.layers[0]), SENSELESS[n])
    assert text != img.manifest
    reg.manifest("a", "v1", text)
    refused(tare, reg, "a:v1")
    assert not reg.requests(path="/blobs/")


@pytest.mark.parametrize("tail", [b"x", b"{}", b"\0", b"]"])
def test_man_18_trailing_garbage(tare, reg, tail):
    img = reg.image("a", "v1")
    reg.manifest("a", "v1", img.manifest + tail)
    refused(tare, reg, "a:v1")


@pytest.mark.parametrize("bad", ["sha256:../../etc/passwd", "sha256:" + "ABC" * 21 + "A", "x", "", "sha256:", "md5:" + "0" * 32,
                                 "sha256:" + "0" * 63, "sha256:" + "0" * 64 + "/../x"])
def test_man_19_digests_that_are_none(tare, reg, bad):
    reg.image("a", "v1", edit=lambda m: m["layers"][0].update(digest=bad))
    refused(tare, reg, "a:v1")
    assert {r.path for r in reg.requests()} <= {"/v2/", "/v2/a/manifests/v1"}


def test_man_21_number_of_diff_ids(tare, reg):
    img = archives.Img(archives.pack([("x", b"1")]), diff_ids=["sha256:" + "1" * 64, "sha256:" + "2" * 64])
    reg.image("a", "v1", img)
    refused(tare, reg, "a:v1")


def test_man_21_wrong_diff_id(tare, reg, another):
    base = archives.Img(archives.pack([("etc/passwd", b"good")]))
    evil = archives.Img(archives.pack([("etc/passwd", b"evil")]), diff_ids=base.diff_ids)
    reg.image("evil", "v1", evil)
    refused(tare, reg, "evil:v1", "its bytes are those of")
    assert not [p for p in (tare.scratch / "store/layers").rglob("*") if base.diff_ids[0][7:] in p.name]
    good = reg.image("good", "v1", base)
    tare("pull", ref(reg, good))
    assert tare.files(ref(reg, good))["etc/passwd"].data == b"good"


def zstd(data, *args):
    return subprocess.run(["zstd", "-q", "-c", *args], input=data, capture_output=True, check=True).stdout


SKIPPABLE = b"\x50\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"ignored"


@pytest.mark.parametrize("name, media, pack", [
    ("members", "+gzip", lambda t: b"".join(gzip.compress(t[i:i + 3000]) for i in range(0, len(t), 3000))),
    ("estargz", "+gzip", lambda t: gzip.compress(t[:512]) + gzip.compress(t[512:]) + gzip.compress(b"")),
    ("frames", "+zstd", lambda t: zstd(t[:5000]) + SKIPPABLE + zstd(t[5000:]) + SKIPPABLE),
    ("stream", "+zstd", lambda t: zstd(t, "--no-content-size", "-19")), ("plain", "", lambda t: t)])
def test_man_25_compressed_in_parts(tare, reg, name, media, pack):
    img = reg.image("a", "v1", big(20000), pack=pack, layer_media=OCI_LAYER + media)
    tare("pull", ref(reg, img))
    assert tare.layers(ref(reg, img)) == [digest(img.tars[0])]
    assert len(tare.files(ref(reg, img))["big0"].data) == 20000


@pytest.mark.parametrize("cut", [1, 9, 5000])
def test_man_25_compressed_and_cut_short(tare, reg, cut):
    reg.image("a", "v1", big(20000), pack=lambda t: gzip.compress(t)[:-cut])
    refused(tare, reg, "a:v1")


def test_man_27_content_encoding(tare, reg):
    """A server that packs answers although nobody asked for it."""
    img = reg.image("a", "v1", big(5000))

    def packed(req, r):
        if r.status == 200 and "identity" not in (req.header("accept-encoding") or ""):
            r.body = gzip.compress(bytes(r.body))
            r.set("Content-Encoding", "gzip")
    reg.rule("GET", edit=packed)
    tare("pull", ref(reg, img))
    assert tare.layers(ref(reg, img)) == [digest(img.tars[0])]


def test_unknown_fields_survive(tare, reg, make_reg):
    """Config and manifest keep what we do not know, through a copy and through the store."""
    img = reg.image("a", "v1", archives.Img(x_custom={"deep": [1, None]}, variant="v1"), annotations={"org.example": "1"},
                    x_more=True)
    to = make_reg()
    tare("copy", ref(reg, img), f"{to.name}/b:v1")
    assert to.repos["b"].manifests[to.repos["b"].tags["v1"]] == (img.media, img.manifest)
    tare("pull", ref(reg, img))
    assert tare.saved(ref(reg, img)).config_bytes == img.config


def test_docker_types(tare, reg):
    img = reg.image("a", "v1", many(2), docker=True)
    reg.index("l", "v1", [], docker=True)
    reg.repos["l"] = reg.repos["a"]
    tare("pull", ref(reg, img))
    reg.index("a", "list", [(img, {"os": "linux", "architecture": "amd64"})], docker=True)
    tare("pull", f"{reg.name}/a:list")
    assert tare.inspect(f"{reg.name}/a:list")["Id"] == tare.inspect(ref(reg, img))["Id"] == img.config_digest


def test_manifest_inspect(tare, reg):
    img = reg.image("a", "v1")
    r = tare("manifest", "inspect", ref(reg, img))
    assert r.json() == json.loads(img.manifest)
    index = reg.index("a", "i", [(img, {"os": "linux", "architecture": "amd64"})])
    assert tare("manifest", "inspect", f"{reg.name}/a:i").json()["manifests"][0]["digest"] == img.digest
    assert tare("digest", f"{reg.name}/a:i").out.strip() == index
    tare.fails("manifest", "inspect", f"{reg.name}/a:none", says="a:none")
