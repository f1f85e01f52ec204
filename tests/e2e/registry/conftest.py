# SPDX-License-Identifier: Apache-2.0
"""
Fixtures for tests against registries:

    reg          a fakereg.Registry on a loopback port; make_reg(...): more of them, with switches
    tare         the program with a home directory of its own: no credential or setting of this machine reaches it
    ca           a certificate authority (fakeauth.CA) for the session
    served       served(tokens, ...): a registry with a token server
    island       a network of its own, where addresses can be public
"""
import ctypes
import json
import os
import pathlib
import subprocess
import threading

import pytest

import fakeauth
import fakereg
import harness

CLEAN = ("DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR",
         "CONTAINERS_REGISTRIES_CONF", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy",
         "no_proxy", "all_proxy", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")
FAST = {"TARE_HTTP_CONNECT": "5s", "TARE_HTTP_STALL": "5s", "TARE_HTTP_ANSWER": "20s"}
MOUNTED = 'n=$0; while [ "$n" -gt 0 ]; do mount --bind "$1" "$2" || exit 99; shift 2; n=$((n-1)); done; exec "$@"'


class Tare(harness.Tare):
    """Also: home (its HOME), config(...) writes ~/.docker/config.json, binds: {path on the host: file instead}."""
    binds = ()
    netns = None

    def argv(self, args):
        words = super().argv(args)
        if self.netns:
            words = ["nsenter", f"--net={self.netns}", *words]
        if self.binds:
            pairs = [os.fspath(x) for to, what in dict(self.binds).items() for x in (what, to)]
            words = ["unshare", "-m", "--propagation", "private", "sh", "-c", MOUNTED, str(len(pairs) // 2), *pairs, *words]
        return words

    @property
    def home(self):
        return pathlib.Path(self.env_extra["HOME"])

    def file(self, path, text):
        """Write a file below the home directory; a value that is no text becomes JSON."""
        p = self.home / path
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text if isinstance(text, str) else json.dumps(text))
        return p

    def config(self, **members):
        return self.file(".docker/config.json", members)

    def hosts(self, **names):
        """Host names that only this program knows: hosts(**{"r.test": "127.0.0.1"})."""
        f = self.file("hosts", "127.0.0.1 localhost\n::1 localhost\n"
                      + "".join(f"{a} {n}\n" for n, a in names.items()))
        self.binds = {**dict(self.binds), "/etc/hosts": f}


def isolated(binary, store, tmp):
    t = Tare(binary, store, scratch=tmp)
    home = tmp / "home"
    home.mkdir(exist_ok=True)
    t.env_extra.update({k: None for k in CLEAN}, HOME=home, **FAST)
    return t


@pytest.fixture
def tare(binary, store, tmp):
    return isolated(binary, store, tmp)


@pytest.fixture
def another(binary, tmp):
    """another(name): the program with another store and the same home."""
    return lambda name="second": isolated(binary, tmp / name, tmp)


@pytest.fixture
def make_reg():
    made = []

    def make(**kw):
        made.append(fakereg.Registry(**kw))
        return made[-1]
    yield make
    for r in made:
        r.close()


@pytest.fixture
def reg(make_reg):
    return make_reg()


@pytest.fixture(scope="session")
def ca(scratch):
    return fakeauth.CA(scratch / "ca")


@pytest.fixture
def served(make_reg):
    """served(tokens, **switches): a registry whose tokens come from its own server's second listener."""
    def make(tokens, **kw):
        r = make_reg(auth=tokens, **kw)
        r.tokens = r.server.listen(tokens.handle)
        tokens.realm = tokens.realm or r.tokens.url + "/token"
        return r
    return make


class Island:
    """A network namespace whose loopback link has these addresses; servers and the program can be put there."""

    def __init__(self, *addresses):
        script = "ip link set lo up && " + "".join(f"ip addr add {a} dev lo && " for a in addresses) + "echo up && exec sleep 600"
        self.p = subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdout=subprocess.PIPE)
        assert self.p.stdout.readline() == b"up\n"
        self.path = f"/proc/{self.p.pid}/ns/net"

    def listen(self, server, handler, host, **kw):
        """server.listen() in there."""
        out = []

        def work():
            with open(self.path) as f:
                assert ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0x40000000) == 0
            out.append(server.listen(handler, host, **kw))
        t = threading.Thread(target=work)      # only this thread moves
        t.start()
        t.join()
        return out[0]

    def close(self):
        self.p.kill()
        self.p.wait()
        self.p.stdout.close()


@pytest.fixture
def island(tare):
    if not harness.ROOT:
        pytest.skip("needs root to make a network")
    i = Island("203.0.113.5/32", "203.0.113.6/32", "10.7.7.7/32", "10.8.8.8/32", "169.254.169.254/32")
    tare.netns = i.path
    yield i
    i.close()
