# SPDX-License-Identifier: Apache-2.0
"""Cases AUTH: challenges, tokens, credentials. Names carry the case numbers."""
import base64
import json
import time

import pytest

import archives
from fakeauth import Basic, Tokens
from fakehttp import Response
from regkit import auth, bearers, big, many, ref


def token_requests(reg):
    return reg.requests(port=reg.tokens.port)


def registry_requests(reg, *a, **kw):
    return reg.requests(*a, port=reg.port, **kw)


def helper(tare, name, script):
    """A credential helper in the PATH of the program."""
    bin_ = tare.home / "bin"
    tare.file(f"bin/docker-credential-{name}", "#!/bin/sh\n" + script).chmod(0o755)
    tare.env_extra["PATH"] = f"{bin_}:/usr/sbin:/usr/bin:/sbin:/bin"


def test_auth_01_nothing_is_sent_before_a_challenge(tare, reg):
    img = reg.image("a", "v1")
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("pull", ref(reg, img))
    assert reg.requests() and not [r for r in reg.requests() if r.header("authorization")]


def test_auth_02_basic(tare, make_reg):
    reg = make_reg(auth=Basic({"u": "p"}))
    img = reg.image("a", "v1", many(5))
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("pull", ref(reg, img))
    got = [(r.status == 401, bool(r.header("authorization"))) for r in reg.requests()]
    assert got[0] == (True, False) and set(got[1:]) == {(False, True)}
    assert tare.layers(ref(reg, img)) == archives.Img(*img.tars).diff_ids


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_auth_03_without_credentials(tare, make_reg, served, kind):
    reg = make_reg(auth=Basic({"u": "p"})) if kind == "basic" else served(Tokens({"u": "p"}, anonymous=""))
    img = reg.image("a", "v1")
    r = tare.fails("pull", ref(reg, img), says=[reg.name, "tare login"])
    assert ".docker/config.json" in r.err and "401" in r.err
    assert len(registry_requests(reg)) <= 4
    assert kind == "basic" or len(token_requests(reg)) <= 3


def test_auth_05_access_token(tare, served):
    reg = served(Tokens(keys=("access_token",)))
    tare("pull", ref(reg, reg.image("a", "v1")))


def test_auth_06_two_tokens_in_one_answer(tare, served):
    class Two(Tokens):
        def grant(self, *a):
            r = super().grant(*a)
            out = json.loads(r.body)
            self.tokens["other"] = self.tokens[out["token"]]
            r.body = json.dumps({**out, "access_token": "other"}).encode()
            return r
    reg = served(Two())
    tare("pull", ref(reg, reg.image("a", "v1", many(3))))
    assert len(set(bearers(reg.requests()))) == 1


def test_auth_08_tokens_die_early(tare, served):
    reg = served(Tokens(life=0.4, says={"expires_in": 60}))
    img = reg.image("a", "v1", many(20))
    reg.rule("GET", "/blobs/", delay=0.15)
    tare("pull", ref(reg, img))
    refused, dead = registry_requests(reg, status=401), set()
    for r in refused:
        dead |= set(bearers([r]))
    assert dead, "the tokens lived long enough: the test shows nothing"
    assert len(token_requests(reg)) <= len(dead) + 1
    targets = [r.target for r in refused]
    assert max(map(targets.count, targets)) <= 2


@pytest.mark.parametrize("hours", [-1, 1])
def test_auth_09_issued_at_is_not_trusted(tare, served, hours):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hours * 3600))
    reg = served(Tokens(life=300, says={"issued_at": at}))
    tare("pull", ref(reg, reg.image("a", "v1", many(5))))
    assert len(token_requests(reg)) == 1


def stored(tare, img, name):
    """Load an image into the store under a name."""
    path = tare.scratch / f"in-{img.id[7:19]}.tar"
    path.write_bytes(archives.pack(archives.modern(img, [name])))
    tare("load", "-i", path)
    return name


def test_auth_10_token_revoked_within_a_push(tare, served):
    t = Tokens({"u": "p"})
    reg = served(t)
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    reg.rule("PATCH|PUT", "/blobs/uploads/", times=1, call=lambda req: t.revoke())
    name = stored(tare, big(300000), f"{reg.name}/b:v1")
    tare("push", name)
    assert registry_requests(reg, "PATCH|PUT", status=401)
    assert reg.get("b", "v1")[1]["layers"]


@pytest.mark.parametrize("kind", ["get", "post"])
def test_auth_12_scopes_of_a_mount(tare, served, kind):
    t = Tokens({"u": "p"}, refresh={"r1": "u"}, anonymous="")
    reg = served(t)
    img = reg.image("a", "v1")
    tare.config(auths={reg.name: {"auth": auth("u", "p")} if kind == "get" else {"identitytoken": "r1"}})
    tare("copy", ref(reg, img), f"{reg.name}/b:v1")
    want = ["repository:b:pull,push", "repository:a:pull"]
    if kind == "get":
        asked = [[v for k, v in r.query if k == "scope"] for r in token_requests(reg)]
        assert want in asked, asked
    else:
        asked = [r.form["scope"] for r in token_requests(reg)]
        assert " ".join(want) in asked, asked
    assert registry_requests(reg, "POST", "mount=", 201)


@pytest.mark.parametrize("challenge, says", [
    ('service="x"', "realm"), ('realm="/token",service="x"', "/token"), ('realm="ftp://{host}/",service="x"', "ftp"),
    ('realm="http://{host}/t",service="x"', "without TLS")])
def test_auth_16_bad_realms(tare, make_reg, ca, reg, challenge, says):
    other = reg.server.listen(lambda req: Response(200))
    t = Tokens({"u": "p"}, challenge=challenge.replace("{host}", other.name))
    r = make_reg(tls=ca.context("127.0.0.1"), auth=t)
    img = r.image("a", "v1")
    tare.config(auths={r.name: {"auth": auth("u", "p")}})
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    tare.fails("pull", ref(r, img), says=[r.name, says])
    assert reg.requests() == [] and len(r.requests()) == 1


def test_auth_18_query_of_the_realm_is_kept(tare, served):
    t = Tokens()
    reg = served(t)
    t.realm += "?tenant=7&x=%2F"
    tare("pull", ref(reg, reg.image("a", "v1")))
    assert token_requests(reg)[0].query_text.startswith("tenant=7&x=%2F&")
    assert token_requests(reg)[0].q("service") == "fake"


def test_auth_19_identity_token(tare, served):
    t = Tokens(anonymous="", refresh={"secret-refresh": "u"})
    reg = served(t)
    tare.config(auths={reg.name: {"identitytoken": "secret-refresh"}})
    tare("pull", ref(reg, reg.image("a", "v1")))
    asked, = token_requests(reg)
    assert asked.method == "POST" and asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.header("authorization") is None
    assert asked.form["grant_type"] == "refresh_token" and asked.form["refresh_token"] == "secret-refresh"
    assert asked.form["service"] == "fake" and asked.form["client_id"] and asked.form["scope"] == "repository:a:pull"


def test_auth_21_helper_with_an_identity_token(tare, served):
    t = Tokens(anonymous="", refresh={"from-helper": "u"})
    reg = served(t)
    helper(tare, "fake", 'cat >"$HOME/asked"; echo \'{"Username":"<token>","Secret":"from-helper"}\'\n')
    tare.config(credHelpers={reg.name: "fake"})
    tare("pull", ref(reg, reg.image("a", "v1")))
    assert token_requests(reg)[0].form["refresh_token"] == "from-helper"
    assert (tare.home / "asked").read_text().strip() == reg.name


def test_auth_23_credentials_rejected(tare, served):
    reg = served(Tokens({"u": "p"}, anonymous=""))
    tare.config(auths={reg.name: {"auth": auth("u", "wrong")}})
    r = tare.fails("pull", ref(reg, reg.image("a", "v1")), says="127.0.0.1")
    assert "rejected" in r.err or "incorrect" in r.err
    assert len(token_requests(reg)) <= 2 and "wrong" not in r.both


def test_auth_24_token_server_is_busy(tare, served):
    reg = served(Tokens())
    reg.rule(port=reg.tokens.port, times=2, status=503)
    tare("pull", ref(reg, reg.image("a", "v1")))
    assert [r.status for r in token_requests(reg)] == [503, 503, 200]


@pytest.mark.parametrize("body", [b"<html>" + b"x" * 4000, b"{}", b'{"token":""}', b'{"token":7}', b"", b"[" * 20000])
def test_auth_26_senseless_tokens(tare, served, body):
    reg = served(Tokens())
    reg.rule(port=reg.tokens.port, status=200, body=body, headers={"X-Secret": "hush"})
    r = tare.fails("pull", ref(reg, reg.image("a", "v1")), says="token")
    assert "hush" not in r.err and "x" * 51 not in r.err and "[" * 51 not in r.err


def test_auth_25_endless_token_answer(tare, served):
    reg = served(Tokens())
    reg.rule(port=reg.tokens.port, call=lambda req: Response(200, [], (b" " * 65536 for _ in range(1 << 20))))
    tare.fails("pull", ref(reg, reg.image("a", "v1")))
    assert token_requests(reg)[0].bytes_out < 16 << 20


def test_auth_27_redirected_token_server(tare, served, make_reg):
    t = Tokens({"u": "p"}, anonymous="")
    reg, other = served(t), make_reg()
    moved = other.server.listen(t.handle)
    reg.rule(port=reg.tokens.port, status=307, headers={"Location": moved.url + "/token?service=fake&scope=repository:a:pull"})
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("pull", ref(reg, reg.image("a", "v1")), code=None)
    assert token_requests(reg)[0].header("authorization")
    assert not [r for r in other.requests() if r.header("authorization")]


def test_auth_29_single_flight(tare, served):
    reg = served(Tokens())
    reg.rule(port=reg.tokens.port, delay=0.3)
    tare("pull", ref(reg, reg.image("a", "v1", many(20))))
    assert len(token_requests(reg)) == 1


def test_auth_30_tokens_keep_to_their_repository(tare, served):
    t = Tokens({"u": "p"})
    reg = served(t)
    img = reg.image("a", "v1", many(3))
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("copy", ref(reg, img), f"{reg.name}/b:v1")
    sent = registry_requests(reg, path="^/v2/b/")
    assert sent and reg.get("b", "v1")
    for r in sent:
        for b in bearers([r]):
            assert "b" in {name for _, name, _ in t.tokens[b].scopes}, r


def test_auth_32_key_of_docker_hub(tare, make_reg, ca):
    """docker.io's name on the wire and its key for credentials are not its name."""
    reg = make_reg(auth=Basic({"u": "p"}))
    front = reg.server.listen(reg.handle, "127.0.77.1", 443, ca.context("registry-1.docker.io"))
    reg.image("library/x", "latest")
    tare.hosts(**{"registry-1.docker.io": front.host})
    tare.env_extra["SSL_CERT_FILE"] = ca.crt
    helper(tare, "fake", 'cat >>"$HOME/asked"; echo "$1" >>"$HOME/verb"; echo \'{"Username":"u","Secret":"p"}\'\n')
    tare.config(credsStore="fake")
    r = tare("pull", "x")
    assert "docker.io/library/x:latest" in r.both
    assert (tare.home / "asked").read_text().split() == ["https://index.docker.io/v1/"]
    assert (tare.home / "verb").read_text().split() == ["get"]


@pytest.mark.parametrize("script, says", [
    ("head -c 10485760 /dev/zero | tr '\\0' a\n", "docker-credential-fake"), ("echo '{\"Username\":'\n", "docker-credential-fake"),
    (None, "docker-credential-fake"), ("echo credentials broke >&2; exit 3\n", "credentials broke")])
def test_auth_35_helpers_that_fail(tare, make_reg, script, says):
    reg = make_reg(auth=Basic({"u": "p"}))
    if script:
        helper(tare, "fake", script)
    tare.config(credsStore="fake")
    tare.fails("pull", ref(reg, reg.image("a", "v1")), says=says)


def test_auth_35_helper_that_hangs(tare, make_reg):
    reg = make_reg(auth=Basic({"u": "p"}))
    helper(tare, "fake", "exec sleep 60\n")
    tare.config(credsStore="fake")
    tare.env_extra["TARE_HELPER_TIMEOUT"] = "1s"
    tare.fails("pull", ref(reg, reg.image("a", "v1")), says="docker-credential-fake")


def test_auth_35_helper_that_knows_nothing(tare, make_reg):
    """What helpers say then is no failure: another file, or nobody, is asked."""
    reg = make_reg(auth=Basic({"u": "p"}))
    helper(tare, "fake", "echo credentials not found in native keychain; exit 1\n")
    tare.config(credsStore="fake")
    tare.fails("pull", ref(reg, reg.image("a", "v1")), says="tare login")


@pytest.mark.parametrize("keys, user", [
    (["https://{h}/v1/"], 0), (["http://{h}"], 0), (["{h}"], 0), (["{h}/"], 0), (["https://{h}/v1/", "{h}", "http://{h}"], 1)])
def test_auth_36_forms_of_a_key(tare, make_reg, keys, user):
    reg = make_reg(auth=Basic({f"u{user}": "p"}))
    tare.config(auths={k.format(h=reg.name): {"auth": auth(f"u{i}", "p")} for i, k in enumerate(keys)})
    tare("pull", ref(reg, reg.image("a", "v1")))


def test_auth_37_a_key_for_a_path(tare, make_reg):
    reg = make_reg(auth=Basic({"host": "p", "ns": "p", "a": "p"}, {"ns": "ns/", "a": "ns/a"}))
    for repo in ("ns/a", "ns/b", "c"):
        reg.image(repo, "v1")
    f = tare.file("auth.json", {"auths": {reg.name: {"auth": auth("host", "p")}, f"{reg.name}/ns": {"auth": auth("ns", "p")},
                                          f"{reg.name}/ns/a": {"auth": auth("a", "p")}}})
    for repo, user in (("ns/a", "a"), ("ns/b", "ns"), ("c", "host")):
        tare("pull", "--authfile", f, f"{reg.name}/{repo}:v1")
        used = {r.header("authorization") for r in reg.requests(path=f"/v2/{repo}/") if r.header("authorization")}
        assert used == {"Basic " + auth(user, "p")}


def test_auth_38_order_of_the_files(tare, make_reg):
    """As containers-auth.json(5) and docker have it; a file that does not know the host is passed over."""
    reg = make_reg(auth=Basic({}))
    img = reg.image("a", "v1")
    entry = lambda user: {"auths": {reg.name: {"auth": auth(user, "p")}}}
    flag = tare.file("flag.json", entry("flag"))
    tare.env_extra.update(
        DOCKER_AUTH_CONFIG=json.dumps(entry("inline")), REGISTRY_AUTH_FILE=tare.file("env.json", entry("env")),
        XDG_RUNTIME_DIR=tare.file("run/containers/auth.json", entry("runtime")).parent.parent,
        XDG_CONFIG_HOME=tare.file("conf/containers/auth.json", entry("config")).parent.parent,
        DOCKER_CONFIG=tare.file("docker/config.json", entry("docker")).parent)
    tare.file(".docker/config.json", entry("home"))
    used = []
    for n, drop in enumerate(("", "", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG")):
        tare.env_extra[drop or "X"] = None
        tare("pull", *(["--authfile", flag] if n == 0 else []), ref(reg, img), code=1)
        used.append(base64.b64decode(reg.requests()[-1].header("authorization").split()[1]).decode().split(":")[0])
    assert used[:4] == ["flag", "env", "runtime", "config"], used
    assert set(used[4:]) <= {"docker", "inline", "home"}, used


def test_auth_38_a_file_without_the_host_is_passed_over(tare, make_reg):
    reg = make_reg(auth=Basic({"u": "p"}))
    tare.env_extra["REGISTRY_AUTH_FILE"] = tare.file("env.json", {"auths": {"other.test": {"auth": auth("x", "y")}}})
    tare.config(auths={reg.name: {"auth": auth("u", "p")}})
    tare("pull", ref(reg, reg.image("a", "v1")))


@pytest.mark.parametrize("text, user", [
    (b"u:p:q", ("u", "p:q")), ("u:p\u00e9".encode(), ("u", "p\u00e9")), (b"u:p\n", ("u", "p")), (b"u:p\0", ("u", "p")),
    (b"nocolon", None), (None, None)])
def test_auth_39_the_auth_member(tare, make_reg, text, user):
    reg = make_reg(auth=Basic(dict([user] if user else [])))
    img = reg.image("a", "v1")
    tare.config(auths={reg.name: {"auth": base64.b64encode(text).decode() if text else "!!!"}})
    if user:
        tare("pull", ref(reg, img))
    else:
        tare.fails("pull", ref(reg, img), says="auth")


def test_auth_41_no_secret_in_a_trace(tare, served, make_reg):
    t = Tokens({"u": "geheim"}, anonymous="")
    reg, away = served(t), make_reg()
    img = reg.image("a", "v1", big(5000))
    reg.rule("GET", "/blobs/", edit=lambda req, r: (setattr(r, "status", 307), r.set(
        "Location", f"http://{away.name}/v2/a/blobs/{req.path[-71:]}?X-Amz-Signature=geheimsig&sig=geheimsig2&_state=geheimstate")))
    away.image("a", "v1", big(5000))
    tare.config(auths={reg.name: {"auth": auth("u", "geheim")}})
    out = tare("pull", "--trace-http", tare.scratch / "trace", ref(reg, img))
    text = (tare.scratch / "trace").read_text()
    assert text.count("\n") >= 5 and all(json.loads(l) for l in text.splitlines())
    for secret in ["geheim", auth("u", "geheim"), *t.tokens]:
        assert secret not in text and secret not in out.both


def test_auth_login_and_logout(tare, make_reg):
    reg = make_reg(auth=Basic({"u": "p"}))
    img = reg.image("a", "v1")
    tare.fails("login", "-u", "u", "--password-stdin", reg.name, input="wrong\n")
    assert not (tare.home / ".docker/config.json").exists()
    r = tare("login", "-u", "u", "--password-stdin", reg.name, input="p\n")
    assert "Login Succeeded" in r.both
    f = tare.home / ".docker/config.json"
    assert json.loads(f.read_text())["auths"][reg.name]["auth"] == auth("u", "p") and f.stat().st_mode & 0o777 == 0o600
    tare("pull", ref(reg, img))
    tare("logout", reg.name)
    assert reg.name not in f.read_text()
    tare.fails("pull", ref(reg, img), says="tare login")
