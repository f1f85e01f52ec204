# SPDX-License-Identifier: Apache-2.0
"""Cases RETRY: what is tried again, when, and how often. Names carry the case numbers."""
import email.utils
import time

import pytest

from regkit import big, many, ref
from test_reg_auth import stored


def date(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("value, waits", [
    (lambda: "1", 0.9), (lambda: date(2), 0.9), (lambda: date(-100), 0), (lambda: "abc", 0), (lambda: "-5", 0), (lambda: "", 0)],
    ids=["seconds", "date", "past", "letters", "negative", "empty"])
def test_retry_01_02_told_to_wait(tare, reg, value, waits):
    img = reg.image("a", "v1")
    reg.rule("GET|HEAD", "/manifests/", times=1, call=lambda req: None, status=429, headers={"Retry-After": value()})
    tare("pull", ref(reg, img))
    asked = reg.requests(path="/manifests/")
    assert asked[0].status == 429 and asked[1].status == 200
    assert asked[1].begin - asked[0].end >= waits


def test_retry_03_the_whole_host_waits(tare, reg):
    """One 429 holds back every request to that host, not only the one that got it."""
    img = reg.image("a", "v1", many(8))
    reg.rule("GET", "/blobs/", skip=1, times=1, status=429, headers={"Retry-After": "1"})
    reg.rule("GET", "/blobs/", delay=0.05)
    tare("pull", ref(reg, img))
    told = next(r for r in reg.requests(status=429))
    within = [r for r in reg.requests() if told.end + 0.1 < r.begin < told.end + 0.8]
    assert not within, within


def test_retry_04_told_to_wait_for_a_day(tare, reg):
    img = reg.image("a", "v1")
    reg.rule("GET|HEAD", "/manifests/", status=429, headers={"Retry-After": "86400"})
    r = tare.fails("pull", ref(reg, img), says=[reg.name, "429"])
    assert len(reg.requests(path="/manifests/")) == 1
    assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400)) in r.err or "24h" in r.err or "86400" in r.err


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_retry_07_once_in_a_while(tare, reg, status):
    img = reg.image("a", "v1")
    name = stored(tare, big(2000), f"{reg.name}/b:v1")
    for method in ("GET", "HEAD", "POST", "PUT"):
        reg.rule(method, "/v2/.", times=1, status=status)
    tare("pull", ref(reg, img))
    tare("push", name)
    assert reg.get("b", "v1") and len(reg.requests(status=status)) >= 3


@pytest.mark.parametrize("status", [501, 505, 400, 403, 404])
def test_retry_07_never(tare, reg, status):
    img = reg.image("a", "v1")
    rule = reg.rule("GET|HEAD", "/manifests/", status=status)
    tare.fails("pull", ref(reg, img), says=[reg.name, str(status) if status != 404 else "no such image"])
    assert rule.hits <= 2              # a HEAD's reason may be asked for by a GET
    name = stored(tare, big(2000), f"{reg.name}/b:v1")
    rule = reg.rule("POST", status=status)
    tare.fails("push", name, says=[reg.name, str(status)])
    assert rule.hits <= 2


def test_retry_07_bounded(tare, reg):
    img = reg.image("a", "v1")
    rule = reg.rule("GET|HEAD", "/manifests/", status=503)
    tare.fails("pull", ref(reg, img), says=[reg.name, "503"])
    assert 3 <= rule.hits <= 10
    times = [r.begin for r in reg.requests(path="/manifests/")]
    pauses = [b - a for a, b in zip(times, times[1:])]
    assert max(pauses) > 0.15, "back to back"


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_retry_08_idle_connection_is_gone(tare, reg, how):
    """The server closes a kept connection just as the next request is on its way."""
    img = reg.image("a", "v1", many(3))
    name = stored(tare, big(2000), f"{reg.name}/b:v1")
    first = {}
    kept = lambda req: first.setdefault(req.conn, req) is not req
    rules = [reg.rule(m, "/v2/.", where=kept, times=1, close=how) for m in ("GET", "POST", "HEAD")]
    tare("pull", ref(reg, img))
    tare("push", name)
    assert reg.get("b", "v1") and sum(r.hits for r in rules) >= 2


def test_retry_09_refused_then_up(tare, make_reg):
    reg = make_reg()
    img, port, name = reg.image("a", "v1"), reg.port, ref(reg, reg.image("a", "v1"))
    reg.listener.close()
    with tare.start("pull", name) as p:
        time.sleep(0.7)
        again = reg.server.listen(reg.handle, port=port)
        assert p.wait().code == 0, p.result()
    assert again.port == port and tare.inspect(name)["Id"] == img.config_digest


def test_retry_09_nobody_there(tare, make_reg):
    reg = make_reg()
    name = ref(reg, reg.image("a", "v1"))
    reg.listener.close()
    tare.fails("pull", name, says=reg.name)


def test_retry_10_unknown_host(tare):
    t0 = time.monotonic()
    r = tare.fails("pull", "no-such-host.invalid/a:v1", says="no-such-host.invalid")
    assert "resolve" in r.err.lower()
    assert r.err.lower().count("retry") <= 1


def test_retry_11_endless_error_body(tare, reg):
    from fakehttp import Response
    img = reg.image("a", "v1")
    reg.rule("GET", "/manifests/", call=lambda req: Response(403, [], (b"x" * 65536 for _ in range(1 << 16))))
    r = tare.fails("pull", ref(reg, img), says="403")
    assert len(r.err) < 5000 and max(q.bytes_out for q in reg.requests("GET")) < 16 << 20


def test_retry_12_all_errors_are_told(tare, reg):
    img = reg.image("a", "v1")
    body = (b'{"errors":[{"code":"DENIED","message":"no entry","detail":{"who":"you"}},'
            b'{"code":"TOOMANY","message":"come \\u001b[31mback","detail":[1]}]}')
    reg.rule("GET", "/manifests/", status=403, body=body, headers={"Content-Type": "application/json"})
    r = tare.fails("pull", ref(reg, img), says=["403", "DENIED", "no entry", "TOOMANY", "back"])
    assert "\x1b" not in r.err


@pytest.mark.parametrize("where", ["manifest", "blob", "head"])
def test_retry_13_dead_socket(tare, reg, where):
    """A server that goes silent is given up and asked again; no limit on the total."""
    img = reg.image("a", "v1", big(300000))
    tare.env_extra.update(TARE_HTTP_STALL="1s", TARE_HTTP_ANSWER="1s")
    if where == "head":
        reg.rule("GET|HEAD", "/manifests/", times=1, delay=3)
    else:
        reg.rule("GET", "/manifests/" if where == "manifest" else "/blobs/" + img.layer_digests[0], times=1, stall=100)
    tare("pull", ref(reg, img))
    assert tare.inspect(ref(reg, img))["Id"] == img.config_digest


def test_retry_14_slow_is_not_dead(tare, reg):
    img = reg.image("a", "v1", big(60000))
    tare.env_extra.update(TARE_HTTP_STALL="1s", TARE_HTTP_ANSWER="1s")
    rule = reg.rule("GET", "/blobs/" + img.layer_digests[0], drip=25000)
    tare("pull", ref(reg, img))
    assert rule.hits == 1


def test_retry_15_warning_is_told_once(tare, reg):
    img = reg.image("a", "v1", many(3))
    reg.rule(add=[("Warning", '299 - "this registry closes soon"')])
    r = tare("pull", ref(reg, img))
    assert r.err.count("this registry closes soon") == 1
