# SPDX-License-Identifier: Apache-2.0
"""tare serve-registry: the store as a registry, for others and against odd clients."""
import contextlib
import http.client
import json
import re
import socket

import archives
import harness
from test_reg_auth import stored


@contextlib.contextmanager
def serving(tare):
    with tare.start("serve-registry", "--listen", "127.0.0.1:0") as p:
        p.expect("listening on")
        yield re.search(r"listening on (\S+)", p.out).group(1)
        p.stop()


def ask(addr, method, target, **headers):
    c = http.client.HTTPConnection(addr, timeout=20)
    c.request(method, target, headers=headers)
    r = c.getresponse()
    return r.status, {k.lower(): v for k, v in r.getheaders()}, r.read()


def raw(addr, data, shut=True):
    host, port = addr.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as s:
        s.sendall(data)
        out = b""
        with contextlib.suppress(OSError):      # it may have hung up by now
            if shut:
                s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(65536):
                out += piece
        return out


def test_others_pull(tare, another, tmp):
    img = archives.Img(archives.pack([("etc/", None), ("etc/hello", b"hi\n")]), archives.pack([("big", b"x" * 300000)]))
    stored(tare, img, "local/app:v1")
    tare("tag", "local/app:v1", "local/app:v2")
    tare("tag", "local/app:v1", "ghcr.io/o/app:1")
    with serving(tare) as addr:
        for name in ("local/app:v1", "ghcr.io/o/app:1"):
            r = harness.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{addr}/{name}"], check=True).json()
            assert r["Layers"] == img.diff_ids
        harness.run(["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{addr}/local/app:v2", f"oci:{tmp}/l:x"],
                    check=True)
        other = another()
        other("pull", f"{addr}/local/app:v1")
        assert other.inspect(f"{addr}/local/app:v1")["Id"] == img.id
        assert other("tags", f"{addr}/local/app").out == "v1\nv2\n"
        status, headers, body = ask(addr, "GET", "/v2/local/app/tags/list?n=1")
        assert json.loads(body)["tags"] == ["v1"] and 'rel="next"' in headers["link"]
        status, headers, body = ask(addr, "GET", "/v2/local/app/tags/list?n=1&last=v1")
        assert json.loads(body)["tags"] == ["v2"] and "link" not in headers


def test_ranges(tare):
    img = archives.Img(archives.pack([("big", bytes(range(256)) * 2000)]))
    stored(tare, img, "local/app:v1")
    url, tar = f"/v2/local/app/blobs/{img.diff_ids[0]}", img.layers[0]
    with serving(tare) as addr:
        for text, want in (("bytes=0-0", tar[:1]), ("bytes=1000-1999", tar[1000:2000]), ("bytes=500000-", tar[500000:]),
                           ("bytes=-7", tar[-7:]), (f"bytes=5-{len(tar) * 2}", tar[5:])):
            status, headers, body = ask(addr, "GET", url, Range=text)
            assert status == 206 and body == want, text
            assert headers["content-range"].endswith(f"/{len(tar)}")
        assert ask(addr, "GET", url, Range=f"bytes={len(tar)}-")[0] == 416
        for text in ("bytes=9-5", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6"):
            status, _, body = ask(addr, "GET", url, Range=text)
            assert status == 200 and body == tar, text
        status, headers, body = ask(addr, "HEAD", url)
        assert status == 200 and not body and int(headers["content-length"]) == len(tar)


def test_what_is_not_given(tare):
    """Only what belongs to an image: not the layers of steps that no image has."""
    stored(tare, archives.Img(), "local/base:1")
    tare.build({"Dockerfile": "FROM local/base:1 AS secret\nCOPY f /f\nFROM local/base:1\nCOPY --from=secret /f /g\n", "f": "x"},
               "-t", "local/out:1")
    layers = {p for p in tare("df", "-v").out.split() if p.startswith("sha256:")}
    mine = set(tare.layers("local/out:1"))
    with serving(tare) as addr:
        for target in ("/v2/none/manifests/x", f"/v2/none/blobs/sha256:{'0' * 64}", "/v2/none/tags/list", "/", "/v2/x", "/v1/"):
            assert ask(addr, "GET", target)[0] == 404, target
        assert ask(addr, "GET", "/v2/a/blobs/sha256:../../../etc/passwd")[0] in (400, 404)
        for d in layers - mine:
            assert ask(addr, "GET", f"/v2/local/out/blobs/{d}")[0] == 404
        for method in ("PUT", "POST", "DELETE", "PATCH"):
            assert ask(addr, method, "/v2/local/out/manifests/1")[0] == 405


def test_odd_clients(tare):
    stored(tare, archives.Img(), "local/base:1")
    with serving(tare) as addr:
        for data in (b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/3\r\n\r\n", b"GET \x00/ HTTP/1.1\r\n\r\n"):
            assert raw(addr, data).startswith(b"HTTP/1.1 400"), data
        assert raw(addr, b"GET /v2/ HTTP/1.1\r\nx: " + b"y" * 20000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
        assert raw(addr, b"GET /v2/ HTTP/1.1\r\n\r\nGET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n").count(b"HTTP/1.1 200") == 2
        assert raw(addr, b"GET /v2/ HTTP/1.0\r\n\r\n", shut=False).endswith(b"{}")
        idle = [socket.create_connection(tuple(addr.split(":"))) for _ in range(40)]
        assert raw(addr, b"GET /v2/ HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503")
        for s in idle:
            s.close()
        harness.wait_for(lambda: ask(addr, "GET", "/v2/")[0] == 200, what="the idle ones' places")


def test_bad_addresses(tare):
    for text in ("nonsense", "127.0.0.1", "example.test:5000", "127.0.0.1:99999"):
        tare.fails("serve-registry", "--listen", text, says="address")
