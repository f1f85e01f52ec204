# SPDX-License-Identifier: Apache-2.0
"""Applications as people package them: FastAPI, Node, C, Go, pip, apt."""
import signal
import urllib.error
import urllib.request

import pytest

from harness import free_port, wait_for

pytestmark = pytest.mark.network
MINUTES = 600


def fetch(url):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as r:
            return r.status, r.read().decode(), r.headers
    except (urllib.error.URLError, ConnectionError):
        return None


def ran(states, text):
    """The state of the one step whose name holds the text."""
    found = [s for name, s in states.items() if text in name]
    assert len(found) == 1, (text, states)
    return found[0]


def progress(world):
    return [] if hasattr(world, "docker") else ["--progress", "json"]


def serve(world, image, port, path):
    """Start the image's own command on a loopback port; return the answer to the first request it takes."""
    with world.start("run", "--rm", "--network", "host", "-e", f"PORT={port}", image) as c:
        answer = wait_for(lambda: fetch(f"http://127.0.0.1:{port}{path}") or c.p.poll() is not None, 60,
                          f"an answer on port {port}")
        assert answer is not True, c.result()
        ended = c.stop(signal.SIGTERM)
    return answer, ended


def test_fastapi(world, need, context):
    need("python:3.11-slim")
    ctx = context("fastapi")
    r = world.build(ctx, "-t", "api", *progress(world), timeout=MINUTES)
    config = world.config("api")
    assert config["Cmd"][0] == "sh" and config["WorkingDir"] == "/app"
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    assert config["Healthcheck"]["Interval"] == 30_000_000_000 and config["Healthcheck"]["Test"][0] == "CMD-SHELL"
    listing = world.run("api", "ls", "-A", "/app").out.split()
    assert sorted(listing) == [".dockerignore", "Dockerfile", "main.py", "requirements.txt"]
    assert world.run("api", "sh", "-c", "psql --version && ls /var/lib/apt/lists | wc -l").out.split("\n")[1] == "0"

    answer, ended = serve(world, "api", free_port(), "/health")
    assert answer[:2] == (200, '{"status":"ok"}')
    assert ended.code in (0, 143), ended

    # Editing the program rebuilds the last COPY and nothing else.
    main = ctx / "main.py"
    main.write_text(main.read_text().replace('"ok"', '"better"'))
    again = world.build(ctx, "-t", "api", *progress(world), timeout=MINUTES)
    states = world.states(again)
    for step in ("WORKDIR /app", "RUN apt-get", "COPY requirements.txt", "RUN pip"):
        assert ran(states, step) == "cached", states
    assert ran(states, "COPY . .") == "done"
    before, after = world.saved(r.image).diff_ids, world.saved(again.image).diff_ids
    assert before[:-1] == after[:-1] and before[-1] != after[-1]
    assert serve(world, "api", free_port(), "/health")[0][1] == '{"status":"better"}'

    # Rebuilding the same is all from cache, and the same image.
    same = world.build(ctx, *progress(world), timeout=MINUTES)
    assert {s for n, s in world.states(same).items() if any(w in n for w in ("RUN", "COPY", "WORKDIR"))} == {"cached"}
    assert same.image == again.image


def test_node_in_two_stages(world, need, context):
    need("node:18-alpine")
    ctx = context("node")
    r = world.build(ctx, "-t", "page", timeout=MINUTES)
    files = world.files(r.image)
    assert files["app/dist/index.html"].text == "<h1>Built in a container</h1>\n<p>It <em>works</em>.</p>\n"
    assert files["app/dist/max-age"].text == "86400"
    assert "app/node_modules" not in files and "app/page.md" not in files
    (status, body, headers), ended = serve(world, "page", free_port(), "/")
    assert status == 200 and "It <em>works</em>" in body and headers["Cache-Control"] == "max-age=86400"
    assert ended.code == 0, ended

    # A change of the page leaves `npm ci` alone.
    (ctx / "page.md").write_text("# Other\n")
    states = world.states(world.build(ctx, *progress(world), timeout=MINUTES))
    assert ran(states, "RUN npm ci") == "cached" and ran(states, "RUN npm run build") == "done"


def test_c_program_into_scratch(world, need, context):
    need("gcc:12")
    r = world.build(context("c-scratch"), timeout=MINUTES)
    image = world.saved(r.image).check()
    tree = image.tree()
    assert sorted(p for p in tree if p) == ["bin", "bin/hello"]
    assert tree["bin/hello"].mode == 0o755 and tree["bin/hello"].owner == (0, 0)
    assert len(image.layers) == 1 and len(image.history) == 4
    assert world.run(r.image).out == "hello, world\n"
    said = world.run("-e", "GREETING=bye", r.image, "you", code=0)
    assert said.out == "bye, you\n"
    assert world.run(r.image, "a", "b", code=1).out == "hello, a\n"


def test_go_program_into_scratch(world, need, context):
    need("golang:1.19")
    r = world.build(context("go-scratch"), "--build-arg", "VERSION=1.2.3", timeout=MINUTES)
    tree = world.files(r.image)
    assert {p for p in tree if tree[p].type == "file"} == {
        "bin/count", "vetted", "etc/ssl/certs/ca-certificates.crt"}
    assert world.run(r.image).out == "1.2.3 65532 3\n"


def test_users(world, need, context):
    need("debian:bookworm-slim")
    r = world.build(context("users"), timeout=MINUTES)
    tree = world.files(r.image)
    deep = "home/app/work/deep"
    assert tree["before"].owner == (0, 0)
    assert tree["home/app/work"].owner == tree[deep].owner == (1500, 2000)
    assert tree[deep + "/id"].text == "uid=1500(app) gid=2000(team) groups=2000(team),29(audio)\nteam\n0022\n/home/app\n"
    owners = {n: tree[f"{deep}/{n}"].owner for n in ("named", "primary", "number", "grouponly", "pair", "plain")}
    assert owners == {"named": (1500, 2000), "primary": (1500, 2000), "number": (1234, 1234),
                      "grouponly": (0, 29), "pair": (77, 88), "plain": (0, 0)}
    assert tree["stat"].text.splitlines() == ["root:root /before", "app:team .", "app:team named"]
    assert tree["tmp/unknown"].text == "uid=4242 gid=0(root) groups=0(root)\n"
    assert world.run(r.image, "id").out == "uid=1500(app) gid=29(audio) groups=29(audio)\n"


def test_setcap_survives_copy(world, need, context):
    need("gcc:12")
    r = world.build(context("setcap"), timeout=MINUTES)
    tree = world.files(r.image)
    assert "security.capability" in tree["bin/caps"].xattrs
    assert not tree["bin/plain"].xattrs
    assert world.run(r.image).out == "1000 CapEff:\t0000000000000400\n"
    assert world.run(r.image, "plain").out == "1000 CapEff:\t0000000000000000\n"


def test_apt_with_comments_in_a_command(world, need, context):
    need("debian:bookworm-slim")
    r = world.build(context("apt"), timeout=MINUTES)
    tree = world.files(r.image)
    assert tree["status"].text == "install ok installed\n" and tree["lists"].text == ""


def test_pip_packages_from_a_build_stage(world, need, context):
    need("python:3.11-slim")
    r = world.build(context("venv"), timeout=MINUTES)
    assert world.run(r.image).out == "six 1.16.0 works\n"
