# SPDX-License-Identifier: Apache-2.0
"""Networks of containers and RUN steps: what is inside, the way out, what is left on the host."""
import contextlib
import http.server
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from harness import wait_for

root = pytest.mark.root
# Debian's static busybox has a wget that crashes without the C library's name service files: nc speaks HTTP.
GET = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {} {}"
GET_GATEWAY = GET.format("$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')", "{}")
GATEWAY = r"10\.20[0-7]\.\d+\.1"


@pytest.fixture
def web():
    """A web server on all addresses of the host; the fixture's value is its port."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"hello {self.client_address[0]}\n".encode())

        def log_message(self, *a):
            pass

    with http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler) as s:
        threading.Thread(target=s.serve_forever, daemon=True).start()
        yield s.server_address[1]
        s.shutdown()


def host_links():
    return set(os.listdir("/sys/class/net"))


def host_link(index):
    """The name of the host's link with this index, or None."""
    for d in pathlib.Path("/sys/class/net").iterdir():
        with contextlib.suppress(OSError):
            if (d / "ifindex").read_text().strip() == str(index):
                return d.name
    return None


def our_links():
    return {l for l in host_links() if l.startswith("tare")}


def links_inside(text):
    return set(re.findall(r"^\d+: ([^:@]+)", text, re.M))


def test_none_has_only_loopback(tare, busybox):
    """net-018"""
    r = tare("run", "--rm", "--network", "none", busybox, "ip", "addr")
    assert links_inside(r.out) == {"lo"} and "inet 127.0.0.1/8" in r.out and "UP" in r.out
    r = tare("run", "--rm", "--network", "none", busybox, "nc", "-w", "2", "192.0.2.1", "80", code=1)
    assert "unreachable" in r.err


@root
def test_bridge_is_the_default(tare, busybox, web):
    r = tare("run", "--rm", busybox, "sh", "-c",
             "ip addr; ip route; cat /etc/hosts; " + GET_GATEWAY.format(web))
    assert links_inside(r.out) == {"lo", "eth0"}
    assert re.search(rf"default via {GATEWAY} dev eth0", r.out)
    own = re.search(r"inet (10\.\S+)/24", r.out).group(1)
    assert f"hello {own}\n" in r.out
    assert re.search(rf"^{re.escape(own)}\t[0-9a-f]{{12}}$", r.out, re.M)
    assert "inet6" not in r.out.split("eth0")[1]


@root
def test_host_network(tare, busybox, web):
    r = tare("run", "--rm", "--network", "host", busybox, "sh", "-c",
             "ip link; " + GET.format("127.0.0.1", web))
    assert links_inside(r.out) >= host_links() - our_links()
    assert "hello 127.0.0.1" in r.out


@root
def test_ports_and_ping_for_ordinary_users(tare, busybox):
    """cap-005"""
    r = tare("run", "--rm", "--user", "1000:1000", busybox, "cat",
             "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/net/ipv4/ping_group_range")
    assert r.out.split() == ["0", "0", "2147483647"]


@root
def test_name_servers_and_hosts(tare, busybox):
    """net-033, net-035"""
    r = tare("run", "--rm", "--dns", "192.0.2.53", "--dns-search", "mydomain", "--dns-option", "ndots:9",
             "--add-host", "extra:86.75.30.9", busybox, "cat", "/etc/resolv.conf", "/etc/hosts")
    assert r.out.startswith("nameserver 192.0.2.53\nsearch mydomain\noptions ndots:9\n")
    assert "86.75.30.9\textra\n" in r.out
    tare.fails("run", "--rm", "--add-host", "extra", busybox, "true", code=125, says=["extra", "NAME:ADDRESS"])


@root
def test_steps_reach_the_network(tare, busybox, web):
    ask = GET_GATEWAY.format(web)
    r = tare.build(f"FROM {busybox}\nRUN {ask} | grep -q hello && ip addr show eth0 >/1\n"
                   f"RUN {ask} >/2\nRUN --network=none ! ip addr show eth0\n")
    files = tare.files(r.image)
    assert b"eth0" in files["1"].data and b"hello 10." in files["2"].data
    assert "etc/resolv.conf" not in files


@root
def test_containers_side_by_side(tare, busybox):
    """Each has an address of its own, and reaches the others."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(tare.start("run", "--rm", "--init", busybox, "sh", "-c",
                   "echo end $(cat /sys/class/net/eth0/iflink); ip addr show eth0; mkdir /www; echo answer >/www/index.html; exec httpd -f -p 80 -h /www"))
                   for _ in range(3)]
        for s in servers:
            s.expect("/24 ")
        own = [re.search(r"inet (10\.\S+)/24", s.out).group(1) for s in servers]
        ends = [re.search(r"end (\d+)", s.out).group(1) for s in servers]
        assert len(set(own)) == 3 and all(host_link(i) for i in ends)
        get = GET.format("$i", 80)
        r = tare("run", "--rm", busybox, "sh", "-c", f"for i in {' '.join(own)}; do n=0; "
                 f"until {get} | grep answer; do sleep 0.1; n=$((n+1)); [ $n -lt 50 ] || exit 1; done; done")
        assert r.out == "answer\n" * 3
        for s in servers:
            s.stop()
    wait_for(lambda: not any(host_link(i) for i in ends), what="the links to go")


def tables():
    return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout


@root
def test_killed(tare, busybox):
    """kill -9 of the monitor takes the container, its link and the table along; the next command takes the bridge."""
    cid = tare("run", "-d", busybox, "sh", "-c", "cat /sys/class/net/eth0/iflink; exec sleep 1000").out.strip()
    end = wait_for(lambda: tare("logs", cid).out.strip())
    pid = tare.inspect(cid)["State"]["Pid"]
    assert host_link(end).startswith("tarev")
    assert f"tare-{cid[:12]}" in tables()
    monitor = int(re.search(r"^PPid:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1))
    os.kill(monitor, signal.SIGKILL)
    wait_for(lambda: f"tare-{cid[:12]}" not in tables(), what="the table to go")
    wait_for(lambda: not host_link(end), what="the link to go")
    assert tare("ps", "-a", "--format", "{{.State}}").out == "exited\n"
    tare("rm", cid)
    tare("run", "--rm", busybox, "true")        # sweeps; what is left is seen at the end of these tests


@pytest.mark.parametrize("which", ["user", "user_single"])
def test_ordinary_user(which, request, as_user, busybox_tar, web):
    t = as_user(request.getfixturevalue(which))
    t("import", busybox_tar, "busybox")
    r = t("run", "--rm", "busybox", "sh", "-c", "ip link; " + GET.format("127.0.0.1", web))
    assert "hello 127.0.0.1" in r.out and "host's network" in r.err
    r = t("run", "--rm", "--network", "host", "busybox", "true")
    assert r.err == ""
    r = t("run", "--rm", "--network", "none", "busybox", "ip", "addr")
    assert links_inside(r.out) == {"lo"} and "inet 127.0.0.1/8" in r.out and r.err == ""
    t.fails("run", "--rm", "--network", "bridge", "busybox", "true", code=125, says=["root", "hint:"])
    r = t.build("FROM busybox\nRUN ip link >/links\nRUN --network=none ip link >/none\n")
    files = t.files(r.image)
    assert links_inside(files["none"].data.decode()) == {"lo"}
    assert links_inside(files["links"].data.decode()) >= host_links() - our_links()
    assert "host's network" in r.err


def test_info(tare):
    out = tare("info").out
    for word in ("store", "overlay", "cgroups", "seccomp", "bridge network", str(tare.root)):
        assert word in out
    info = tare("info", "--json").json()
    assert info["store"]["root"] == str(tare.root) and info["store"]["size"] > info["store"]["free"] > 0
    probes = {p["name"]: p for p in info["probes"]}
    assert probes["overlay"]["ok"] and probes["seccomp"]["ok"] and probes["network namespaces"]["ok"]


def test_info_of_ordinary_users(user, user_single, as_user):
    info = as_user(user)("info", "--json").json()
    probes = {p["name"]: p for p in info["probes"]}
    assert info["rootless"] and probes["user IDs"]["ok"] and "65537" in probes["user IDs"]["text"]
    assert info["run_directory"] == user.home + "/run/tare"
    assert not probes["bridge network"]["ok"] and probes["bridge network"]["hint"]
    probes = {p["name"]: p for p in as_user(user_single)("info", "--json").json()["probes"]}
    assert not probes["user IDs"]["ok"] and "subuid" in probes["user IDs"]["hint"]


def test_info_with_a_broken_store(tare):
    tare("info")
    for f in pathlib.Path(tare.root).glob("tare.db*"):
        f.write_bytes(b"no database at all" * 1000)
    r = tare("info")
    assert "database" in r.out and "seccomp" in r.out
