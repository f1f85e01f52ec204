# SPDX-License-Identifier: Apache-2.0
"""Whoever answers from far away may not lead us to addresses that are nearer: AUTH-17, BLOB-19, PUSH-05."""
import pytest

from fakeauth import Tokens
from fakehttp import Response
from regkit import auth, big, ref
from test_reg_auth import stored

PUBLIC, PUBLIC2, PRIVATE, PRIVATE2, LINK, LOOP = "203.0.113.5", "203.0.113.6", "10.7.7.7", "10.8.8.8", "169.254.169.254", "127.0.0.1"
# from, to, allowed
WAYS = [(PUBLIC, LOOP, False), (PUBLIC, LINK, False), (PUBLIC, PRIVATE, False), (PUBLIC, PUBLIC2, True), (PRIVATE, LOOP, False),
        (PRIVATE, LINK, False), (PRIVATE, PRIVATE2, True), (PRIVATE, PUBLIC, True), (LOOP, PUBLIC, True), (LOOP, PRIVATE, True)]
NAMES = {PUBLIC: "far.test", PUBLIC2: "far2.test", PRIVATE: "office.test", PRIVATE2: "office2.test", LINK: "link.test", LOOP: "loop.test"}


@pytest.fixture
def world(tare, island, make_reg):
    """world(from, to): a registry there, and a listener at the other place that hands everything to the registry."""
    def make(here, there, tokens=None):
        tare.hosts(**{n: a for a, n in NAMES.items()})
        reg = make_reg(auth=tokens)
        reg.front, reg.other = (island.listen(reg.server, reg.handle, a) for a in (here, there))
        reg.at = f"{NAMES[here]}:{reg.front.port}" if here != LOOP else reg.front.name
        reg.image("a", "v1")
        return reg
    return make


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("here, there, allowed", WAYS)
def test_blob_19_redirects(tare, world, here, there, allowed, named):
    reg = world(here, there)
    to = f"{NAMES[there]}:{reg.other.port}" if named else reg.other.name
    reg.rule("GET", "/blobs/", port=reg.front.port, call=lambda q: Response(307, [("Location", f"http://{to}{q.target}")]))
    r = tare("pull", "--tls-verify=false", f"{reg.at}/a:v1", code=0 if allowed else 1)
    assert bool(reg.requests(port=reg.other.port)) == allowed, r


@pytest.mark.parametrize("here, there, allowed", WAYS)
def test_auth_17_realms(tare, world, here, there, allowed):
    t = Tokens({"u": "p"}, anonymous="")
    reg = world(here, there, t)
    t.realm = f"http://{reg.other.name}/token"
    reg.other.handler = t.handle
    tare.config(auths={reg.at: {"auth": auth("u", "p")}})
    r = tare("pull", "--tls-verify=false", f"{reg.at}/a:v1", code=0 if allowed else 1)
    assert bool(reg.requests(port=reg.other.port)) == allowed, r


@pytest.mark.parametrize("here, there, allowed", WAYS)
def test_push_05_locations(tare, world, here, there, allowed):
    reg = world(here, there)
    reg.rule("POST", "/uploads/", edit=lambda q, r: r.set("Location", r.get("location").replace(q.host, reg.other.name)))
    tare("push", "--tls-verify=false", stored(tare, big(2000), f"{reg.at}/b:v1"), code=0 if allowed else 1)
    assert bool(reg.requests(port=reg.other.port)) == allowed
