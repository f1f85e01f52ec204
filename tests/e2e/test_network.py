# SPDX-License-Identifier: Apache-2.0
"""Networks that users make, published ports, names: as seen from containers and from the host."""
import re
import socket
import subprocess
import sys

import pytest

from harness import free_port, wait_for

pytestmark = pytest.mark.root
SERVE = "mkdir -p /www; echo {} >/www/index.html; exec httpd -f -p {} -h /www"
GET = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 {} {} | tail -1"


@pytest.fixture
def up(tare, busybox):
    """Start a container in the background; all of them are removed at the end, networks too."""
    made, nets = [], []

    def start(*args, cmd=("sleep", "1000")):
        cid = tare("run", "-d", *args, busybox, *cmd).out.strip()
        made.append(cid)
        return cid

    def net(*args):
        nets.append(tare("network", "create", *args).out.strip())
        return nets[-1]

    start.net = net
    start.serve = lambda *args, text="hello", port=80: start(*args, cmd=("sh", "-c", SERVE.format(text, port)))
    yield start
    for cid in made:
        tare("rm", "-f", cid, code=None)
    for n in nets:
        tare("network", "rm", n, code=None)


@pytest.fixture
def echo():
    """echo(tare, container, port, expression of d): a UDP server in the container's network."""
    servers = []

    def start(tare, cid, port, answer):
        code = (f"import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', {port}))\n"
                f"while 1:\n d, a = s.recvfrom(9999)\n s.sendto({answer}, a)\n")
        pid = str(tare.inspect(cid)["State"]["Pid"])
        servers.append(subprocess.Popen(["nsenter", "-t", pid, "-n", sys.executable, "-c", code]))

    yield start
    for p in servers:
        p.kill()
        p.wait()


def fetch(host, port, family=socket.AF_INET):
    """The last line that a web server answers with; "" if there is none."""
    try:
        with socket.socket(family) as s:
            s.settimeout(5)
            s.connect((host, port))
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while more := s.recv(4096):
                data += more
            return data.decode().strip().splitlines()[-1]
    except (OSError, IndexError):
        return ""


def inside(tare, cid, script, **kw):
    return tare("exec", cid, "sh", "-c", script, **kw)


def settings(tare, cid):
    return tare.inspect(cid)["NetworkSettings"]


def test_predefined(tare):
    """net-001"""
    assert tare("network", "ls", "--format", "{{.Name}} {{.Driver}}").out == "bridge bridge\nhost host\nnone null\n"
    for name in ("bridge", "host", "none"):
        tare.fails("network", "create", name, says=f"operation is not permitted on predefined {name} network")
        tare.fails("network", "rm", name, says=f"{name} is a pre-defined network and cannot be removed")


def test_create(tare):
    """net-004"""
    tare("network", "create", "--subnet", "172.28.0.0/16", "--ip-range", "172.28.5.0/24", "--gateway", "172.28.5.254",
         "--ipv6", "--subnet", "fd80::/64", "--aux-address", "printer=172.28.5.3", "--label", "a=b", "dge")
    n = tare("network", "inspect", "dge").json()[0]
    assert n["EnableIPv6"] and n["Labels"] == {"a": "b"} and n["Containers"] == {}
    four, six = n["IPAM"]["Config"]
    assert four == {"Subnet": "172.28.0.0/16", "IPRange": "172.28.5.0/24", "Gateway": "172.28.5.254",
                    "AuxiliaryAddresses": {"printer": "172.28.5.3"}}
    assert six["Subnet"] == "fd80::/64"
    tare.fails("network", "create", "dge", says="network with name dge already exists")
    tare.fails("network", "create", "--subnet", "172.28.9.0/24", "x", says="overlaps")
    tare.fails("network", "create", "--subnet", "172.29.0.0/24", "--gateway", "172.30.0.1", "x", says="no matching subnet")
    tare.fails("network", "create", "--subnet", "nonsense", "x", says="invalid subnet")
    tare.fails("network", "create", "-d", "nope", "x", says="plugin")
    assert tare("network", "rm", "dge").out == "dge\n"
    tare.fails("network", "rm", "dge", says="network dge not found")
    assert tare("network", "rm", "-f", "dge").out == "dge\n"


def test_list_filters(tare):
    """net-006"""
    tare("network", "create", "--label", "k=v", "edge")
    names = lambda *f: tare("network", "ls", *f, "--format", "{{.Name}}").out.split()
    assert names("-f", "name=dge") == ["bridge", "edge"] and names("-f", "driver=null") == ["none"]
    assert names("-f", "type=builtin") == ["bridge", "host", "none"] and names("-f", "type=custom") == ["edge"]
    assert names("-f", "label=k=v") == ["edge"] and names("-f", "label=k=w") == []
    assert names("-f", "dangling=true") == ["edge"]
    tare.fails("network", "ls", "-f", "what=x", says="what")
    assert "edge" in tare("network", "prune", "-f").out
    assert names("-f", "type=custom") == []


def test_name_before_prefix(tare):
    """net-008"""
    first = tare("network", "create", "a1").out.strip()
    tare("network", "create", first[:12])
    third = tare("network", "create", "a3").out.strip()
    tare("network", "rm", first[:12])
    assert tare("network", "ls", "-q", "--no-trunc", "-f", "type=custom").out.split() == [first, third]
    tare("network", "rm", first, third)


def test_names(tare, up):
    """net-009, net-013, net-046, net-049: names, aliases, IDs, name.network; after a rename, too."""
    up.net("n1")
    up.net("n2")
    c = up("--name", "first", "--network", "n1", "--network-alias", "other", "--network", "n2")
    me = up("--name", "me", "--network", "n1", "--network", "n2")
    ip = settings(tare, c)["Networks"]["n1"]["IPAddress"]
    for name in ("first.n1", "other", "OTHER.n1"):
        out = inside(tare, me, f"nslookup -type=a {name}").out
        assert f"Address: {ip}" in out, out
    for name in ("first", "first.n2", c[:12], "me"):
        assert "10." in inside(tare, me, f"nslookup -type=a {name} | tail -3").out
    assert "first.n1" in inside(tare, me, f"nslookup {ip}").out
    r = inside(tare, me, "nslookup -type=aaaa first; echo end", code=None)
    assert "NXDOMAIN" not in r.both and "SERVFAIL" not in r.both       # known, but without such an address
    tare("rename", "first", "second")
    assert f"Address: {ip}" in inside(tare, me, "nslookup -type=a second.n1").out
    there = tare("network", "inspect", "n1").json()[0]["Containers"]
    assert {v["Name"] for v in there.values()} == {"second", "me"} and there[c]["IPv4Address"] == ip + "/24"
    tare.fails("network", "rm", "n1", says="has active endpoints")
    text = inside(tare, me, "cat /etc/resolv.conf").out
    for line in ("nameserver 127.0.0.11\n", "options ndots:0\n", "# Overrides: []\n", "# Option ndots from: internal\n"):
        assert line in text                                            # net-032


def test_own_dns_server(tare, up):
    """Port 53 is free for a container's own use."""
    up.net("n1")
    c = up("--network", "n1", "--name", "ns")
    r = inside(tare, c, "nc -l -p 53 -e true & sleep 0.3; nslookup -type=a ns; kill %1")
    assert "Address: 10." in r.out


def test_forwarding(tare, up, echo):
    """net-029, net-030: what it does not know it asks others; from an internal network only those asked for."""
    up.net("--internal", "inner")
    c = up("--network", "inner")
    r = inside(tare, c, "nslookup -type=a foo.example", code=1)
    assert "SERVFAIL" in r.both
    server = up("--network", "inner")
    ip = settings(tare, server)["Networks"]["inner"]["IPAddress"]
    c = up("--network", "inner", "--dns", ip)
    echo(tare, server, 53, "d[:2] + b'\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + d[12:12 + 17]"
         " + b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4\\xc0\\0\\2\\x2a'")
    wait_for(lambda: "192.0.2.42" in inside(tare, c, "nslookup -type=a foo.example", code=None).out, what="an answer")


def test_internal(tare, up):
    """net-028"""
    up.net("--internal", "--ipv6", "inner")
    c = up("--network", "inner")
    four, six = (p["Gateway"] for p in tare("network", "inspect", "inner").json()[0]["IPAM"]["Config"])
    inside(tare, c, f"ping -c1 -W5 {four} && ping6 -c1 -W5 {six}")
    r = inside(tare, c, "ping -c1 -W1 8.8.8.8", code=1)
    assert "Network is unreachable" in r.both


def test_ports(tare, up):
    """net-020: every way to a published port: host, loopback, IPv6, another network, itself, and the same network."""
    port = free_port()
    up.net("n1")
    c = up.serve("--name", "web", "--network", "n1", "-p", f"{port}:80")
    out = tare("port", c).out.splitlines()
    assert out == [f"80/tcp -> 0.0.0.0:{port}", f"80/tcp -> [::]:{port}"]
    assert tare("port", "web", "80").out.splitlines() == [f"0.0.0.0:{port}", f"[::]:{port}"]
    tare.fails("port", "web", "81", says="No public port '81/tcp' published for web")
    assert tare("ps", "--format", "{{.Ports}}").out == f"0.0.0.0:{port}->80/tcp, [::]:{port}->80/tcp\n"
    wait_for(lambda: fetch("127.0.0.1", port) == "hello", what="the web server")
    assert fetch("127.0.0.2", port) == "hello" and fetch("::1", port, socket.AF_INET6) == "hello"
    gw = settings(tare, c)["Networks"]["n1"]["Gateway"]
    assert fetch(gw, port) == "hello"
    ask = GET.format("$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')", port)
    assert inside(tare, c, ask).out == "hello\n"                        # hairpin
    other, same = up(), up("--network", "n1")
    assert inside(tare, other, ask).out == "hello\n"                    # net-027
    assert inside(tare, same, ask).out == "hello\n" and inside(tare, same, GET.format("web", 80)).out == "hello\n"
    ip = settings(tare, c)["Networks"]["n1"]["IPAddress"]
    assert inside(tare, other, f"nc -w 1 {ip} 80 </dev/null && echo reached", code=None).out == ""   # isolation
    tare.fails("run", "--rm", "-p", f"{port}:80", "busybox", "true", code=125, says="port is already allocated")
    with pytest.raises(OSError), socket.socket() as s:
        s.bind(("", port))
    tare("stop", "-t", "0", c)
    assert tare("ps", "-a", "--format", "{{.Ports}}", "-f", f"id={c}").out == "\n"
    with socket.socket() as s:
        s.bind(("", port))
    tare("start", c)
    wait_for(lambda: fetch("127.0.0.1", port) == "hello", what="the web server after a restart")


def test_udp(tare, up, echo):
    port = free_port()
    c = up("-p", f"127.0.0.1:{port}:99/udp")
    echo(tare, c, 99, "b'pong'")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.5)

        def ask():
            s.sendto(b"ping", ("127.0.0.1", port))
            try:
                return s.recv(100)
            except OSError:
                return None
        assert wait_for(ask, what="an answer") == b"pong"


def test_port_ranges(tare, up):
    """net-021, net-022, net-023, net-024"""
    low = free_port()
    spec = f"{low}-{low + 1}:80"
    a, b = up("-p", spec), up("-p", spec)
    assert {tare("port", x, "80").out.splitlines()[0] for x in (a, b)} == {f"0.0.0.0:{low}", f"0.0.0.0:{low + 1}"}
    tare.fails("run", "-d", "--rm", "-p", spec, "busybox", "true", code=125, says="all ports are allocated")
    tare("rm", "-f", a)
    c = up("-p", spec)
    assert f"0.0.0.0:{low}\n" in tare("port", c, "80").out
    for bad in ("9090-9089:80", "9090-:80"):
        tare.fails("run", "--rm", "-p", bad, "busybox", "true", code=125, says="invalid hostPort")
    d = up("--expose", "3000-3003", "-P", "-p", "127.0.0.1::53/udp")
    ports = settings(tare, d)["Ports"]
    assert set(ports) == {"3000/tcp", "3001/tcp", "3002/tcp", "3003/tcp", "53/udp"}
    for p in range(3000, 3004):
        four, six = ports[f"{p}/tcp"]
        assert four["HostPort"] == six["HostPort"] != "0"
    assert [x["HostIp"] for x in ports["53/udp"]] == ["127.0.0.1"]


def test_addresses(tare, up):
    """net-039, net-040, net-041"""
    up.net("--subnet", "10.42.0.0/16", "--ip-range", "10.42.128.0/24", "n1")
    up.net("--ipv6", "n2")
    c = up("--network", "n1", "--ip", "10.42.1.3", "--mac-address", "02:11:22:33:44:55")
    n = settings(tare, c)["Networks"]["n1"]
    assert n["IPAddress"] == "10.42.1.3" and n["MacAddress"] == "02:11:22:33:44:55"
    d = up("--network", "n1")
    assert settings(tare, d)["Networks"]["n1"]["IPAddress"].startswith("10.42.128.")
    assert settings(tare, d)["Networks"]["n1"]["MacAddress"] != n["MacAddress"]
    tare.fails("run", "--rm", "--network", "n1", "--ip", "10.42.1.3", "busybox", "true", code=125, says="already in use")
    tare.fails("run", "--rm", "--network", "n1", "--ip", "10.43.1.3", "busybox", "true", code=125, says="no configured subnet")
    tare("restart", "-t", "0", c)
    n = settings(tare, c)["Networks"]["n1"]
    assert n["IPAddress"] == "10.42.1.3" and n["MacAddress"] == "02:11:22:33:44:55"
    sub = [p["Subnet"] for p in tare("network", "inspect", "n2").json()[0]["IPAM"]["Config"]]
    four, six = sub[0].replace(".0/24", ".77"), sub[1].replace("/64", "77")
    e = up("--network", "n2", "--ip", four, "--ip6", six)
    r = inside(tare, e, "ip addr show eth0").out
    assert f"inet {four}/24" in r and f"inet6 {six}/64" in r


def test_connect(tare, up):
    """net-037, net-014, net-042: while it runs, and when it does not."""
    up.net("n1")
    up.net("n2")
    c = up("--name", "c1", "--add-host", "extra:86.75.30.9")
    before = inside(tare, c, "cat /etc/hosts").out
    tare("network", "connect", "--alias", "also", "n1", "c1")
    tare("network", "connect", "n2", "c1")
    assert re.findall(r"^\d+: (eth\d)", inside(tare, c, "ip link").out, re.M) == ["eth0", "eth1", "eth2"]
    ip = settings(tare, c)["Networks"]["n1"]["IPAddress"]
    assert f"\n{ip}\t" in inside(tare, c, "cat /etc/hosts").out
    peer = up("--network", "n1")
    assert f"Address: {ip}" in inside(tare, peer, "nslookup -type=a also").out
    tare.fails("network", "connect", "n1", "c1", says="endpoint with name c1 already exists in network n1")
    tare("network", "disconnect", "n1", "c1")
    tare("network", "disconnect", "n2", "c1")
    after = inside(tare, c, "cat /etc/hosts").out
    assert sorted(after.splitlines()) == sorted(before.splitlines()) and "86.75.30.9\textra\n" in after
    tare.fails("network", "disconnect", "n1", "c1", says="is not connected to network n1")
    tare("network", "disconnect", "bridge", "c1")
    assert "default" not in inside(tare, c, "ip route").out
    tare("network", "connect", "bridge", "c1")
    assert "default" in inside(tare, c, "ip route").out
    tare("network", "connect", "n1", "c1")
    tare("restart", "-t", "0", "c1")
    assert set(settings(tare, c)["Networks"]) == {"bridge", "n1"}
    up("--name", "hostmode", "--network", "host")
    up("--name", "nonemode", "--network", "none")
    tare.fails("network", "connect", "n1", "hostmode", says="cannot be connected to any other network")
    tare.fails("network", "connect", "n1", "nonemode", says="private (none) mode")
    tare.fails("network", "connect", "none", "c1", says="private (none) mode")


def test_shared(tare, up):
    """container:X: links, hosts and resolv.conf of another; what does not go with it."""
    c = up("--name", "xx")
    r = tare("run", "--rm", "--network", "container:xx", "busybox", "sh", "-c", "ip addr show eth0; cat /etc/hosts")
    assert settings(tare, c)["IPAddress"] + "/24" in r.out and "\t" + c[:12] in r.out
    for words, say in ((["-p", "80"], "port publishing"), (["-h", "me"], "hostname"), (["--dns", "1.1.1.1"], "dns"),
                       (["--expose", "80"], "port exposing"), (["--add-host", "a:1.1.1.1"], "host-to-IP"),
                       (["--mac-address", "02:00:00:00:00:01"], "mac-address")):
        tare.fails("run", "--rm", "--network", "container:xx", *words, "busybox", "true", code=125, says=["conflicting", say])
    tare.fails("run", "--rm", "--network", "container:nope", "busybox", "true", code=125, says="No such container")
    tare.fails("run", "--rm", "--network", "nope", "busybox", "true", code=125, says="network nope not found")


def test_network_words(tare, up):
    """net-044, net-050"""
    up.net("net1")
    for words, say in ((["--network", "name=net1,alias=web1", "--network-alias", "web1"], "network-alias"),
                       (["--network", "net1", "--network", "net1"], "is specified multiple times"),
                       (["--network", "host", "--network", "net1"], "cannot attach both user-defined and non-user-defined"),
                       (["--network", "name=net1,mac-address=nonsense"], "mac address"),
                       (["--network", "name=net1,what=x"], "invalid field key"),
                       (["--network-alias", "x"], "only for containers in user defined networks")):
        tare.fails("run", "--rm", *words, "busybox", "true", code=125, says=say)
    r = tare("run", "--rm", "--network", "host", "-p", "80", "busybox", "true")
    assert 'Port mappings have been discarded because "host" network namespace mode does not support them' in r.err
    c = up("--network", "name=net1,alias=web1,gw-priority=5")
    assert settings(tare, c)["Networks"]["net1"]["Aliases"] == ["web1"]


def test_dns_options(tare, busybox):
    """net-033, net-034, net-035"""
    words = ("--dns", "127.0.0.1", "--dns-search", "mydomain", "--dns-opt", "ndots:9")
    r = tare("run", "--rm", *words, "busybox", "cat", "/etc/resolv.conf")
    assert r.out == "nameserver 127.0.0.1\nsearch mydomain\noptions ndots:9\n" and "Localhost DNS setting" in r.err
    r = tare("run", "--rm", "--network", "host", *words, "busybox", "cat", "/etc/resolv.conf")
    assert r.out == "nameserver 127.0.0.1\nsearch mydomain\noptions ndots:9\n"
    r = tare("run", "--rm", "--dns-search", ".", "busybox", "cat", "/etc/resolv.conf")
    assert "search" not in r.out
    r = tare("run", "--rm", "--add-host", "me:host-gateway", "--add-host", "six:[fd00::1]", "busybox", "cat", "/etc/hosts")
    assert re.search(r"^10\.20\d\.\d+\.1\tme$", r.out, re.M) and "fd00::1\tsix\n" in r.out
    assert re.search(r"\.1\thost\.docker\.internal ", r.out)
    tare.fails("run", "--rm", "--dns", "nonsense", "busybox", "true", code=125, says="is not an ip address")
