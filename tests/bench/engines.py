# SPDX-License-Identifier: Apache-2.0
"""tare and its peers behind one face: import a base, build, run. Each has private paths; only what was started here is ended."""
import os
import pathlib
import shutil
import signal
import subprocess
import time


def call(argv, env=None, cwd=None):
    """Run argv to its end; returns (seconds, peak RSS of the process tree that was waited for, in KiB)."""
    signal.alarm(900)                   # a hanging engine ends the whole benchmark
    start = time.monotonic()
    p = subprocess.Popen([os.fspath(a) for a in argv], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    out = p.stdout.read()
    _, status, usage = os.wait4(p.pid, 0)
    took = time.monotonic() - start
    p.returncode = os.waitstatus_to_exitcode(status)
    signal.alarm(0)
    if p.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {p.returncode}\n{out.decode(errors='replace')[-3000:]}")
    return took, usage.ru_maxrss


class Tare:
    name = "tare"

    def __init__(self, top, binary):
        self.binary = binary
        self.env = {**os.environ, "TARE_ROOT": str(top / "tare")}

    def tare(self, *args):
        return call([self.binary, *args], self.env)

    def load(self, tar, name):
        self.tare("import", tar, name)

    def build(self, ctx, cache=True, args=()):
        return self.tare("build", "--progress", "plain", *([] if cache else ["--no-cache"]), *args, "-t", "bench", ctx)

    def run(self, *words, network="none"):
        return self.tare("run", "--rm", "--network", network, *words)

    def daemon_memory(self):
        return 0

    def close(self):
        pass


class Docker:
    name = "docker"

    def __init__(self, top):
        self.top = top / "docker"
        self.top.mkdir()
        sock = self.top / "sock"
        self.env = {**os.environ, "DOCKER_HOST": f"unix://{sock}", "DOCKER_BUILDKIT": "1", "HOME": str(self.top)}
        self.log = open(self.top / "log", "wb")
        self.p = subprocess.Popen(["dockerd", "--data-root", self.top / "data", "--exec-root", self.top / "exec",
                                   "--pidfile", self.top / "pid", "-H", f"unix://{sock}", "--storage-driver", "overlay2"],
                                  stdout=self.log, stderr=self.log, start_new_session=True)
        for _ in range(600):
            if sock.exists():
                break
            if self.p.poll() is not None:
                raise RuntimeError((self.top / "log").read_text()[-2000:])
            time.sleep(0.1)

    def docker(self, *args):
        return call(["/usr/bin/docker", *args], self.env)

    def load(self, tar, name):
        self.docker("import", tar, name)

    def build(self, ctx, cache=True, args=()):
        return self.docker("build", "--progress", "plain", *([] if cache else ["--no-cache"]), *args, "-t", "bench", ctx)

    def run(self, *words, network="none"):
        return self.docker("run", "--rm", "--network", {"bridge": "bridge"}.get(network, network), *words)

    def daemon_memory(self):
        """Peak RSS of the daemons, KiB."""
        total = 0
        for d in pathlib.Path("/proc").iterdir():
            try:
                if d.name.isdigit() and str(self.top) in (d / "cmdline").read_text():
                    total += next(int(l.split()[1]) for l in (d / "status").read_text().splitlines() if l.startswith("VmHWM"))
            except (OSError, StopIteration):
                continue
        return total

    def close(self):
        self.p.terminate()
        try:
            self.p.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.p.pid, signal.SIGKILL)
            self.p.wait()
        self.log.close()
        for d in ("exec/netns/default", "data"):
            subprocess.run(["umount", "-l", self.top / d], capture_output=True)


class Podman:
    """podman, or buildah, which has the same storage and needs the same settings."""

    def __init__(self, top, name):
        self.name, self.top = name, top / name
        self.top.mkdir()
        conf = self.top / "containers.conf"
        conf.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
                        '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "none"\n')
        storage = self.top / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{self.top}/root"\nrunroot = "{self.top}/run"\n')
        self.env = {**os.environ, "CONTAINERS_CONF": str(conf), "CONTAINERS_STORAGE_CONF": str(storage),
                    "BUILDAH_ISOLATION": "oci", "BUILDAH_RUNTIME": "runc"}

    def load(self, tar, name):
        if self.name == "podman":
            call(["podman", "import", tar, name], self.env)
        else:
            script = f'set -e; c=$(buildah from scratch); buildah add $c "{tar}" / >/dev/null; buildah commit $c {name}; buildah rm $c'
            call(["sh", "-c", script], self.env)

    def build(self, ctx, cache=True, args=()):
        return call([self.name, "build", "--pull=never", *(["--layers"] if self.name == "buildah" else []),
                     *([] if cache else ["--no-cache"]), *args, "-t", "bench", ctx], self.env)

    def run(self, *words, network="none"):
        if self.name == "buildah":
            raise NotImplementedError
        return call(["podman", "run", "--rm", "--network", network, *words], self.env)

    def daemon_memory(self):
        return 0

    def close(self):
        subprocess.run(["umount", "-l", self.top / "root" / "overlay"], capture_output=True)


def start(names, top, binary):
    """The engines that are there and start; one that does not is named and left out."""
    engines = []
    for name in names:
        try:
            if name == "tare":
                engines.append(Tare(top, binary))
            elif name == "docker" and shutil.which("dockerd"):
                engines.append(Docker(top))
            elif name in ("podman", "buildah") and shutil.which(name):
                engines.append(Podman(top, name))
        except RuntimeError as e:
            print(f"{name} does not start here: {e}")
    return engines
