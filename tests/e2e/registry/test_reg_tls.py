# SPDX-License-Identifier: Apache-2.0
"""Cases TLS and PROXY: certificates, plain http, proxies. Names carry the case numbers."""
import socket

import pytest

from fakeauth import CA, Basic, Tokens
from fakehttp import forward
from regkit import auth, big, ref

CERTS = ".config/containers/certs.d"


@pytest.fixture
def safe(make_reg, ca):
    return make_reg(tls=ca.context("127.0.0.1", "localhost"))


def test_tls_01_system_bundle(tare, safe, ca):
    img = safe.image("a", "v1")
    tare.fails("pull", ref(safe, img), says=[safe.name, "certificate"])
    assert not safe.requests()
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    tare("pull", ref(safe, img))


def test_tls_02_certs_d(tare, safe, ca):
    img = safe.image("a", "v1")
    tare.file(f"{CERTS}/127.0.0.1/ca.crt", ca.crt.read_text())
    tare.fails("pull", ref(safe, img), says="certificate")
    tare.file(f"{CERTS}/{safe.name}/ca.crt", ca.crt.read_text())
    tare("pull", ref(safe, img))


def test_tls_02_cert_dir_flag(tare, safe, ca):
    tare("pull", "--cert-dir", ca.dir, ref(safe, safe.image("a", "v1")))


def test_tls_03_token_server_of_another_authority(tare, safe, ca, tmp):
    other = CA(tmp / "ca2", "second CA")
    t = Tokens()
    safe.auth = t
    tokens = safe.server.listen(t.handle, tls=other.context("127.0.0.1"))
    t.realm = tokens.url + "/token"
    img = safe.image("a", "v1")
    tare.file(f"{CERTS}/{safe.name}/ca.crt", ca.crt.read_text())
    tare.fails("pull", ref(safe, img), says="token")
    tare.file(f"{CERTS}/{tokens.name}/ca.crt", other.crt.read_text())
    tare("pull", ref(safe, img))


def test_tls_04_client_certificate(tare, make_reg, ca):
    reg = make_reg(tls=ca.context("127.0.0.1", clients=ca))
    img = reg.image("a", "v1")
    d = f"{CERTS}/{reg.name}"
    tare.file(f"{d}/ca.crt", ca.crt.read_text())
    tare.fails("pull", ref(reg, img), says=reg.name)
    crt, key = ca.issue("me")
    tare.file(f"{d}/client.cert", crt.read_text())
    r = tare.fails("pull", ref(reg, img))
    assert "client.key" in r.err
    tare.file(f"{d}/client.key", key.read_text())
    tare("pull", ref(reg, img))


def test_tls_05_insecure(tare, safe, make_reg):
    img = safe.image("a", "v1")
    tare("pull", "--tls-verify=false", ref(safe, img))
    tare.hosts(**{"plain.test": "127.0.0.1"})
    reg = make_reg()
    reg.image("a", "v1")
    name = f"plain.test:{reg.port}/a:v1"
    tare.fails("pull", name)
    assert not reg.requests()
    tare("pull", "--tls-verify=false", name)


@pytest.mark.parametrize("kw, says", [({"expired": True}, "expired"), ({"old": True}, "sigalg"), ({"name": "else.test"}, "name")])
def test_tls_06_three_distinct_errors(tare, make_reg, ca, kw, says):
    reg = make_reg(tls=ca.context(kw.pop("name", "127.0.0.1"), **kw))
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    r = tare.fails("pull", ref(reg, reg.image("a", "v1")), says=reg.name)
    assert says in r.err.lower() or says == "sigalg" and "version" in r.err.lower(), r.err


def test_tls_07_cut_without_close_notify(tare, safe, ca):
    img = safe.image("a", "v1", big(500000))
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    safe.rule("GET", img.layer_digests[0], times=1, truncate=200000)
    safe.rule("GET", "/manifests/", times=1, truncate=100)
    tare("pull", ref(safe, img))
    assert any(r.header("range") for r in safe.requests("GET", img.layer_digests[0]))


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_tls_08_plain_for_loopback(tare, make_reg, host):
    try:
        reg = make_reg(host=host)
    except OSError:
        pytest.skip("no IPv6 here")
    tare("pull", ref(reg, reg.image("a", "v1")))


def test_tls_08_plain_for_localhost_only(tare, reg):
    reg.image("a", "v1")
    tare("pull", f"localhost:{reg.port}/a:v1")
    tare.hosts(**{"localhost.evil.test": "127.0.0.1"})
    before = len(reg.requests())
    tare.fails("pull", f"localhost.evil.test:{reg.port}/a:v1")
    assert len(reg.requests()) == before


@pytest.fixture
def proxied(tare, make_reg, ca):
    """A proxy that knows plain.test and safe.test, which nothing else does; the registries behind it."""
    plain, safe = make_reg(), make_reg(tls=ca.context("safe.test"))
    p = plain.server.listen(forward({"plain.test": ("127.0.0.1", plain.port), "safe.test": ("127.0.0.1", safe.port)}))
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    for r in (plain, safe):
        r.image("a", "v1")
    plain.proxy, safe.proxy = p, p
    return plain, safe


def through(plain):
    return plain.requests(port=plain.proxy.port)


@pytest.mark.parametrize("upper", [True, False])
def test_proxy_01_https_by_connect(tare, proxied, upper):
    plain, safe = proxied
    tare.env_extra["HTTPS_PROXY" if upper else "https_proxy"] = plain.proxy.url
    tare("pull", "safe.test/a:v1")
    assert {r.method for r in through(plain)} == {"CONNECT"} and safe.requests()
    assert not [r for r in through(plain) if r.header("authorization")]


def test_proxy_01_http(tare, proxied):
    plain, safe = proxied
    tare.env_extra["http_proxy"] = plain.proxy.url
    tare("pull", "--tls-verify=false", "plain.test/a:v1", env={"https_proxy": plain.proxy.url})
    assert any(r.target.startswith("http://plain.test/v2/") for r in through(plain))


@pytest.mark.parametrize("skip", ["127.0.0.1", ".corp.test,r.corp.test", ".corp.test", "10.0.0.0/8,127.0.0.0/8", "*"])
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_proxy_02_no_proxy(tare, proxied, skip, variable):
    plain, safe = proxied
    tare.hosts(**{"r.corp.test": "127.0.0.1"})
    tare.env_extra.update(HTTPS_PROXY=plain.proxy.url, HTTP_PROXY=plain.proxy.url, **{variable: skip})
    name = f"127.0.0.1:{plain.port}" if skip[0].isdigit() else f"r.corp.test:{plain.port}"
    tare("pull", "--tls-verify=false", f"{name}/a:v1")
    assert not through(plain)


def test_proxy_03_refuses(tare, proxied):
    plain, _ = proxied
    tare.env_extra["HTTPS_PROXY"] = plain.proxy.url
    tare.fails("pull", "elsewhere.test/a:v1", says=["elsewhere.test"])
    tare.env_extra["HTTPS_PROXY"] = "http://127.0.0.1:1"
    tare.fails("pull", "safe.test/a:v1", says="port 1")
