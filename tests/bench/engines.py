# SPDX-License-Identifier: Apache-2.0
"""
tare and its peers behind one face: import a base, build, run, clean up. Each has private paths.

Every call answers (seconds, peak KiB of the largest process), and raises Failed with the reason in one line. The caller
has put itself into namespaces of its own (run): whatever an engine leaves ends with them.
"""
import os
import pathlib
import shutil
import subprocess
import time

LIMIT = 240             # seconds: a call that takes longer has failed


class Failed(Exception):
    """An engine could not do it; the text is one line."""


class Cannot(Failed):
    """An engine has no such operation."""


def last_line(text):
    lines = [l.strip() for l in text.splitlines() if l.strip()]
    return lines[-1][:200] if lines else "no output"


class Engine:
    measure = None      # the program measure.c, set by start()
    env = None

    def call(self, *argv, limit=LIMIT):
        """Run argv to its end under measure.c."""
        p = subprocess.run([self.measure, str(limit), *map(os.fspath, argv)], env=self.env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        text, _, numbers = p.stdout.rstrip("\n").rpartition("\n")
        status, wall, _, _, peak = numbers.split()
        if status == "late":
            raise Failed(f"over {limit} s")
        if status != "0":
            raise Failed(f"exit {status}: {last_line(text)}")
        return int(wall) / 1e9, int(peak)

    def memory_begin(self):
        """Forget the daemons' peak so far."""

    def memory_end(self):
        """The daemons' peak since, KiB."""
        return 0

    def clean(self):
        """Give back the room that builds took."""

    def close(self):
        pass


class Tare(Engine):
    name = "tare"

    def __init__(self, top, binary):
        self.binary = binary
        self.env = {**os.environ, "TARE_ROOT": str(top / "tare")}

    def load(self, tar, name):
        self.call(self.binary, "import", tar, name)

    def build(self, ctx, cache=True):
        return self.call(self.binary, "build", "--progress", "plain", *([] if cache else ["--no-cache"]), "-t", "bench", ctx)

    def run(self, *words, network="none"):
        return self.call(self.binary, "run", "--rm", "--network", network, *words)

    def clean(self):
        self.call(self.binary, "rmi", "bench")
        self.call(self.binary, "gc")


class Docker(Engine):
    name = "docker"
    program = "/usr/bin/docker"

    def __init__(self, top):
        self.top = top / "docker"
        self.top.mkdir()
        sock = self.top / "sock"
        self.env = {**os.environ, "DOCKER_HOST": f"unix://{sock}", "DOCKER_BUILDKIT": "1", "HOME": str(self.top)}
        self.log = open(self.top / "log", "wb")
        self.p = subprocess.Popen(["/usr/sbin/dockerd", "--data-root", self.top / "data", "--exec-root", self.top / "exec",
                                   "--pidfile", self.top / "pid", "-H", f"unix://{sock}", "--storage-driver", "overlay2"],
                                  stdout=self.log, stderr=self.log, start_new_session=True)
        until = time.monotonic() + 60
        while not sock.exists():
            if self.p.poll() is not None or time.monotonic() > until:
                raise Failed(last_line((self.top / "log").read_text(errors="replace")))
            time.sleep(0.1)

    def load(self, tar, name):
        self.call(self.program, "import", tar, name)

    def build(self, ctx, cache=True):
        return self.call(self.program, "build", "--progress", "plain", *([] if cache else ["--no-cache"]), "-t", "bench", ctx)

    def run(self, *words, network="none"):
        return self.call(self.program, "run", "--rm", "--network", network, *words)

    def clean(self):
        self.call(self.program, "rmi", "-f", "bench")
        self.call(self.program, "builder", "prune", "-af")
        self.call(self.program, "image", "prune", "-f")

    def daemons(self):
        for d in pathlib.Path("/proc").iterdir():
            try:
                if d.name.isdigit() and str(self.top) in (d / "cmdline").read_text(errors="replace"):
                    yield d
            except OSError:
                continue

    def memory_begin(self):
        for d in self.daemons():
            try:
                (d / "clear_refs").write_text("5")      # resets VmHWM
            except OSError:
                continue

    def memory_end(self):
        total = 0
        for d in self.daemons():
            try:
                total += next(int(l.split()[1]) for l in (d / "status").read_text().splitlines() if l.startswith("VmHWM"))
            except (OSError, StopIteration):
                continue
        return total

    def close(self):
        self.p.terminate()
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()


class Podman(Engine):
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
            self.call("podman", "import", tar, name)
        else:
            script = 'set -e; c=$(buildah from scratch); buildah add $c "$1" / >/dev/null; buildah commit $c "$2"; buildah rm $c'
            self.call("sh", "-c", script, "sh", tar, name)

    def build(self, ctx, cache=True):
        return self.call(self.name, "build", "--pull=never", *(["--layers"] if self.name == "buildah" else []),
                         *([] if cache else ["--no-cache"]), "-t", "bench", ctx)

    def run(self, *words, network="none"):
        if self.name == "buildah":
            raise Cannot("buildah runs no images")
        return self.call("podman", "run", "--rm", "--network", network, *words)

    def clean(self):
        self.call(self.name, "rmi", "-f", "bench")
        self.call(self.name, *(["image", "prune", "-f"] if self.name == "podman" else ["rmi", "--prune"]))


def start(names, top, binary, measure):
    """The engines that are there and start; one that does not is named and left out."""
    Engine.measure = measure
    engines = []
    for name in names:
        try:
            if name == "tare":
                engines.append(Tare(top, binary))
            elif name == "docker" and os.access("/usr/sbin/dockerd", os.X_OK):
                engines.append(Docker(top))
            elif name in ("podman", "buildah") and shutil.which(name):
                engines.append(Podman(top, name))
            else:
                print(f"{name} is not installed")
        except (Failed, OSError) as e:
            print(f"{name} does not start here: {e}")
    return engines
