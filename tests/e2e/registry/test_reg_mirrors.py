# SPDX-License-Identifier: Apache-2.0
"""Cases MIR and API: mirrors, rewrites; tags, deletes, pages. Names carry the case numbers."""
import pytest

from fakeauth import Basic
from fakehttp import Response
from regkit import auth, big, many, ref
from test_reg_auth import stored

CONF = ".config/containers/registries.conf"


def conf(tare, text):
    tare.file(CONF, text)


def two(make_reg):
    return make_reg(), make_reg()


def mirrors(host, *places, extra=""):
    return (f'[[registry]]\nprefix = "{host}"\nlocation = "{host}"\n{extra}'
            + "".join(f'[[registry.mirror]]\nlocation = "{p}"\ninsecure = true\n' for p in places))


def test_mir_01_in_order(tare, reg, make_reg):
    """The first mirror that has the image wins; its name stays what was asked for."""
    m1, m2 = two(make_reg)
    for r in (reg, m2):
        img = r.image("a", "v1")
    conf(tare, mirrors(reg.name, f"{m1.name}", f"{m2.name}"))
    tare("pull", ref(reg, img))
    assert m1.requests() and m2.requests(path="/blobs/") and not reg.requests()
    assert tare.inspect(ref(reg, img))["RepoTags"] == [ref(reg, img)]


def test_mir_01_upstream_last(tare, reg, make_reg):
    m1, m2 = two(make_reg)
    img = reg.image("a", "v1")
    conf(tare, mirrors(reg.name, m1.name, m2.name))
    tare("pull", ref(reg, img))
    assert m1.requests() and m2.requests() and reg.requests()


@pytest.mark.parametrize("how", [{"status": 429, "headers": {"Retry-After": "100"}}, {"status": 500}, {"close": "rst"},
                                 {"status": 401, "headers": {"WWW-Authenticate": "Basic realm=x"}}])
def test_mir_02_retry_05_a_mirror_that_fails(tare, reg, make_reg, how):
    m = make_reg()
    img = reg.image("a", "v1", many(2))
    m.image("a", "v1", many(2))
    m.rule(**how)
    conf(tare, mirrors(reg.name, m.name))
    tare("pull", ref(reg, img))
    assert m.requests() and reg.requests(path="/blobs/")


def test_mir_02_a_mirror_that_lies(tare, reg, make_reg):
    m = make_reg()
    img = reg.image("a", "v1", big(5000))
    m.image("a", "v1", big(5000))
    m.rule("GET", "/blobs/", flip=40)
    conf(tare, mirrors(reg.name, m.name))
    r = tare("pull", ref(reg, img), code=None)
    assert r.code == 0 or "the bytes of blob" in r.err
    if r.code == 0:
        assert tare.inspect(ref(reg, img))["Id"] == img.config_digest


def test_mir_03_credentials_of_upstream(tare, make_reg):
    reg, m = make_reg(auth=Basic({"u": "p"})), make_reg(auth=Basic({"m": "q"}))
    img = reg.image("a", "v1")
    m.image("a", "v1")
    conf(tare, mirrors(reg.name, m.name))
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("pull", ref(reg, img))
    assert m.requests() and not [r for r in m.requests() if r.header("authorization")]
    tare.config(auths={reg.name: {"auth": auth("u", "p")}, m.name: {"auth": auth("m", "q")}})
    before = len(reg.requests())
    tare("rmi", ref(reg, img))
    tare("pull", ref(reg, img))
    assert len(reg.requests()) == before
    assert {r.header("authorization") for r in m.requests()} == {None, "Basic " + auth("m", "q")}


def test_mir_04_mirror_by_digest_only(tare, reg, make_reg):
    m = make_reg()
    img = reg.image("a", "v1")
    m.image("a", "v1")
    conf(tare, mirrors(reg.name, m.name, extra="mirror-by-digest-only = true\n"))
    tare("pull", ref(reg, img))
    assert not m.requests(path="/manifests/v1") and reg.requests(path="/manifests/v1")
    tare("rmi", ref(reg, img))
    before = len(reg.requests())
    tare("pull", f"{reg.name}/a@{img.digest}")
    assert m.requests(path="/manifests/") and len(reg.requests()) == before


def test_mir_08_longest_prefix(tare, make_reg):
    places = {k: make_reg() for k in ("host", "ns", "a", "star")}
    for r in places.values():
        for repo in ("x/ns/a/b", "x/ns/b", "x/b", "x"):
            r.image(repo, "v1")
    text = ""
    for prefix, k in (("r.test", "host"), ("r.test/ns", "ns"), ("r.test/ns/a", "a"), ("*.r.test", "star")):
        text += f'[[registry]]\nprefix = "{prefix}"\nlocation = "{places[k].name}/x{prefix[6:] if prefix[0] == "r" else ""}"\ninsecure = true\n'
    conf(tare, text)
    for name, k, path in (("r.test/b:v1", "host", "x/b"), ("r.test/ns/b:v1", "ns", "x/ns/b"),
                          ("r.test/ns/a/b:v1", "a", "x/ns/a/b"), ("s.r.test/b:v1", "star", "x/b")):
        tare("pull", name)
        asked = {q for q, r in places.items() if r.requests()}
        assert asked == {k} and places[k].requests(path=f"/v2/{path}/manifests/v1"), (name, asked)
        places[k].server.forget()


def test_mir_09_blocked(tare, reg):
    img = reg.image("a", "v1")
    conf(tare, f'[[registry]]\nlocation = "{reg.name}"\nblocked = true\n')
    tare.fails("pull", ref(reg, img), says=[reg.name, "blocked"])
    assert not reg.requests()


def test_mir_10_push_goes_upstream(tare, reg, make_reg):
    m = make_reg()
    conf(tare, mirrors(reg.name, m.name))
    tare("push", stored(tare, big(2000), f"{reg.name}/b:v1"))
    assert reg.get("b", "v1") and not m.requests()


@pytest.mark.root
def test_mir_11_daemon_json(tare, make_reg, ca):
    """Docker's own list of mirrors is for Docker Hub alone."""
    m, up = make_reg(), make_reg(tls=ca.context("r.test"))
    for r in (m, up):
        r.image("library/x", "latest")
        r.image("x", "latest")
    tare.hosts(**{"r.test": "127.0.0.1"})
    tare.env_extra.update(SSL_CERT_FILE=ca.crt, TARE_DAEMON_JSON=tare.file("daemon.json", {"registry-mirrors": [m.listener.url]}))
    tare("pull", "x")
    n = len(m.requests())
    assert m.requests(path="/v2/library/x/")
    tare("pull", f"r.test:{up.port}/x")
    assert up.requests() and len(m.requests()) == n


def test_mir_12_hosts_toml(tare, make_reg, ca):
    """override_path, header, ca, capabilities; a directory whose name has a port."""
    m = make_reg(tls=ca.context("127.0.0.1"))
    up = make_reg()
    img = up.image("a", "v1")
    m.image("a", "v1")
    m.rule(path="^/pre/fix/", call=lambda req: (setattr(req, "path", "/v2" + req.path[8:]), m.handle(req))[1])
    d = f".config/containers/certs.d/127.0.0.1_{up.port}_"
    tare.file(f"{d}/mirror.crt", ca.crt.read_text())
    tare.file(f"{d}/hosts.toml", f'server = "{up.listener.url}"\n\n[host."{m.listener.url}/pre/fix"]\n'
              'capabilities = ["pull", "resolve"]\noverride_path = true\nca = "mirror.crt"\n'
              f'[host."{m.listener.url}/pre/fix".header]\nx-hello = ["there"]\n')
    tare("pull", ref(up, img))
    assert m.requests(path="^/pre/fix/a/manifests/v1") and not up.requests()
    assert {r.header("x-hello") for r in m.requests(path="/a/")} == {"there"}
    assert m.requests(path="/a/")[0].q("ns") == up.name


def test_mir_12_default_and_skip_verify(tare, make_reg, ca):
    m = make_reg(tls=ca.context("127.0.0.1"))
    m.image("a", "v1")
    tare.file(".config/containers/certs.d/_default/hosts.toml",
              f'[host."{m.listener.url}"]\ncapabilities = ["pull", "resolve"]\nskip_verify = true\n')
    tare("pull", "any.test/a:v1")
    assert {r.q("ns") for r in m.requests(path="/a/")} == {"any.test"}


def test_mirror_explain(tare, reg, make_reg):
    m = make_reg()
    conf(tare, mirrors(reg.name, m.name))
    r = tare("mirror", "explain", f"{reg.name}/a:v1")
    assert r.out.index(m.name) < r.out.rindex(reg.name) and CONF in r.out
    assert not m.requests() and not reg.requests()


# --- API ---

def tags(tare, name):
    return tare("tags", name).out.split()


def numbered(reg, n):
    img = reg.image("a", "t000")
    for i in range(n):
        reg.repos["a"].tags[f"t{i:03}"] = img.digest
    return [f"t{i:03}" for i in range(n)]


def test_api_01_pages(tare, reg):
    want = numbered(reg, 25)
    assert tags(tare, f"{reg.name}/a") == want
    reg.page = 4
    assert tags(tare, f"{reg.name}/a") == want


@pytest.mark.parametrize("link", ["http://{h}/v2/a/tags/list?last=t003&n=4", "//{h}/v2/a/tags/list", "https://{own}/v2/a/tags/list",
                                  "file:///etc/passwd"])
def test_api_02_link_elsewhere(tare, reg, make_reg, link):
    numbered(reg, 9)
    other = make_reg()
    reg.rule("GET", "/tags/", set={"Link": f"<{link.format(h=other.name, own=reg.name)}>; rel=\"next\""})
    tare.fails("tags", f"{reg.name}/a", says="next page")
    assert not other.requests()


def test_api_03_short_page_with_a_link(tare, reg):
    want = numbered(reg, 9)
    reg.page = 3
    assert tags(tare, f"{reg.name}/a") == want and len(reg.requests(path="/tags/")) == 3


def test_api_03_full_page_without_a_link(tare, reg):
    """A registry that cuts the list at n and does not say so: ask on with last."""
    want = numbered(reg, 9)
    reg.page = 4
    reg.rule("GET", "/tags/", drop=["link"])
    got = tags(tare, f"{reg.name}/a")
    assert got == want[:4] or got == want      # 4 is below the n that was asked for: no reason to go on
    reg.page = 0
    many_ = numbered(reg, 1000 + 7)
    assert tags(tare, f"{reg.name}/a") == sorted(many_)


def test_api_04_link_to_itself(tare, reg):
    numbered(reg, 9)
    reg.rule("GET", "/tags/", call=lambda req: Response(200, [("Link", f'<{req.target}>; rel="next"')], b'{"tags":["a"]}'))
    tare.fails("tags", f"{reg.name}/a", says="same page")
    assert len(reg.requests(path="/tags/")) <= 3


def test_api_04_endless_pages(tare, reg):
    numbered(reg, 1)
    n = [0]

    def page(req):
        n[0] += 1
        return Response(200, [("Link", f'</v2/a/tags/list?last=x{n[0]}>; rel="next"')], b'{"tags":["x%d"]}' % n[0])
    reg.rule("GET", "/tags/", call=page)
    tare.fails("tags", f"{reg.name}/a", says="pages")
    assert n[0] <= 11000


def test_api_05_no_tags(tare, reg):
    reg.image("a", None)
    reg.rule("GET", "/tags/", times=1, status=200, body=b'{"name":"a","tags":null}')
    assert tags(tare, f"{reg.name}/a") == []
    tare.fails("tags", f"{reg.name}/none", says="NAME_UNKNOWN")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"tags":[1]}', b'{"tags":["a\\u001b[2J"]}', b'{"tags":{}}'])
def test_api_05_senseless_lists(tare, reg, body):
    numbered(reg, 1)
    reg.rule("GET", "/tags/", status=200, body=body)
    r = tare("tags", f"{reg.name}/a", code=1)
    assert r.err and "\x1b" not in r.both


@pytest.mark.parametrize("body", [b"[]", b'{"tags":[1]}', b'{"tags":["a\\u001b[2J"]}', b'{"tags":{}}', b'{"tags":["a/b"]}'])
def test_api_05_senseless_lists_of_a_pull(tare, reg, body):
    numbered(reg, 1)
    reg.rule("GET", "/tags/", status=200, body=body)
    r = tare.fails("pull", "--all-tags", f"{reg.name}/a", says="tags")
    assert "\x1b" not in r.both


def test_api_06_delete_a_tag_only(tare, reg):
    """The manifest behind the tag stays, and with it other tags."""
    img = reg.image("a", "v1")
    reg.repos["a"].tags["v2"] = img.digest
    tare("rmi", "--remote", f"{reg.name}/a:v1")
    assert reg.repos["a"].tags == {"v2": img.digest} and img.digest in reg.repos["a"].manifests
    assert [r.target for r in reg.requests("DELETE")] == ["/v2/a/manifests/v1"]


@pytest.mark.parametrize("status", [405, 400])
def test_api_06_delete_by_tag_is_not_delete_by_digest(tare, reg, status):
    img = reg.image("a", "v1")
    reg.rule("DELETE", "/manifests/v1", status=status)
    tare.fails("rmi", "--remote", f"{reg.name}/a:v1", says=str(status))
    assert img.digest in reg.repos["a"].manifests and len(reg.requests("DELETE")) == 1
