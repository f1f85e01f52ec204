# SPDX-License-Identifier: Apache-2.0
"""
Another builder behind the same face: TARE_TEST_ORACLE=1 runs these tests on Debian's docker.io, started
on private paths, so that what they expect is known to be true of BuildKit. What its version (BuildKit of
2022) cannot do is skipped there by `beyond`.
"""
import json
import os
import pathlib
import subprocess

import harness
import image


class Daemon:
    def __init__(self, scratch):
        self.top = pathlib.Path(scratch) / "docker"
        self.top.mkdir()
        self.host = f"unix://{self.top}/sock"
        self.log = open(self.top / "log", "wb")
        self.p = subprocess.Popen(
            ["dockerd", "--data-root", self.top / "data", "--exec-root", self.top / "exec", "--pidfile",
             self.top / "pid", "-H", self.host, "--storage-driver", "overlay2"],
            stdout=self.log, stderr=self.log, start_new_session=True)
        harness.wait_for(lambda: (self.top / "sock").exists(), 60, "dockerd")

    def close(self):
        self.p.terminate()
        try:
            self.p.wait(30)
        except subprocess.TimeoutExpired:
            harness.kill_group(self.p)
            self.p.wait()
        self.log.close()
        for d in ("exec/netns/default", "data"):
            subprocess.run(["umount", "-l", self.top / d], capture_output=True)


class Docker:
    def __init__(self, daemon, scratch):
        self.daemon, self.scratch, self.n, self.user = daemon, pathlib.Path(scratch), 0, None

    def docker(self, *args, code=0, **kw):
        env = {**os.environ, "DOCKER_HOST": self.daemon.host, "DOCKER_BUILDKIT": "1", "HOME": str(self.scratch)}
        r = harness.run(["/usr/bin/docker", *args], env=env, **kw)
        if code is not None and r.code != code:
            raise harness.Failed(str(r))
        return r

    def import_base(self, tar, changes, name):
        words = []
        for line in changes:
            words += ["-c", line]
        self.docker("import", *words, tar, name)

    def context(self, files):
        self.n += 1
        return harness.write_tree(self.scratch / f"dctx{self.n}", files)

    def build(self, ctx, *args, code=0, **kw):
        if isinstance(ctx, str) and "\n" in ctx:
            ctx = {"Dockerfile": ctx}
        if isinstance(ctx, dict):
            ctx = self.context(ctx)
        for f in pathlib.Path(ctx).glob("Dockerfile*"):     # the frontend's own image is out of reach
            f.write_text(f.read_text().replace("# syntax=docker/dockerfile:1\n", ""))
        self.n += 1
        iid = self.scratch / f"diid{self.n}"
        r = self.docker("build", "--progress", "plain", "--iidfile", iid, *args, ctx, code=code, **kw)
        if iid.exists():
            r.image = iid.read_text().strip()
        return r

    def states(self, r):
        """{step name: "cached" or "done"} from plain progress."""
        names, state = {}, {}
        for line in r.both.splitlines():
            number, _, rest = line.partition(" ")
            if not number.startswith("#"):
                continue
            if rest.startswith("["):
                names[number] = rest
                state.setdefault(rest, "done")
            elif rest.startswith("CACHED"):
                state[names[number]] = "cached"
        return state

    def saved(self, name):
        self.n += 1
        path = self.scratch / f"dsave{self.n}.tar"
        self.docker("save", "-o", path, name)
        try:
            return image.Image(path)
        finally:
            path.unlink()

    def files(self, name):
        return self.saved(name).tree()

    def config(self, name):
        return json.loads(self.docker("inspect", name).out)[0]["Config"]

    def tag(self, name, other):
        self.docker("tag", name, other)

    def run(self, *args, **kw):
        return self.docker("run", "--rm", "--network", "none", *args, **kw)

    def start(self, *args):
        env = {**os.environ, "DOCKER_HOST": self.daemon.host, "HOME": str(self.scratch)}
        return harness.Background(["/usr/bin/docker", *args], env=env)
