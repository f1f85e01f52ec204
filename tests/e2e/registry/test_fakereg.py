# SPDX-License-Identifier: Apache-2.0
"""The fake registry itself, by other people's clients and by the request list of the distribution-spec's conformance
tests: what tare gets wrong with it is then tare's fault."""
import http.client
import json
import socket
import ssl
import time

import pytest

import archives
import fakeauth
from fakehttp import Budget, forward, reverse
from fakereg import OCI_INDEX, OCI_MANIFEST, descriptor, digest
from harness import run


class Client:
    def __init__(self, reg):
        self.c = http.client.HTTPConnection(reg.listener.host, reg.port, timeout=20)

    def __call__(self, method, path, body=None, code=None, **headers):
        path = path[path.index("/v2/"):]
        self.c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        r = self.c.getresponse()
        r.data = r.read()
        assert code is None or r.status == code, (r.status, r.data)
        return r


@pytest.fixture
def http_(reg):
    return Client(reg)


def q(location, d):
    return location + ("&" if "?" in location else "?") + "digest=" + d


def test_skopeo_moves_images_both_ways(reg, tmp):
    img = reg.image("a/b", "v1", archives.Img(archives.pack([("x", b"1")]), archives.pack([("y", b"2")])))
    u = f"docker://{reg.name}/"
    run(["skopeo", "copy", "-q", "--src-tls-verify=false", u + "a/b:v1", f"oci:{tmp}/l:v1"], check=True)
    run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{tmp}/l:v1", u + "c:v2"], check=True)
    media, m = reg.get("c", "v2")
    assert [l["digest"] for l in m["layers"]] == img.layer_digests and media == OCI_MANIFEST
    run(["skopeo", "copy", "-q", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false", u + "c:v2",
         u + "d:v3"], check=True)
    assert reg.requests("POST", "/d/blobs/uploads/.*mount=", 201)
    assert run(["skopeo", "list-tags", "--tls-verify=false", u + "c"], check=True).json()["Tags"] == ["v2"]
    run(["skopeo", "delete", "--tls-verify=false", u + "c:v2"], check=True)
    assert not reg.repos["c"].tags


def test_skopeo_by_tls_and_token(make_reg, ca, tmp):
    t = fakeauth.Tokens({"u": "p:w"}, anonymous="")
    reg = make_reg(tls=ca.context("127.0.0.1"), auth=t)
    t.realm = reg.server.listen(t.handle).url + "/token"
    reg.image("a", "v1")
    argv = ["skopeo", "inspect", "--cert-dir", ca.dir, "--creds"]
    assert run([*argv, "u:p:w", f"docker://{reg.name}/a:v1"], check=True).json()["Digest"]
    assert run([*argv, "u:x", f"docker://{reg.name}/a:v1"]).code != 0
    assert run(["skopeo", "inspect", f"docker://{reg.name}/a:v1"]).code != 0, "an unknown authority was trusted"


def test_podman_pulls_and_pushes(reg, tmp):
    reg.image("a", "v1", archives.Img(archives.pack([("bin/", None), ("bin/x", b"hello")])))
    pod = ["podman", "--root", tmp / "p", "--runroot", tmp / "r", "--storage-driver", "vfs"]
    run([*pod, "pull", "-q", "--tls-verify=false", f"{reg.name}/a:v1"], check=True)
    run([*pod, "push", "-q", "--tls-verify=false", f"{reg.name}/a:v1", f"{reg.name}/b:v2"], check=True)
    assert reg.get("b", "v2")[1]["config"]["digest"] == reg.get("a", "v1")[1]["config"]["digest"]


def test_uploads(reg, http_):
    """post-put, post-only, chunked, streamed, put with the last chunk, cancel."""
    data, d = b"0123456789" * 10, digest(b"0123456789" * 10)
    at = http_("POST", "/v2/r/blobs/uploads/", code=202).headers["location"]
    http_("PUT", q(at, d), data, code=201)
    assert http_("GET", f"/v2/r/blobs/{d}", code=200).data == data
    http_("POST", f"/v2/r2/blobs/uploads/?digest={d}", data, code=201)
    at = http_("POST", "/v2/r3/blobs/uploads/", code=202).headers["location"]
    r = http_("PATCH", at, data[:40], code=202, Content_Range="0-39")
    assert r.headers["range"] == "0-39"
    http_("PATCH", at, data[40:60], code=400)                         # a location that was used up
    bad = http_("PATCH", r.headers["location"], data[50:60], code=416, Content_Range="50-59")
    assert bad.headers["range"] == "0-39"
    assert http_("GET", r.headers["location"], code=204).headers["range"] == "0-39"
    r = http_("PATCH", r.headers["location"], iter([data[40:50], data[50:80]]), code=202)
    http_("PUT", q(r.headers["location"], d), data[80:], code=201, Content_Range="80-99")
    at = http_("POST", "/v2/r/blobs/uploads/", code=202).headers["location"]
    http_("DELETE", at, code=204)
    http_("GET", at, code=404)
    at = http_("POST", "/v2/r/blobs/uploads/", code=202).headers["location"]
    http_("PUT", q(at, digest(b"else")), data, code=400)


def test_mount(reg, http_):
    d = reg.blob("a", b"data")
    http_("POST", f"/v2/b/blobs/uploads/?mount={d}&from=a", code=201)
    http_("POST", f"/v2/c/blobs/uploads/?mount={d}", code=201)        # anonymous
    http_("POST", f"/v2/c/blobs/uploads/?mount={digest(b'no')}&from=a", code=202)
    reg.mount = False
    http_("POST", f"/v2/e/blobs/uploads/?mount={d}&from=a", code=202)


def test_chunk_minimum(reg, http_):
    reg.min_chunk = 10
    r = http_("POST", "/v2/r/blobs/uploads/", code=202)
    assert r.headers["oci-chunk-min-length"] == "10"
    r = http_("PATCH", r.headers["location"], b"12345", code=202, Content_Range="0-4")
    http_("PATCH", r.headers["location"], b"12345", code=416, Content_Range="5-9")


def test_manifests_tags_and_deletes(reg, http_):
    img = reg.image("a", "v1")
    r = http_("GET", "/v2/a/manifests/v1", code=200, Accept=OCI_MANIFEST)
    assert (r.data, r.headers["docker-content-digest"]) == (img.manifest, img.digest)
    assert http_("HEAD", "/v2/a/manifests/v1", code=200, Accept=OCI_MANIFEST).headers["content-length"] == str(len(img.manifest))
    http_("GET", "/v2/a/manifests/v1", code=404, Accept=OCI_INDEX)
    http_("PUT", "/v2/a/manifests/v2", img.manifest, code=201, Content_Type=OCI_MANIFEST)
    http_("PUT", "/v2/b/manifests/v2", img.manifest, code=404, Content_Type=OCI_MANIFEST)   # blobs are missing
    http_("PUT", "/v2/a/manifests/v2", img.manifest, code=400, Content_Type=OCI_INDEX)
    http_("PUT", "/v2/a/manifests/v2", b" " * (4 << 20) + img.manifest, code=413, Content_Type=OCI_MANIFEST)
    http_("DELETE", "/v2/a/manifests/v2", code=202)
    assert json.loads(http_("GET", "/v2/a/tags/list", code=200).data)["tags"] == ["v1"]
    http_("DELETE", f"/v2/a/manifests/{img.digest}", code=202)
    http_("GET", "/v2/a/manifests/v1", code=404)


def test_pages(reg, http_):
    img = reg.image("a", "t0")
    for i in range(1, 7):
        reg.repos["a"].tags[f"t{i}"] = img.digest
    reg.page, got, at = 3, [], "/v2/a/tags/list?n=5"
    while at:
        r = http_("GET", at, code=200)
        got += json.loads(r.data)["tags"]
        at = (r.headers["link"] or "").partition("<")[2].partition(">")[0]
    assert got == [f"t{i}" for i in range(7)]


def test_referrers(reg, http_):
    img, media = reg.image("a", "v1"), "application/vnd.oci.empty.v1+json"
    reg.blob("a", b"{}")
    for kind in ("x/one", "x/two"):
        m = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "annotations": {"k": kind},
                        "config": descriptor(media, b"{}"), "layers": [descriptor(media, b"{}")],
                        "subject": descriptor(OCI_MANIFEST, img.manifest)}).encode()
        r = http_("PUT", f"/v2/a/manifests/{digest(m)}", m, code=201, Content_Type=OCI_MANIFEST)
        assert r.headers["oci-subject"] == img.digest
    got = json.loads(http_("GET", f"/v2/a/referrers/{img.digest}", code=200).data)["manifests"]
    assert {e["artifactType"]: e["annotations"] for e in got} == {"x/one": {"k": "x/one"}, "x/two": {"k": "x/two"}}
    r = http_("GET", f"/v2/a/referrers/{img.digest}?artifactType=x/one", code=200)
    assert len(json.loads(r.data)["manifests"]) == 1 and r.headers["oci-filters-applied"] == "artifactType"


def curl(*args, code=0):
    r = run(["curl", "-sS", "--max-time", "20", *args])
    assert code is None or r.code == code, r
    return r


@pytest.mark.parametrize("act, code, got", [
    ({"rst": 5000}, 56, 5000), ({"truncate": 5000}, 18, 5000), ({"flip": 3}, 0, 9000), ({"drip": 45000}, 0, 9000),
    ({"status": 500}, 0, 0), ({"close": "rst"}, 56, 0), ({"close": "fin"}, 52, 0), ({"delay": 0.1}, 0, 9000),
    ({"drop": ["content-length"]}, 0, 9000), ({"add": [("X-A", "1"), ("X-A", "2")]}, 0, 9000)])
def test_faults_as_curl_sees_them(reg, tmp, act, code, got):
    data = bytes(range(250)) * 36
    d = reg.blob("a", data)
    rule = reg.rule("GET", "/blobs/", skip=1, times=1, **act)
    url = f"http://{reg.name}/v2/a/blobs/{d}"
    for n in range(3):
        r = curl("-o", tmp / "out", "-D", tmp / "head", url, code=code if n == 1 else 0)
        now = (tmp / "out").read_bytes() if (tmp / "out").exists() else b""
        if n != 1:
            assert now == data
        elif "flip" in act:
            assert [i for i in range(9000) if now[i] != data[i]] == [3]
        elif got:
            assert now == data[:got]
        (tmp / "out").unlink(missing_ok=True)
    assert rule.hits == 1 and [x.bytes_out for x in reg.requests("GET", "/blobs/")] == [9000, got, 9000]


def test_ranges(reg, tmp):
    d = reg.blob("a", b"0123456789")
    url = f"http://{reg.name}/v2/a/blobs/{d}"
    assert curl("-r", "3-5", url).out == "345" and curl("-r", "8-", url).out == "89"
    assert "416" in curl("-r", "10-", "-o", "/dev/null", "-w", "%{http_code}", url).out
    reg.rule("GET", "/blobs/", times=1, shift_range=2)
    assert curl("-r", "3-5", url).out == "567"
    reg.rule("GET", "/blobs/", times=1, ignore_range=True)
    assert curl("-r", "3-5", url).out == "0123456789"
    assert {r.conn for r in reg.requests()} and all(r.header("range") or r.act for r in reg.requests())


def test_a_broken_patch_keeps_what_came(reg, http_):
    at = http_("POST", "/v2/r/blobs/uploads/", code=202).headers["location"]
    reg.rule("PATCH", times=1, cut=70000)
    with pytest.raises(OSError):
        http_("PATCH", at, b"x" * 200000)
    again = Client(reg)
    r = again("GET", at, code=204)
    assert r.headers["range"] == "0-69999"
    assert reg.requests("PATCH")[0].bytes_in == 70000
    r = again("PATCH", r.headers["location"], b"y" * 10, code=202, Content_Range="70000-70009")
    assert r.headers["range"] == "0-70009"


def test_a_budget_breaks_every_so_many_bytes(reg, tmp):
    d = reg.blob("a", b"z" * 100000)
    budget = Budget(250000)
    reg.rule("GET", "/blobs/", budget=budget)
    codes = [curl("-o", "/dev/null", f"http://{reg.name}/v2/a/blobs/{d}", code=None).code for _ in range(7)]
    assert codes.count(56) == budget.breaks == 2


def test_through_proxies(reg, make_reg, tmp):
    d = reg.blob("a", b"through")
    front = reg.server.listen(reverse("127.0.0.1", reg.port))
    assert curl(f"http://{front.name}/v2/a/blobs/{d}").out == "through"
    assert curl("-X", "POST", "-o", "/dev/null", "-w", "%{http_code}", f"http://{front.name}/v2/a/blobs/uploads/").out == "202"
    p = reg.server.listen(forward({"reg.test": ("127.0.0.1", reg.port)}))
    assert curl("-x", p.url, f"http://reg.test/v2/a/blobs/{d}").out == "through"
    assert curl("-p", "-x", p.url, f"http://reg.test/v2/a/blobs/{d}").out == "through"
    assert "502" in curl("-x", p.url, "-w", "%{http_code}", "http://else.test/").out


def test_certificates(make_reg, ca, tmp):
    good, late, old = (make_reg(tls=ca.context("127.0.0.1", **kw)) for kw in ({}, {"expired": True}, {"old": True}))
    trust = ["--cacert", ca.crt, "-o", "/dev/null"]
    curl(*trust, f"https://{good.name}/v2/")
    curl(*trust, f"https://localhost:{good.port}/v2/", code=60)
    curl(*trust, f"https://{late.name}/v2/", code=60)
    curl(*trust, f"https://{old.name}/v2/", code=35)
    mutual = make_reg(tls=ca.context("127.0.0.1", clients=ca))
    crt, key = ca.issue("client")
    curl(*trust, "--cert", crt, "--key", key, f"https://{mutual.name}/v2/")
    assert curl(*trust, f"https://{mutual.name}/v2/", code=None).code in (55, 56)    # as soon as it notices


def test_tokens(served):
    t = fakeauth.Tokens({"u": "p"}, life=0.5)
    reg = served(t)
    reg.image("a", "v1")
    url = f"http://{reg.name}/v2/a/manifests/v1"
    h = curl("-o", "/dev/null", "-D", "-", url).out
    assert f'Bearer realm="{t.realm}",service="fake",scope="repository:a:pull"' in h
    ask = t.realm + "?service=fake&scope=repository:a:pull"
    token = json.loads(curl(ask).out)["token"]
    argv = ["-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {token}", "-H", "Accept: */*", url]
    assert curl(*argv).out == "200"
    time.sleep(0.6)
    assert curl(*argv).out == "401"
    r = json.loads(curl("-d", "grant_type=password&client_id=x&username=u&password=p&service=fake&access_type=offline"
                        "&scope=repository:a:pull,push", t.realm).out)
    r = json.loads(curl("-d", f"grant_type=refresh_token&client_id=x&refresh_token={r['refresh_token']}&service=fake",
                        t.realm).out)
    assert r["token"] in t.tokens
    assert curl("-o", "/dev/null", "-w", "%{http_code}", "-u", "u:x", ask).out == "401"


def test_tls_spoken_to_a_plain_server_is_no_request(reg):
    with socket.create_connection(("127.0.0.1", reg.port)) as s, pytest.raises(OSError):
        ssl.create_default_context().wrap_socket(s, server_hostname="localhost")
    assert reg.requests() == []
