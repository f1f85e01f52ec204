# SPDX-License-Identifier: Apache-2.0
"""The store seen from outside: gc, df, why, and what a damaged or foreign store says."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

import storecheck

FILE = """FROM busybox AS tools
ARG VERSION=1
RUN echo $VERSION > /tool
FROM busybox
WORKDIR /app
COPY src src
COPY --from=tools /tool /tool
RUN cat src/* > all
"""
SRC = {"Dockerfile": FILE, "src/a.txt": "a", "src/b.txt": "b"}


def reasons(tare, *args):
    """Of the last build: {instruction: (state, reason)}."""
    return {s["name"].partition("] ")[2]: (s["state"], s["reason"]) for s in tare("why", "--json", *args).json()["steps"]}


def executed(tare):
    return {name: reason for name, (state, reason) in reasons(tare).items() if state == "executed"}


def du(path):
    return int(subprocess.run(["du", "-s", "--block-size=1", path], capture_output=True, check=True).stdout.split()[0])


# ---- why ----

def test_why_names_what_changed(tare, busybox):
    tare.fails("why", says="nothing was built")
    ctx = tare.context(SRC)
    tare.build(ctx)
    assert set(executed(tare).values()) == {"first build of this step"}
    tare.build(ctx)
    assert executed(tare) == {}
    copy, cat, tool = "COPY src src", "RUN cat src/* > all", "RUN echo $VERSION > /tool"

    def change(*args):
        tare.build(ctx, *args)
        return executed(tare)

    (ctx / "src" / "a.txt").write_text("changed")
    r = change()
    assert set(r) == {copy, "COPY --from=tools /tool /tool", cat} or set(r) == {copy, cat}
    assert "a.txt" in r[copy] and "contents changed" in r[copy] and "b.txt" not in r[copy]
    assert copy in r[cat]

    (ctx / "src" / "b.txt").chmod(0o755)
    r = change()[copy]
    assert "b.txt" in r and "644" in r and "755" in r

    os.utime(ctx / "src" / "a.txt", (1, 1))
    assert change() == {}, "times are in no key"

    (ctx / "src" / "c.txt").write_text("c")
    r = change()[copy]
    assert "c.txt" in r and "added" in r

    (ctx / "src" / "c.txt").unlink()
    tare.build(ctx)              # as it was before: cached
    assert executed(tare) == {}

    (ctx / "src" / "b.txt").unlink()
    (ctx / "src" / "b.txt").symlink_to("a.txt")
    assert "b.txt" in change()[copy]

    r = change("--build-arg", "VERSION=2")
    assert r[tool] == 'env VERSION was "1", is "2"' or "VERSION" in r[tool]

    (ctx / "Dockerfile").write_text(FILE.replace("cat src/*", "cat src/a.txt"))
    r = change("--build-arg", "VERSION=2")
    assert r["RUN cat src/a.txt > all"] == 'instruction was "RUN cat src/* > all", is "RUN cat src/a.txt > all"'

    (ctx / "Dockerfile").write_text(FILE.replace("COPY src src", "RUN echo new\nCOPY src src")
                                    .replace("cat src/*", "cat src/a.txt"))
    r = change("--build-arg", "VERSION=2")
    assert r["RUN echo new"] == "first build of this step"
    assert "RUN echo new" in r["RUN cat src/a.txt > all"]

    r = change("--build-arg", "VERSION=2", "--no-cache")
    assert "--no-cache" in r[copy] and "nothing differs" in r[copy]


def test_why_names_variables(tare, busybox):
    """A variable that alone changed is named: in a source, a destination, a flag, a here-document, WORKDIR, a mount."""
    file = """FROM busybox
ARG SRC=a
ARG DEST=/d
ARG OWNER=1
ARG TEXT=t
ARG DIR=w
COPY $SRC /source
COPY a $DEST/
COPY --chown=$OWNER a /owned
COPY <<E /text
$TEXT
E
WORKDIR /x/$DIR
RUN --mount=type=tmpfs,target=/$DIR true
"""
    ctx = tare.context({"Dockerfile": file, "a": "a", "b": "b"})
    for arg, step, was, new in (("SRC", "COPY $SRC /source", "a", "b"), ("DEST", "COPY a $DEST/", "/d", "/e"),
                                ("OWNER", "COPY --chown=$OWNER a /owned", "1", "2"), ("TEXT", "COPY <<E /text", "t", "u"),
                                ("DIR", "WORKDIR /x/$DIR", "w", "v")):
        tare.build(ctx)
        tare.build(ctx, "--build-arg", f"{arg}={new}")
        told = executed(tare)
        assert [r for s, r in told.items() if s.startswith(step)] == [f'variable {arg} was "{was}", is "{new}"'], told
    assert told["RUN --mount=type=tmpfs,target=/$DIR true"] == 'env DIR was "w", is "v"', told
    tare.build(ctx)
    tare.build(ctx, "--build-arg", "SOURCE_DATE_EPOCH=1000")
    assert "SOURCE_DATE_EPOCH is new" in executed(tare)["COPY $SRC /source"]


def test_why_names_the_base(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM base\nRUN echo x > /x\n"})
    tare("tag", "busybox", "base")
    tare.build(ctx)
    tare.build("FROM busybox\nRUN echo other > /other\n", "-t", "base")
    tare.build(ctx)
    assert executed(tare)["RUN echo x > /x"].startswith('base was "base sha256:')


def test_why_step_line_and_build(tare, busybox):
    first = tare.build(SRC)
    build = tare("why", "--json").json()["build"]
    tare.build("FROM busybox\nRUN echo\n")
    text = tare("why", "--build", build[:8], "Dockerfile:6").out
    assert "COPY src src" in text and "instruction: COPY src src" in text and "RUN" not in text
    number = tare("why", "--build", build, "--json", "Dockerfile:3").json()["steps"][0]["step"]
    assert "RUN echo $VERSION" in tare("why", "--build", build, str(number)).out
    tare.fails("why", "77", says="no step")
    tare.fails("why", "x", says="neither a step nor a line")
    tare.fails("why", "--build", "ffffffffffffffff", says="no build")
    assert first.image


def test_why_after_failure(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN echo one\nRUN exit 3\nRUN echo never\n"})
    tare.build(ctx, code=1)
    r = reasons(tare)
    assert r["RUN exit 3"][0] == "failed"
    (ctx / "Dockerfile").write_text("FROM busybox\nRUN echo one\nRUN exit 0\nRUN echo never\n")
    tare.build(ctx)
    r = reasons(tare)
    assert r["RUN echo one"][0] == "cached"
    assert 'was "RUN exit 3"' in r["RUN exit 0"][1]


def test_why_tells_no_secret(tare, busybox):
    (tare.scratch / "secret").write_text("xyzzy-secret")
    tare.build("FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s | wc -c > /n\n",
               "--secret", f"id=s,src={tare.scratch / 'secret'}", code=None)
    assert b"xyzzy-secret" not in b"".join(
        p.read_bytes() for p in pathlib.Path(tare.root).rglob("tare.db*") if p.is_file())


# ---- df ----

def test_df_is_du(tare, busybox):
    tare.build(SRC, "-t", "app")
    tare.build("FROM busybox\nRUN dd if=/dev/zero of=/big bs=1k count=3000 && ln /big /big2\n")
    d = tare("df", "--json", "-v").json()
    total = du(tare.root)
    assert abs(d["total"] - total) <= total / 100
    kinds = [v for v in d.values() if isinstance(v, dict)]
    assert sum(k["size"] for k in kinds) == d["total"]
    assert d["images"]["count"] == 3 and d["garbage"]["size"] == 0
    app = next(i for i in d["image_list"] if any("app" in n for n in i["names"]))
    assert app["size"] == app["shared"] + app["unique"] and app["shared"] > 0
    assert sum(l["size"] for l in d["layer_list"]) <= d["images"]["size"] + d["cache"]["size"]
    text = tare("df", "-v").out
    assert "app" in text and "Build cache" in text


# ---- gc ----

def test_gc_keeps_what_is_needed(tare, busybox):
    a = tare.build(SRC, "-t", "app")
    tare("gc")
    storecheck.check(tare.root, clean=True)
    tare.build(SRC, "-t", "app")
    assert executed(tare) == {}, "gc alone leaves the build cache"
    tare("gc", "--all")
    storecheck.check(tare.root, clean=True)
    r = tare.run("app", "cat", "/app/all", "/tool")
    assert r.out == "ab1\n"
    b = tare.build(SRC, "-t", "app")
    assert a.image == b.image
    assert "COPY src src" not in executed(tare), "layers of an image stay cached"


def test_gc_gives_back_what_df_says(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1k count=5000\n"})
    tare.build(ctx, "-t", "big")
    tare("rmi", "big")
    before, d = du(tare.root), tare("df", "--json").json()
    assert d["cache"]["reclaimable"] + d["garbage"]["size"] > 5000 * 1024
    assert "would free" in tare("gc", "--all", "-n").out
    assert abs(du(tare.root) - before) < 200_000, "a dry run removes nothing"
    assert "freed" in tare("gc", "--all").out
    assert before - du(tare.root) > 4500 * 1024
    storecheck.check(tare.root, clean=True)
    assert tare.build(ctx).image


def test_gc_limits(tare, busybox):
    for i in range(3):
        tare.build(f"FROM busybox\nRUN dd if=/dev/urandom of=/big bs=1k count=1000; echo {i}\n", "-t", "t")
    tare("rmi", "t")
    tare("gc", "--until", "1h")
    tare("gc", "--keep-storage", "100m")
    assert tare("df", "--json").json()["cache"]["size"] + tare("df", "--json").json()["images"]["size"] > 3000 * 1024
    tare("gc", "--all", "--keep-storage", "1500k")
    assert 1000 * 1024 <= tare("df", "--json").json()["cache"]["size"] <= 1500 * 1024
    storecheck.check(tare.root, clean=True)
    tare.fails("gc", "--until", "soon", says="not a duration")


def test_gc_spares_containers(tare, busybox):
    tare.build("FROM busybox\nRUN echo here > /here\n", "-t", "app")
    tare("run", "--name", "box", "--network", "none", "app", "true")
    tare("rmi", "-f", "app")
    tare("gc", "--all")
    storecheck.check(tare.root)
    assert tare("ps", "-a").out.count("\n") == 2
    tare("rm", "box")
    tare("gc", "--all")
    storecheck.check(tare.root, clean=True)
    assert "here" not in json.dumps(sorted(os.listdir(f"{tare.root}/layers")))


def test_gc_beside_a_build(tare, busybox):
    """What a running build has is not taken from it."""
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN echo one > /one\nRUN sleep 1; cat /one > /two\nRUN cat /two > /three\n"})
    with tare.start("build", "--progress", "plain", "-t", "app", ctx) as b:
        while b.p.poll() is None:
            tare("gc", "--all")
        assert b.wait().code == 0, b.result()
    assert tare.run("app", "cat", "/three").out == "one\n"
    storecheck.check(tare.root)


@pytest.mark.root
def test_ordinary_user(as_user, user, busybox_tar):
    """Files of subordinate ids are counted and removed, too."""
    tare = as_user(user)
    tare("import", busybox_tar, "busybox")
    tare.build("FROM busybox\nRUN dd if=/dev/zero of=/big bs=1k count=3000 && chown 1234:1234 /big && "
               "mkdir -m 700 /d && touch /d/f && chown -R 77 /d\n", "-t", "big")
    total = du(tare.root)
    assert abs(tare("df", "--json").json()["total"] - total) <= total / 100
    tare("rmi", "big")
    tare("gc", "--all")
    assert total - du(tare.root) > 2_500_000
    storecheck.check(tare.root, clean=True)
    with tare.start("run", "--network", "none", "busybox", "sh", "-c", "touch /x; chown 5 /x; echo up; sleep 99") as c:
        c.expect("up")
        c.stop(signal.SIGKILL)
    for name in tare("ps", "-aq").out.split():
        tare("rm", "-f", name)
    tare("gc")
    storecheck.check(tare.root, clean=True)


def test_cache_mounts(tare, busybox):
    tare.build("FROM busybox\nRUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/big bs=1k count=2000\n")
    total = du(tare.root)
    d = tare("df", "--json").json()
    assert d["mounts"]["count"] == 1 and d["mounts"]["reclaimable"] >= 2000 * 1024
    assert abs(d["total"] - total) <= total / 100
    tare("gc")
    assert tare("df", "--json").json()["mounts"]["count"] == 1
    assert "cache mounts" in tare("gc", "--all").out
    assert tare("df", "--json").json()["mounts"]["count"] == 0
    storecheck.check(tare.root, clean=True)
