# SPDX-License-Identifier: Apache-2.0
"""Cases COPY: ends of a copy, conversions. Names carry the case numbers."""
import io
import json
import tarfile

import pytest

import archives
import storecheck
from fakereg import DOCKER_CONFIG, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest
from harness import run
from regkit import big, many, ref


def test_copy_01_registry_to_registry(tare, reg, make_reg, store):
    """Byte for byte, without a store."""
    to = make_reg()
    img = reg.image("a", "v1", big(300000, 2000))
    tare("copy", ref(reg, img), f"{to.name}/b:v2")
    assert to.repos["b"].tags == {"v2": img.digest}
    assert {img.config_digest, *img.layer_digests} == set(to.repos["b"].blobs)
    asked = [r for r in reg.requests("GET", "/blobs/")]
    assert sum(r.bytes_out for r in asked) <= sum(map(len, [img.config, *img.layers]))


def test_copy_02_same_host_mounts(tare, reg):
    img = reg.image("a", "v1", big(300000, 2000))
    tare("copy", ref(reg, img), f"{reg.name}/b:v1")
    assert reg.repos["b"].tags == {"v1": img.digest}
    assert sum(r.bytes_out for r in reg.requests("GET", "/blobs/")) <= len(img.config)
    assert sum(r.bytes_in for r in reg.requests("PATCH|PUT|POST", "/uploads/")) <= len(img.config)


def test_copy_03_broken_on_the_way(tare, reg, make_reg):
    to = make_reg()
    img = reg.image("a", "v1", big(1 << 20))
    reg.rule("GET", img.layer_digests[0], times=1, rst=500000)
    to.rule("PATCH", times=1, cut=200000)
    tare("copy", ref(reg, img), f"{to.name}/b:v1")
    assert to.repos["b"].tags == {"v1": img.digest}


def test_copy_04_wrong_bytes_are_not_handed_on(tare, reg, make_reg):
    to = make_reg()
    img = reg.image("a", "v1", big(300000))
    reg.rule("GET", img.layer_digests[0], flip=1000)
    tare.fails("copy", ref(reg, img), f"{to.name}/b:v1", says="the bytes of blob")
    assert not to.repo("b").tags and img.layer_digests[0] not in to.repos["b"].blobs


def layout(d):
    return json.loads((d / "index.json").read_text())["manifests"]


def test_copy_06_layout_directory(tare, reg, tmp):
    d, one, two = tmp / "lay", reg.image("a", "v1", big(2000)), reg.image("a", "v2", big(3000))
    for img in (one, two):
        tare("copy", ref(reg, img), f"oci:{d}:{img.tag}")
    tags = {m["annotations"]["org.opencontainers.image.ref.name"]: m["digest"] for m in layout(d)}
    assert tags == {"v1": one.digest, "v2": two.digest}
    tare("copy", ref(reg, two), f"oci:{d}:v1")
    named = {m.get("annotations", {}).get("org.opencontainers.image.ref.name"): m["digest"] for m in layout(d)}
    assert named["v1"] == named["v2"] == two.digest
    assert (d / "blobs/sha256" / one.digest[7:]).exists()
    assert json.loads((d / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    for tag in ("v1", "v2"):
        assert run(["skopeo", "inspect", f"oci:{d}:{tag}"], check=True).json()["Digest"] == two.digest
        run(["umoci", "unpack", "--image", f"{d}:{tag}", tmp / f"out{tag}"], check=True)
        assert (tmp / f"out{tag}/rootfs/big0").stat().st_size == 3000


def test_copy_07_layout_is_an_end(tare, reg, make_reg, tmp):
    img = reg.image("a", "v1", big(2000))
    run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{ref(reg, img)}", f"oci:{tmp}/l:x"], check=True)
    to = make_reg()
    tare("copy", f"oci:{tmp}/l:x", f"{to.name}/b:v1")
    assert to.repos["b"].tags == {"v1": img.digest}
    tare("copy", f"oci:{tmp}/l:x", "store:local/x:1")
    assert tare.inspect("local/x:1")["Id"] == img.config_digest
    tare.fails("copy", f"oci:{tmp}/l:y", "store:local/y:1", says="y")
    tare.fails("copy", f"oci:{tmp}/none:y", "store:local/y:1", says="none")


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_copy_08_archives(tare, reg, make_reg, tmp, kind):
    img, to = reg.image("a", "v1", many(3)), make_reg()
    tare("copy", ref(reg, img), f"{kind}:{tmp}/x.tar")
    assert run(["skopeo", "inspect", f"{kind}:{tmp}/x.tar"], check=True).json()["Layers"]
    tare("copy", f"{kind}:{tmp}/x.tar", f"{to.name}/b:v1")
    m = to.get("b", "v1")[1]
    assert m["config"]["digest"] == img.config_digest and len(m["layers"]) == 3
    tare("copy", f"{kind}:{tmp}/x.tar", "store:local/x:1")
    assert tare.inspect("local/x:1")["Id"] == img.config_digest
    run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{ref(reg, img)}", f"{kind}:{tmp}/y.tar:a:b"], check=True)
    tare("copy", f"{kind}:{tmp}/y.tar", "store:local/y:1")
    assert tare.inspect("local/y:1")["Id"] == img.config_digest


ESCAPES = {"parent": ("../x", b"evil"), "absolute": ("/tmp/x-tare-evil", b"evil"), "symlink": ("blobs/sha256/l", archives.symlink("/etc/passwd")),
           "device": ("dev", archives.special(tarfile.CHRTYPE, devmajor=1, devminor=3))}


@pytest.mark.parametrize("name", [*ESCAPES, "manifest"])
def test_copy_10_archive_members_that_lead_out(tare, tmp, name):
    """Whatever the members are called, nothing is written or read by their names: either refused, or without effect."""
    img = archives.Img()
    if name == "manifest":
        members = [("../../etc/passwd", img.config), ("manifest.json", archives.dumps(
            archives.docker_manifest("../../../../etc/passwd", ["x:1"], ["/etc/passwd"])))]
        kind = "docker-archive"
    else:
        members, kind = [ESCAPES[name], *archives.oci(img)], "oci-archive"
    (tmp / "deep").mkdir()
    f = tmp / "deep/x.tar"
    f.write_bytes(archives.pack(members))
    before = sorted(p for p in tmp.rglob("*") if "store" not in p.parts)
    r = tare("copy", f"{kind}:{f}", "store:x:1", code=None)
    assert sorted(p for p in tmp.rglob("*") if "store" not in p.parts) == before
    if r.code == 0:
        assert name != "manifest" and tare.inspect("x:1")["Id"] == img.id
    else:
        assert r.err and tare("images", "-aq").out == ""
    storecheck.check(tare.root)


def test_copy_11_limits_of_an_archive(tare, tmp):
    """The number of entries: test_images.py."""
    img = archives.Img()
    f = tmp / "x.tar"
    huge = json.loads(dict(archives.modern(img, ["x:1"]))["manifest.json"])
    f.write_bytes(archives.pack([*archives.crane(img, ["x:1"])[:-1], ("manifest.json", json.dumps(huge * 9000).encode())]))
    tare.fails("copy", f"docker-archive:{f}", "store:x:1", says="manifest.json")
    assert tare("images", "-aq").out == ""


def test_copy_12_docker_oci_docker(tare, reg, make_reg):
    to = make_reg()
    img = reg.image("a", "v1", big(2000, 3000), docker=True)
    tare("copy", "--format", "oci", ref(reg, img), f"{to.name}/b:oci")
    media, m = to.get("b", "oci")
    assert media == OCI_MANIFEST and m["config"]["digest"] == img.config_digest
    assert [l["digest"] for l in m["layers"]] == img.layer_digests
    assert {l["mediaType"] for l in m["layers"]} == {archives.OCI_LAYER + "+gzip"}
    tare("copy", "--format", "docker", f"{to.name}/b:oci", f"{to.name}/b:back")
    media, back = to.get("b", "back")
    assert media == DOCKER_MANIFEST and back["config"]["mediaType"] == DOCKER_CONFIG
    assert back == reg.get("a", "v1")[1]


def test_copy_12_annotations_are_lost_loudly(tare, reg, make_reg):
    to = make_reg()
    img = reg.image("a", "v1", annotations={"org.example": "kept?"})
    r = tare("copy", "--format", "docker", ref(reg, img), f"{to.name}/b:v1")
    assert "annotation" in r.err and "annotations" not in to.get("b", "v1")[1]


def test_copy_13_blob_that_is_not_what_its_name_says(tare, tmp):
    img = archives.Img()
    d = tmp / "lay"
    with tarfile.open(fileobj=io.BytesIO(archives.pack(archives.oci(img, {"org.opencontainers.image.ref.name": "v1"})))) as t:
        t.extractall(d)
    layer = next(p for p in (d / "blobs/sha256").iterdir() if p.read_bytes()[:2] == b"\x1f\x8b")
    good = layer.read_bytes()
    layer.write_bytes(good[:-6] + bytes([good[-6] ^ 1]) + good[-5:])
    tare.fails("copy", f"oci:{d}:v1", "store:x:1", says=layer.name[:12])
    layer.unlink()
    tare.fails("copy", f"oci:{d}:v1", "store:x:1", says=layer.name[:12])
    layer.write_bytes(good)
    tare("copy", f"oci:{d}:v1", "store:x:1")


def test_copy_14_same_tree_as_others_unpack(tare, reg, tmp):
    """Whiteouts and opaque directories as umoci unpacks them."""
    one = archives.pack([("a/", None), ("a/keep", b"1"), ("a/gone", b"2"), ("o/", None), ("o/old", b"3"), ("f", b"4")])
    two = archives.pack([("a/", None), ("a/.wh.gone", b""), ("o/", None), ("o/.wh..wh..opq", b""), ("o/new", b"5"),
                         ("l", archives.symlink("/etc/passwd"))])
    img = reg.image("a", "v1", archives.Img(one, two))
    tare("pull", ref(reg, img))
    tare("copy", ref(reg, img), f"oci:{tmp}/l:v1")
    run(["umoci", "unpack", "--image", f"{tmp}/l:v1", tmp / "out"], check=True)
    root = tmp / "out/rootfs"
    theirs = {str(p.relative_to(root)) for p in root.rglob("*")}
    assert theirs == set(tare.files(ref(reg, img))) == {"a", "a/keep", "o", "o/new", "f", "l"}


def test_copy_15_from_of_a_remote_image(tare, reg):
    """FROM pulls what is not there; --pull asks again."""
    img = reg.image("a", "v1", big(2000))
    b = tare.build(f"FROM {ref(reg, img)}\nLABEL a=1\n")
    assert tare.layers(b.image) == [digest(t) for t in img.tars]
    n = len(reg.requests())
    tare.build(f"FROM {ref(reg, img)}\nLABEL a=2\n")
    assert len(reg.requests()) == n
    newer = reg.image("a", "v1", big(2500))
    b = tare.build(f"FROM {ref(reg, img)}\nLABEL a=1\n", "--pull")
    assert tare.layers(b.image) == [digest(t) for t in newer.tars]
    r = tare.build(f"FROM {reg.name}/none\n", code=None)
    assert r.code == 1 and "none" in r.err


def test_copy_16_run_pulls(tare, reg):
    img = reg.image("a", "v1", big(2000))
    run_ = ["run", "--rm", "--network", "none"]
    tare.fails(*run_, "--pull", "never", ref(reg, img), "/none", code=125, says=f"Unable to find image '{ref(reg, img)}' locally")
    assert not reg.requests()
    r = tare(*run_, ref(reg, img), "/none", code=127)
    assert f"Unable to find image '{ref(reg, img)}' locally" in r.err
    assert tare.inspect(ref(reg, img))["Id"] == img.config_digest
    n = len(reg.requests())
    tare(*run_, ref(reg, img), "/none", code=127)
    assert len(reg.requests()) == n
    newer = reg.image("a", "v1", big(2500))
    tare(*run_, "--pull", "always", ref(reg, img), "/none", code=127)
    assert tare.inspect(ref(reg, img))["Id"] == newer.config_digest
    tare.fails(*run_, "--pull", "sometimes", ref(reg, img), "/none", code=125, says="sometimes")
    tare.fails(*run_, f"{reg.name}/a:none", "/none", code=125, says="a:none")


def test_copy_17_serve_registry(tare, reg, tmp):
    """The store as a registry for others: skopeo, and another store of ours."""
    from harness import free_port, wait_for
    import peers
    img = reg.image("a", "v1", big(50000, 2000))
    tare("pull", ref(reg, img))
    tare("tag", ref(reg, img), "local/x:1")
    port = free_port()
    with tare.start("serve-registry", "--listen", f"127.0.0.1:{port}"):
        wait_for(lambda: peers.answers(port))
        u = f"docker://127.0.0.1:{port}/local/x:1"
        got = run(["skopeo", "inspect", "--tls-verify=false", u], check=True).json()
        assert len(got["Layers"]) == 2
        run(["skopeo", "copy", "-q", "--src-tls-verify=false", u, f"oci:{tmp}/l:v1"], check=True)
        run(["umoci", "unpack", "--image", f"{tmp}/l:v1", tmp / "out"], check=True)
        assert (tmp / "out/rootfs/big0").stat().st_size == 50000
        assert run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{tmp}/l:v1",
                    f"docker://127.0.0.1:{port}/new:1"]).code != 0
