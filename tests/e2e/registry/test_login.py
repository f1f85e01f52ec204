# SPDX-License-Identifier: Apache-2.0
"""tare login, logout, mirror explain: credentials that are checked and kept, decisions that are shown, a journal without secrets."""
import base64
import json
import stat

import pytest

from fakeauth import Basic, Tokens
from harness import wait_for


def auth(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def config(tare):
    return json.loads((tare.home / ".docker/config.json").read_text())


def helper(tare, name, script):
    tare.file(f"bin/docker-credential-{name}", "#!/bin/sh\n" + script).chmod(0o755)
    tare.env_extra["PATH"] = f"{tare.home}/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def login(tare, server, user="joe", password="s3cret", **kw):
    return tare("login", "-u", user, "--password-stdin", server, input=password + "\n", **kw)


def test_login_keeps_what_was_accepted(tare, make_reg):
    reg = make_reg(auth=Basic({"joe": "s3cret"}))
    tare.config(auths={"other": {"auth": auth("a", "b")}}, detachKeys="ctrl-q", proxies={"default": {}})
    r = login(tare, reg.name)
    assert r.out == "Login Succeeded\n" and "unencrypted" in r.err and "s3cret" not in r.both
    c = config(tare)
    assert c["auths"] == {"other": {"auth": auth("a", "b")}, reg.name: {"auth": auth("joe", "s3cret")}}
    assert c["detachKeys"] == "ctrl-q" and c["proxies"] == {"default": {}}
    assert stat.S_IMODE((tare.home / ".docker/config.json").stat().st_mode) == 0o600
    assert [p.name for p in (tare.home / ".docker").iterdir()] == ["config.json"]
    assert tare("logout", reg.name).out == f"Removing login credentials for {reg.name}\n"
    assert config(tare)["auths"] == {"other": {"auth": auth("a", "b")}}
    assert tare("logout", reg.name).out == f"Not logged in to {reg.name}\n"


def test_login_refused(tare, make_reg):
    """REAL-02's other half: a wrong password changes nothing and is not shown."""
    reg = make_reg(auth=Basic({"joe": "s3cret"}))
    tare.config(auths={reg.name: {"auth": auth("joe", "s3cret")}})
    before = (tare.home / ".docker/config.json").read_bytes()
    r = tare.fails("login", "-u", "joe", "--password-stdin", reg.name, input="wr0ng", says=[reg.name, "401", "not accepted"])
    assert "wr0ng" not in r.both and auth("joe", "wr0ng") not in r.both
    assert (tare.home / ".docker/config.json").read_bytes() == before
    assert login(tare, reg.name).code == 0


def test_login_by_token_server_keeps_the_refresh_token(tare, served):
    tokens = Tokens(users={"joe": "s3cret"})
    reg = served(tokens)
    login(tare, reg.name)
    entry = config(tare)["auths"][reg.name]
    assert entry["identitytoken"] in tokens.refresh and "s3cret" not in base64.b64decode(entry["auth"]).decode()
    tare("login", reg.name)               # with what is kept
    assert [r.form["grant_type"] for r in reg.requests("POST", port=reg.tokens.port)] == ["refresh_token"]
    tokens.offline = False
    login(tare, reg.name)
    assert config(tare)["auths"][reg.name] == {"auth": auth("joe", "s3cret")}
    tare.fails("login", "-u", "joe", "--password-stdin", reg.name, input="x", says=["rejected by 127.0.0.1"])


def test_login_with_a_helper(tare, make_reg):
    reg = make_reg(auth=Basic({"joe": "s3cret"}))
    helper(tare, "box", f'cd {tare.home}; case $1 in store) cat >kept;; get) cat >asked; [ -f kept ] && cat kept && exit; '
                        'echo "credentials not found in native keychain"; exit 1;; erase) rm kept; cat >erased;; esac')
    tare.config(credsStore="box")
    r = login(tare, reg.name)
    assert "unencrypted" not in r.err
    assert json.loads((tare.home / "kept").read_text()) == {"ServerURL": reg.name, "Username": "joe", "Secret": "s3cret"}
    assert config(tare)["auths"] == {reg.name: {}}
    tare("login", reg.name)
    assert (tare.home / "asked").read_text() == reg.name
    tare("logout", reg.name)
    assert (tare.home / "erased").read_text() == reg.name and config(tare)["auths"] == {}
    tare.fails("login", reg.name, says="non TTY")


@pytest.mark.parametrize("script,says", [
    ("sleep 60", "did not end within"), ("yes", "more than"), ("echo '{'", "not the JSON"), ("echo boom; exit 3", "boom"), (None, "docker-credential-box")])
def test_helpers_that_fail(tare, make_reg, script, says):
    """AUTH-35"""
    reg = make_reg(auth=Basic({"joe": "s3cret"}))
    tare.config(credsStore="box")
    if script:
        helper(tare, "box", script)
    tare.fails("login", reg.name, says=[says, "docker-credential-box"], env={"TARE_HELPER_TIMEOUT": "1s"})


def test_login_several_on_one_host(tare, make_reg):
    reg = make_reg(auth=Basic({"joe": "s3cret", "ann": "pw"}))
    login(tare, reg.name)
    login(tare, reg.name + "/team/app", "ann", "pw")
    assert config(tare)["auths"] == {reg.name: {"auth": auth("joe", "s3cret")}, reg.name + "/team/app": {"auth": auth("ann", "pw")}}
    for repo, key in (("x", reg.name), ("team/app", reg.name + "/team/app"), ("team/b", reg.name)):
        row = json.loads(tare("mirror", "explain", "--json", f"{reg.name}/{repo}").out)["candidates"][-1]
        assert row["credentials"].endswith(f"({key})")


def test_login_authfile_and_tls(tare, make_reg, ca):
    reg = make_reg(auth=Basic({"joe": "s3cret"}), tls=ca.context("127.0.0.1"))
    tare.fails("login", "-u", "joe", "--password-stdin", reg.name, input="s3cret", says="certificate")
    assert not reg.requests() and not (tare.home / ".docker").exists()
    auths = tare.home / "deep/er/auth.json"
    tare("login", "-u", "joe", "--password-stdin", "--authfile", auths, "--cert-dir", ca.dir, reg.name, input="s3cret")
    assert json.loads(auths.read_text())["auths"] == {reg.name: {"auth": auth("joe", "s3cret")}}
    tare("login", "--authfile", auths, "--tls-verify=false", reg.name)
    tare("logout", "--authfile", auths, reg.name)
    assert json.loads(auths.read_text())["auths"] == {}


def test_login_usage(tare):
    for args, says in ((("-p", "x", "h:1"), "needs --username"), (("--password-stdin", "h:1"), "needs --username"), (("h",), "no registry"),
                       (("-u", "a", "--password-stdin", "h:1"), "no password"), (("http://", ), "non TTY"), (("a:b:c",), "a:b:c")):
        tare.fails("login", *args, input="", says=says)
    tare.file(".docker/config.json", "{ not json")
    tare.fails("login", "h:1", says=["config.json", "line 1"])


def test_login_prompts(tare, make_reg):
    reg = make_reg(auth=Basic({"joe": "s3cret"}))
    with tare.terminal("login", reg.name) as t:
        t.expect("Username: ")
        t.send("joe\n")
        t.expect("Password: ")
        t.send("s3cret\n")
        t.expect("Login Succeeded")
        assert t.wait() == 0
        assert b"s3cret" not in t.output
    assert config(tare)["auths"][reg.name] == {"auth": auth("joe", "s3cret")}


def test_mirror_explain(tare):
    tare.file(".config/containers/registries.conf", """
[[registry]]
location = "r.io"
[[registry.mirror]]
location = "m1.io:5000/cache"
[[registry.mirror]]
location = "m2.io"
pull-from-mirror = "tag-only"
[[registry]]
location = "evil.io"
blocked = true
""")
    tare.config(auths={"m1.io:5000": {"auth": auth("joe", "s3cret")}})
    r = tare("mirror", "explain", "r.io/a/b:v1")
    lines = r.out.splitlines()
    assert lines[0] == "r.io/a/b:v1" and "s3cret" not in r.out and auth("joe", "s3cret") not in r.out
    assert [l.split()[:3] for l in lines[2:]] == [["1", "mirror", "https://m1.io:5000/v2/cache/a/b"], ["2", "mirror", "https://m2.io/v2/a/b"],
                                                  ["3", "registry", "https://r.io/v2/a/b"]]
    assert "registries.conf" in lines[2] and "config.json (m1.io:5000)" in lines[2] and lines[3].endswith("none")
    by = json.loads(tare("mirror", "explain", "--json", "r.io/a/b@sha256:" + "0" * 64).out)
    assert [c["asked"] for c in by["candidates"]] == [True, False, True]
    assert "blocked by" in tare("mirror", "explain", "evil.io/a").out
    assert "https://registry-1.docker.io/v2/library/alpine" in tare("mirror", "explain", "alpine").out
    tare.file(".config/containers/registries.conf", "[[registry]\n")
    tare.fails("mirror", "explain", "r.io/a", says=["registries.conf", "line 1"])


def test_short_names(tare):
    tare.file(".config/containers/registries.conf", 'unqualified-search-registries = ["q.io"]\n[aliases]\nfed = "r.io/fedora"\n')
    for name, full in (("app:1", "q.io/app:1"), ("fed", "r.io/fedora:latest"), ("a.b/c", "a.b/c:latest")):
        assert tare("mirror", "explain", name).out.splitlines()[0] == full


def test_short_names_are_pulled(tare, make_reg):
    """In the order of registries.conf; a second use finds what was stored under the full name."""
    first, second = make_reg(), make_reg()
    second.image("app", "1")
    second.image("library/x", "latest")
    tare.file(".config/containers/registries.conf", f'unqualified-search-registries = ["{first.name}", "{second.name}"]\n'
              f'[aliases]\nx = "{second.name}/library/x"\n')
    tare("pull", "app:1")
    assert first.requests(status=404) and f"{second.name}/app" in tare("images").out
    tare("pull", "x")
    assert not first.requests("GET|HEAD", "library/x|/x/") and f"{second.name}/library/x" in tare("images").out
    tare.fails("pull", "nothing", says=[second.name, "no such image"])


def test_a_bad_mirror_is_told_once(tare, make_reg, ca):
    reg, mirror = make_reg(), make_reg(tls=ca.context("127.0.0.1"))      # an authority that nobody knows
    reg.image("a", "v1")
    conf = f'[[registry]]\nlocation = "{reg.name}"\n[[registry.mirror]]\nlocation = "{mirror.name}"\n'
    tare.file(".config/containers/registries.conf", conf)
    r = tare("pull", reg.name + "/a:v1")
    assert r.err.count(f"mirror {mirror.name}") == 1 and "certificate" in r.err and "registries.conf" in r.err
    tare.file(".config/containers/registries.conf", conf + "insecure = true\n")
    r = tare("pull", reg.name + "/a:v1")
    assert "passed over" not in r.err and mirror.requests("HEAD|GET", "/a/manifests/")


def test_trace_holds_no_secret(tare, served):
    """AUTH-41"""
    reg = served(Tokens(users={"joe": "s3cret"}))
    tare("login", "-u", "joe", "--password-stdin", "--trace-http", "trace", reg.name, input="s3cret")
    text = (tare.scratch / "trace").read_text()
    rows = [json.loads(l) for l in text.splitlines()]
    assert [r["status"] for r in rows if r["status"]] == [401, 200, 200]
    sent = [dict(r["headers"]).get("Authorization") for r in rows if r["status"]]
    assert sent == [None, "Basic ***", "Bearer ***"]
    for secret in ("s3cret", auth("joe", "s3cret"), *reg.auth.tokens, *reg.auth.refresh):
        assert secret not in text
    assert stat.S_IMODE((tare.scratch / "trace").stat().st_mode) == 0o600
    wait_for(lambda: len(reg.requests()) == 3)
