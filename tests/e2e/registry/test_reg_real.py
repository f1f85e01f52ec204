# SPDX-License-Identifier: Apache-2.0
"""Cases REAL: docker-registry, nginx, skopeo, umoci, podman, buildah from Debian. Names carry the case numbers."""
import json
import os
import shutil
import signal
import time

import pytest

import archives
import peers
from fakeauth import Signed
from fakehttp import Budget, Server, reverse
from fakereg import digest
from harness import run, wait_for
from regkit import auth, big, noise, ref
from test_reg_auth import stored

MB = 1 << 20


@pytest.fixture
def docker(tmp):
    """docker(**settings): a docker-registry."""
    made = []

    def make(**kw):
        made.append(peers.DockerRegistry(tmp / f"registry{len(made)}", **kw))
        return made[-1]
    yield make
    for r in made:
        r.stop()


@pytest.fixture
def nginx(tmp):
    made = []

    def make(upstream, **kw):
        made.append(peers.Nginx(tmp / f"nginx{len(made)}", upstream.port, **kw))
        return made[-1]
    yield make
    for n in made:
        n.stop()


TREE = [("etc/", None), ("etc/conf", b"1\n"), ("etc/link", archives.symlink("conf")), ("bin/", None),
        ("bin/tool", b"#!/bin/sh\n")]


def busy():
    return archives.Img(archives.pack(TREE), archives.pack([("etc/", None), ("etc/.wh.conf", b""), ("data", noise(70000))]))


def round_trip(tare, another, name, img):
    """Push, ask, pull into an empty store: the same image."""
    tare("push", name)
    assert tare("tags", name.rpartition(":")[0]).out.split() == ["v1"]
    m = tare("manifest", "inspect", name).json()
    assert m["config"]["digest"] == img.id
    other = another()
    other("pull", name)
    assert other.inspect(name)["Id"] == img.id and other.layers(name) == img.diff_ids
    assert other.files(name) == tare.files(name)
    return m


def test_real_01_plain(tare, another, docker):
    r, img = docker(), busy()
    name = stored(tare, img, f"{r.name}/a/b:v1")
    round_trip(tare, another, name, img)
    tare("rmi", "--remote", name, code=None)
    n = stored(tare, big(9 * MB), f"{r.name}/big:v1")
    tare("push", "--chunk", "2M", n)
    other = another("third")
    other("pull", n)
    assert other.layers(n) == tare.layers(n)


def test_real_02_htpasswd(tare, another, docker):
    r, img = docker(htpasswd={"u": "pass:word"}), busy()
    name = stored(tare, img, f"{r.name}/a:v1")
    tare.fails("push", name, says=[r.name, "401"])
    tare.fails("login", "-u", "u", "--password-stdin", r.name, input="wrong", says="401")
    tare("login", "-u", "u", "--password-stdin", r.name, input="pass:word\n")
    round_trip(tare, another, name, img)


def test_real_03_tokens(tare, another, docker, tmp):
    s, t = Server(), Signed(tmp / "jwt", users={"u": "p"}, anonymous="", life=60)
    try:
        t.realm = s.listen(t.handle).url + "/token"
        r, img = docker(tokens=t), busy()
        name = stored(tare, img, f"{r.name}/a:v1")
        tare.fails("push", name)
        tare.config(auths={r.name: {"auth": auth("u", "p")}})
        round_trip(tare, another, name, img)
    finally:
        s.close()


def test_real_04_tls_and_client_certificates(tare, another, docker, ca):
    r, img = docker(tls=ca.issue("127.0.0.1"), clients=ca.crt), busy()
    crt, key = ca.issue("me")
    d = f".config/containers/certs.d/{r.name}"
    for name, f in (("ca.crt", ca.crt), ("client.cert", crt), ("client.key", key)):
        tare.file(f"{d}/{name}", f.read_text())
    round_trip(tare, another, stored(tare, img, f"{r.name}/a:v1"), img)


def test_real_05_cache_of_another(tare, another, docker):
    r, img = docker(), busy()
    name = stored(tare, img, f"{r.name}/a:v1")
    tare("push", name)
    cache = docker(proxy=f"http://{r.name}")
    tare.file(".config/containers/registries.conf", f'[[registry]]\nlocation = "{r.name}"\n[[registry.mirror]]\n'
              f'location = "{cache.name}"\ninsecure = true\n')
    other = another()
    other("pull", name)
    assert other.layers(name) == img.diff_ids
    assert list((cache.dir / "data").rglob("data")), "the cache was not asked"


@pytest.mark.parametrize("kw", [
    {"lines": "client_max_body_size 1m;"}, {"lines": "client_max_body_size 1m; proxy_request_buffering off; proxy_buffering off;"},
    {"http": "limit_req_zone $server_port zone=z:64k rate=12r/s;", "location": "limit_req zone=z burst=2 nodelay; limit_req_status 429;"}],
    ids=["413", "413_unbuffered", "429"])
def test_real_08_behind_nginx(tare, another, docker, nginx, kw):
    r = docker()
    n = nginx(r, **kw)
    img = big(3 * MB, 2000, 2001, 2002)
    round_trip(tare, another, stored(tare, img, f"{n.name}/a:v1"), img)
    if "http" in kw:
        assert [l for l in n.requests() if '" 429 ' in l]


def test_real_08_http2(tare, another, docker, nginx, ca):
    r = docker()
    n = nginx(r, tls=ca.issue("127.0.0.1"), lines="client_max_body_size 0;")
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    img = big(3 * MB, *[2000 + i for i in range(6)])
    name = stored(tare, img, f"{n.name}/a:v1")
    tare("push", name)
    other = another()
    other("pull", name, env={"SSL_CERT_FILE": ca.crt})
    assert other.layers(name) == img.diff_ids
    assert [l for l in n.requests() if "HTTP/2.0" in l and "GET" in l]


def test_real_09_readonly(tare, docker):
    r, img = docker(), busy()
    name = stored(tare, img, f"{r.name}/a:v1")
    tare("push", name)
    r.stop()
    ro = docker(readonly=True)
    shutil.rmtree(ro.dir / "data", ignore_errors=True)
    shutil.copytree(r.dir / "data", ro.dir / "data")
    new = f"{ro.name}/a:v1"
    tare("pull", new)
    tare.fails("push", stored(tare, big(2000), f"{ro.name}/a:v2"), says=[ro.name, "405"])


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_real_10_registry_restarts(tare, docker, sig):
    """Killed in the middle of an upload, started again: the push goes on where it was."""
    r = docker()
    server = Server()
    try:
        front = server.listen(reverse("127.0.0.1", r.port))
        name = stored(tare, big(8 * MB), f"{front.name}/a:v1")
        rule = server.rule("PATCH", skip=4, times=1, call=lambda req: (r.stop(sig), r.restart())[1])
        tare("push", "--chunk", "1M", name)
        assert rule.hits
        sent = sum(q.bytes_in for q in server.requests("PATCH"))
        assert sent < 1.4 * 8 * MB, sent
        tare("pull", name)
    finally:
        server.close()


def test_real_11_our_death(tare, docker):
    """kill -9 of a push to the real registry, again: only the rest moves."""
    r = docker()
    server = Server()
    try:
        front = server.listen(reverse("127.0.0.1", r.port))
        name = stored(tare, big(8 * MB), f"{front.name}/a:v1")
        rule = server.rule("PATCH", skip=5, delay=30)
        with tare.start("push", "--chunk", "1M", name) as p:
            wait_for(lambda: rule.hits)
            p.stop(signal.SIGKILL)
        server.rules.clear()
        tare("push", "--chunk", "1M", name)
        assert sum(q.bytes_in for q in server.requests("PATCH|PUT|POST")) < 1.25 * 8 * MB
    finally:
        server.close()


# --- REAL-12: every pair ---

def podman(tmp, name="podman"):
    return [name, "--root", tmp / "pod", "--runroot", tmp / "podrun", "--storage-driver", "vfs"]


def test_real_12_others_read_ours(tare, docker, tmp):
    r, img = docker(), busy()
    name = stored(tare, img, f"{r.name}/a:v1")
    tare("push", name)
    d = tare("digest", name).out.strip()
    u = f"docker://{name}"
    assert run(["skopeo", "inspect", "--tls-verify=false", u], check=True).json()["Digest"] == d
    run(["skopeo", "copy", "-q", "--src-tls-verify=false", u, f"oci:{tmp}/l:v1"], check=True)
    run(["umoci", "unpack", "--image", f"{tmp}/l:v1", tmp / "out"], check=True)
    root = tmp / "out/rootfs"
    mine = tare.files(name)
    assert {str(p.relative_to(root)) for p in root.rglob("*")} == set(mine) == {"etc", "etc/link", "bin", "bin/tool", "data"}
    assert (root / "data").read_bytes() == mine["data"].data
    got = run([*podman(tmp), "pull", "-q", "--tls-verify=false", name], check=True).out.strip()
    assert "sha256:" + got == img.id
    c = run([*podman(tmp, "buildah"), "from", "--pull-never", name], check=True).out.strip()
    m = run([*podman(tmp, "buildah"), "mount", c], check=True).out.strip()
    assert {os.path.relpath(os.path.join(a, x), m) for a, ds, fs in os.walk(m) for x in ds + fs} == set(mine)
    run([*podman(tmp, "buildah"), "rm", c], check=True)


def test_real_12_we_read_theirs(tare, docker, tmp):
    r = docker()
    (tmp / "l").mkdir()
    run(["umoci", "init", "--layout", tmp / "um"], check=True)
    run(["umoci", "new", "--image", f"{tmp}/um:v1"], check=True)
    run(["umoci", "unpack", "--image", f"{tmp}/um:v1", tmp / "b"], check=True)
    (tmp / "b/rootfs/hello").write_text("from umoci\n")
    run(["umoci", "repack", "--image", f"{tmp}/um:v1", tmp / "b"], check=True)
    run(["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{tmp}/um:v1", f"docker://{r.name}/u:v1"], check=True)
    tare("pull", f"{r.name}/u:v1")
    assert tare.files(f"{r.name}/u:v1")["hello"].text == "from umoci\n"
    bud = podman(tmp, "buildah")
    c = run([*bud, "from", "scratch"], check=True).out.strip()
    m = run([*bud, "mount", c], check=True).out.strip()
    with open(os.path.join(m, "hello"), "w") as f:
        f.write("from buildah\n")
    for fmt in ("oci", "docker"):
        run([*bud, "commit", "-q", "--format", fmt, c, f"x-{fmt}"], check=True)
        for tool, by in ((bud, "buildah"), (podman(tmp), "podman")):
            name = f"{r.name}/{by}:{fmt}"
            run([*tool, "push", "-q", "--tls-verify=false", f"localhost/x-{fmt}", *(["docker://" + name])], check=True)
            tare("pull", name)
            assert tare.files(name)["hello"].text == "from buildah\n"
    run([*bud, "rm", c], check=True)


def test_real_12_archives_of_podman(tare, tmp, docker):
    r = docker()
    name = stored(tare, busy(), f"{r.name}/a:v1")
    tare("push", name)
    run([*podman(tmp), "pull", "-q", "--tls-verify=false", name], check=True)
    for fmt in ("docker-archive", "oci-archive"):
        run([*podman(tmp), "save", "-q", "--format", fmt, "-o", tmp / f"{fmt}.tar", name], check=True)
        tare("copy", f"{fmt}:{tmp}/{fmt}.tar", f"store:back/{fmt}:1")
        assert tare.inspect(f"back/{fmt}:1")["Id"] == tare.inspect(name)["Id"]


def test_real_13_a_lossy_network(tare, another, docker):
    """The real registry behind a network that breaks now and then. An upload that breaks within a PATCH is lost there:
    2.8.2 keeps the bytes, but not its record of them ("upload resumed at wrong offest"), and begins again."""
    r, server = docker(), Server()
    try:
        front = server.listen(reverse("127.0.0.1", r.port))
        budget = Budget(6 * MB)
        server.rule(budget=budget)
        img = big(5 * MB, 3 * MB)
        name = stored(tare, img, f"{front.name}/a:v1")
        tare("push", "--chunk", "512K", name)
        other = another()
        other("pull", name)
        assert other.layers(name) == img.diff_ids and budget.breaks
    finally:
        server.close()
