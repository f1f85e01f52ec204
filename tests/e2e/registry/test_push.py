# SPDX-License-Identifier: Apache-2.0
"""tare push and copy with a real registry: what others then read there, and what a kill leaves."""
import pathlib
import signal

import archives
import harness
from peers import DockerRegistry
from regkit import big
from test_reg_auth import stored

MIB = 1 << 20


def test_real_registry(tare, tmp, another):
    """REAL-01, REAL-12: in parts and whole, read back by skopeo and by another store of ours."""
    with DockerRegistry(tmp / "reg") as reg:
        name = stored(tare, big(20 * MIB, 3000), f"{reg.name}/a/b:v1")
        out = tare("push", "--tls-verify=false", name).out
        digest = out.split("digest: ")[1].split()[0]
        r = harness.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"], check=True).json()
        assert r["Digest"] == digest == tare("digest", name).out.strip()
        other = another()
        other("pull", name)
        assert other.inspect(name)["Id"] == tare.inspect(name)["Id"]
        assert other.files(name)["big0"].data == tare.files(name)["big0"].data
        assert tare("push", name).out == out and tare("tags", f"{reg.name}/a/b").out == "v1\n"
        tare("push", "--compression", "zstd", name)
        again = another("third")
        again("pull", name)
        assert again.files(name)["big0"].data == tare.files(name)["big0"].data


def test_killed_push_goes_on(tare, reg):
    name = stored(tare, big(20 * MIB), f"{reg.name}/b:v1")
    rule = reg.rule("PATCH", skip=10, times=1, stall=0, delay=30)
    with tare.start("push", "--chunk", "1m", name) as p:
        harness.wait_for(lambda: rule.hits, what="ten parts")
        p.kill(signal.SIGKILL)
        p.wait()
    assert not reg.repo("b").tags
    assert list(pathlib.Path(tare.root, "work").glob("push-*"))
    reg.server.rules.clear()
    before = len(reg.requests())
    tare("push", "--chunk", "1m", name)
    sent = sum(r.bytes_in for r in reg.requests()[before:])
    assert sent < 12 * MIB, f"{sent} bytes were sent again"
    assert not list(pathlib.Path(tare.root, "work").glob("push-*"))
    assert reg.get("b", "v1")[1]["layers"]


def test_nothing_is_read_twice(tare, reg, tmp):
    """A second push of an unchanged image asks by HEAD and compresses nothing: the layers' files may even be gone."""
    name = stored(tare, archives.Img(archives.pack([("f", b"x" * 100000)])), f"{reg.name}/b:v1")
    tare("push", name)
    before = len(reg.requests())
    tare("push", name)
    assert {r.method for r in reg.requests()[before:] if "/blobs/" in r.target} == {"HEAD"}


def test_run_pulls(tare, reg):
    reg.image("a", "1")
    tare.fails("run", "--rm", "--pull", "never", "--network", "none", f"{reg.name}/a:1", "true", code=125, says="Unable to find")
    r = tare("create", "--network", "none", f"{reg.name}/a:1", "true")
    assert "Unable to find image" in r.err
    assert tare.inspect(f"{reg.name}/a:1")["Id"]
