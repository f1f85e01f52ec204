# SPDX-License-Identifier: Apache-2.0
"""Services as people run them: PostgreSQL, Redis and an application, nginx; a shell in one; many at once."""
import json
import os
import re
import subprocess
import urllib.error
import urllib.request

import pytest

from harness import TOP, Terminal, free_port, run, wait_for

pytestmark = [pytest.mark.network, pytest.mark.beyond]
MINUTES = 600
DATA = "/var/lib/postgresql/data"


@pytest.fixture
def image(world, need, context):
    """image("redis"): build contexts/redis under that name, once in all."""
    def build(*names):
        for name in names:
            if name != "hits":
                need("debian:bookworm-slim")
            if name not in world.bases:
                world.build(context(name), "-t", name, timeout=MINUTES)
                world.bases.add(name)
        return names[0]
    return build


@pytest.fixture
def clean(world):
    """Every container, network and volume is removed at the end."""
    yield
    left = world("ps", "-aq", "--no-trunc").out.split()
    if left:
        world("rm", "-f", "-v", *left)
    world("network", "prune", "-f")
    world("volume", "prune", "-a", "-f")


def fetch(host, port, path="/"):
    """What a web server answers with, None while it does not."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{host}:{port}{path}", timeout=10) as r:
            return r.read().decode()
    except (urllib.error.URLError, ConnectionError):
        return None


def served(world, name, host, port, path="/"):
    return wait_for(lambda: fetch(host, port, path), 30, f"an answer of {name}")


def own_address():
    """An address of this machine that is neither loopback nor a network of ours; None if it has none."""
    links = json.loads(run(["ip", "-4", "-j", "addr"], check=True).out)
    found = [a["local"] for l in links if l["operstate"] == "UP" and not l["ifname"].startswith(("lo", "tare"))
             for a in l["addr_info"]]
    return found[0] if found else None


def postgres(world, port, *options):
    world("run", "-d", "--name", "db", "-v", f"pgdata:{DATA}", "-e", "POSTGRES_PASSWORD=secret",
          "-p", f"127.0.0.1:{port}:5432", *options, "postgres")
    assert world("wait", "--condition", "healthy", "db").out == "healthy\n"


def psql(port, sql):
    """As a client on the host, through the published port."""
    env = {**os.environ, "PGPASSWORD": "secret"}
    return run(["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-Atc", sql], env=env, check=True).out


def test_postgresql_keeps_its_volume(world, image, clean):
    image("postgres")
    world("volume", "create", "pgdata")
    port = free_port()
    postgres(world, port)
    assert world.inspect("db")["State"]["Health"]["Status"] == "healthy"
    assert world("logs", "db").both.count(f"initialising {DATA}") == 1
    assert world("exec", "db", "stat", "-c", "%U %a", DATA).out == "postgres 700\n"
    world("exec", "db", "psql", "-c", "create table notes(text text)")
    psql(port, "insert into notes values ('kept'), ('too')")
    assert world("exec", "db", "psql", "-Atc", "select text from notes").out == "kept\ntoo\n"

    # SIGINT, the image's stop signal, is a fast and clean shutdown.
    world("stop", "db", timeout=60)
    assert world.inspect("db")["State"]["ExitCode"] == 0
    assert "database system is shut down" in world("logs", "db").both
    world("rm", "db")

    postgres(world, port)
    assert "initialising" not in world("logs", "db").both
    assert psql(port, "select string_agg(text, '+') from notes") == "kept+too\n"

    # A crash of the whole container loses nothing that was committed.
    psql(port, "insert into notes values ('at last')")
    world("kill", "db")
    assert world("wait", "db").out == "137\n"
    world("start", "db")
    world("wait", "--condition", "healthy", "db")
    assert psql(port, "select count(*) from notes") == "3\n"
    assert "automatic recovery" in world("logs", "db").both

    world("rm", "-f", "db")
    world("volume", "rm", "pgdata")
    postgres(world, port)
    assert f"initialising {DATA}" in world("logs", "db").both
    assert psql(port, "select count(*) from pg_tables where tablename = 'notes'") == "0\n"


def test_application_reaches_redis_by_name(world, image, clean):
    image("redis", "hits")
    port = free_port()
    world("network", "create", "back")
    world("run", "-d", "--name", "redis", "--network", "back", "redis")
    world("run", "-d", "--name", "hits", "--network", "back", "-p", f"127.0.0.1:{port}:8000", "hits")
    world("wait", "--condition", "healthy", "redis")
    served(world, "hits", "127.0.0.1", port, "/cgi-bin/hits")
    world("exec", "redis", "redis-cli", "set", "hits", "41")
    assert fetch("127.0.0.1", port, "/cgi-bin/hits") == "hit 42\n"

    # Another address under the same name: the application finds it again.
    world("rm", "-f", "-v", "redis")
    world("run", "-d", "--network", "back", "--name", "taker", "busybox", "sleep", "1000")
    world("run", "-d", "--name", "store", "--network", "back", "--network-alias", "redis", "redis")
    world("wait", "--condition", "healthy", "store")
    assert fetch("127.0.0.1", port, "/cgi-bin/hits") == "hit 1\n"


def test_nginx_is_published(world, image, clean):
    image("nginx")
    page = "<h1>nginx in a container</h1>\n"
    port = free_port()
    world("network", "create", "front")
    world("run", "-d", "--name", "web", "--network", "front", "-p", f"{port}:80", "nginx")
    assert served(world, "nginx", "127.0.0.1", port) == page
    own = own_address()
    assert own is None or fetch(own, port) == page
    gateway = world.inspect("web")["NetworkSettings"]["Networks"]["front"]["Gateway"]
    assert fetch(gateway, port) == page

    # From a neighbour: by name, and through the host's port; from the default network through the port alone.
    for host in ["web:80", f"{gateway}:{port}"] + ([f"{own}:{port}"] if own else []):
        assert world("run", "--rm", "--network", "front", "busybox", "wget", "-qO-", f"http://{host}/").out == page
    assert world("run", "--rm", "busybox", "wget", "-qO-", f"http://{own or gateway}:{port}/").out == page
    assert world("logs", "web").out.count('"GET / HTTP/1.1" 200') >= 5
    assert world("port", "web").out.splitlines()[0] == f"80/tcp -> 0.0.0.0:{port}"

    world("stop", "web", timeout=60)
    assert world.inspect("web")["State"]["ExitCode"] == 0
    assert fetch("127.0.0.1", port) is None


class Tmux:
    """A terminal multiplexer with one window, of a server of its own."""

    def __init__(self, world, tmp, command):
        self.call = ["tmux", "-S", str(tmp / "tmux"), "-f", "/dev/null"]
        self.env = world.env({"TERM": "xterm-256color", "SHELL": "/bin/sh", "TMUX": None})
        self("new-session", "-d", "-x", "80", "-y", "24", command)

    def __call__(self, *words):
        return run([*self.call, *words], env=self.env, check=True).out

    def keys(self, *keys):
        self("send-keys", *keys)

    def shows(self, pattern):
        def look():
            return re.search(pattern, self("capture-pane", "-p"), re.M)
        return wait_for(look, 20, f"{pattern!r} on the screen")

    def close(self):
        subprocess.run([*self.call, "kill-server"], env=self.env, capture_output=True, timeout=20)


def test_shell_in_tmux(world, image, clean, tmp):
    image("nginx")
    world("run", "-d", "--name", "web", "--hostname", "web", "nginx")
    tmux = Tmux(world, tmp, f"{world.binary} exec -it web bash; echo ended with $?; sleep 1000")
    try:
        tmux.shows(r"^root@web:/# *$")
        tmux.keys("echo $((6 * 7)) of $(hostname)", "Enter")
        tmux.shows(r"^42 of web$")
        tmux.keys("stty size", "Enter")
        tmux.shows(r"^24 80$")
        tmux("resize-window", "-x", "101", "-y", "31")
        tmux.keys("clear; stty size; echo $COLUMNS", "Enter")
        tmux.shows(r"^31 101\n101$")
        tmux.keys("clear; sleep 1000", "Enter")
        tmux.keys("C-c")
        tmux.shows(r"\^C\n+root@web:/# *$")
        tmux.keys("clear; tty; exit 7", "Enter")
        tmux.shows(r"^/dev/pts/\d+\n(.*\n)*ended with 7$")
    finally:
        tmux.close()
    assert world.inspect("web")["State"]["Running"] is True


def test_redis_out_of_memory(world, image, clean):
    image("redis")
    world("run", "-d", "--name", "small", "--memory", "40m", "--memory-swap", "40m", "redis")
    world("wait", "--condition", "healthy", "small")
    fill = "for i = 1, 1e6 do redis.call('set', i, string.rep('x', 1000)) end"
    assert world("exec", "small", "redis-cli", "eval", fill, "0", code=None).code != 0
    assert world("wait", "small").out == "137\n"
    state = world.inspect("small")["State"]
    assert (state["OOMKilled"], state["ExitCode"], state["Status"]) == (True, 137, "exited")
    assert '"oom"' in world("events", "--since", "0", "--until", "0s", "--filter", "container=small",
                            "--format", "json").out.replace(" ", "")

    world("start", "small")
    world("wait", "--condition", "healthy", "small")
    assert world.inspect("small")["State"]["OOMKilled"] is False


def test_fifty_at_once(world, clean):
    world("network", "create", "many")
    at_once = [world.start("run", "-d", "--name", f"c{i}", "--network", "many", "busybox", "sleep", "1000") for i in range(50)]
    for r in [c.wait() for c in at_once]:
        assert r.code == 0, r
    containers = world("inspect", *[f"c{i}" for i in range(50)]).json()
    assert all(c["State"]["Running"] for c in containers)
    assert len({c["NetworkSettings"]["Networks"]["many"]["IPAddress"] for c in containers}) == 50
    names = "for i in $(seq 0 49); do nslookup c$i >/dev/null || echo no c$i; done; ping -c 1 -W 5 c0 >/dev/null && echo up"
    assert world("exec", "c49", "sh", "-c", names).out == "up\n"
    assert len(world("rm", "-f", *[f"c{i}" for i in range(50)]).out.split()) == 50
    assert world("ps", "-aq").out == "" and world("df", "--json").json()["containers"]["count"] == 0
    world("network", "rm", "many")


def test_services_of_the_readme(world, image, clean, tmp):
    """The commands of the README's section Services, as they stand there but for free ports."""
    image("postgres", "redis", "hits")
    block = (TOP / "README.md").read_text().split("## Services\n")[1].split("```")[1]
    commands = "\n".join(l.removeprefix("$ ") for l in block.strip().splitlines())
    assert commands.count("tare ") >= 5
    ports = {"8080": str(free_port()), "5433": str(free_port())}
    assert all(commands.count(port) == 2 for port in ports)
    commands = re.sub("|".join(ports), lambda m: ports[m.group()], commands)
    env = world.env({"PATH": f"{os.path.dirname(world.binary)}:{os.environ['PATH']}", "TERM": "xterm", "PGPASSWORD": "secret"})
    with Terminal(["sh", "-exc", commands], env=env, cwd=tmp) as t:
        assert t.wait(60) == 0, t
        assert re.search(rb"healthy.*healthy.*PostgreSQL 15.*hit 1\r\n.*\(integer\) 2\r\n", t.output, re.S), t
