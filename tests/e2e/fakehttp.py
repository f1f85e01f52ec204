# SPDX-License-Identifier: Apache-2.0
"""
An HTTP/1.1 server that can misbehave in every way a test asks for, and keeps a journal of what it was asked.

    server = Server(); port = server.listen(handler).port
    server.rule("GET", "/blobs/", skip=1, times=2, rst=100000)
    server.requests("GET", "/blobs/")          # Request objects, in order

A handler is a function of a Request that returns a Response. It reads the request's body by req.read(). Rules that
match a request act before the handler (and may stand in for it) or change what it answered; see Rule.
"""
import contextlib
import dataclasses
import fcntl
import http.client
import re
import select
import socket
import struct
import threading
import time
import urllib.parse

PIECE = 256 << 10
SIOCOUTQ = 0x5411


class Gone(Exception):
    """The connection is over: by a rule, or because the client left."""


@dataclasses.dataclass
class Response:
    status: int = 200
    headers: list = dataclasses.field(default_factory=list)     # (name, value) pairs, sent as they are
    body: object = b""                 # bytes, or an iterator of them (then sent in chunks)
    takeover: object = None            # function(connection) that goes on with the bare socket (CONNECT)

    def __post_init__(self):
        if isinstance(self.headers, dict):
            self.headers = list(self.headers.items())

    def get(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def drop(self, name):
        self.headers = [(k, v) for k, v in self.headers if k.lower() != name.lower()]

    def set(self, name, value):
        self.drop(name)
        self.headers.append((name, str(value)))


@dataclasses.dataclass
class Rule:
    """
    Which requests: method and path (regular expressions; path is searched in the raw target), header (name,
    regular expression), port, where (function of the request); the first `skip` matches are let by, then `times`.

    Instead of the handler: status, headers, body; call (function of the request -> Response, or None to go on);
    close (hang up without an answer, "rst" or "fin"); limit (413 for bodies above it); cut (read so many bytes of
    the request's body, then reset: the handler gets those).
    Before it: delay (seconds); ignore_range; shift_range (bytes).
    After it: restatus, set (dict), drop (names), add (pairs), edit (function of request and response).
    While sending the body: truncate, rst, stall (after so many bytes: close, reset, silence), drip (bytes/s),
    flip (offset of a byte to damage); after it: hangup (close although nothing said so).
    budget: a Budget that is shared by whatever it applies to, request and response bodies.
    """
    method: str = ""
    path: str = ""
    header: tuple = None
    port: int = 0
    where: object = None
    skip: int = 0
    times: int = 1 << 60
    act: dict = dataclasses.field(default_factory=dict)
    seen: int = 0                      # requests that matched
    hits: int = 0                      # and were acted on

    def matches(self, req):
        if self.method and not re.fullmatch(self.method, req.method):
            return False
        if self.path and not re.search(self.path, req.target):
            return False
        if self.header and not re.search(self.header[1], req.header(self.header[0]) or ""):
            return False
        if self.port and req.port != self.port:
            return False
        if self.where and not self.where(req):
            return False
        self.seen += 1
        if self.seen <= self.skip or self.hits >= self.times:
            return False
        self.hits += 1
        return True


ACTS = {"status", "headers", "body", "call", "close", "limit", "cut", "delay", "ignore_range", "shift_range", "restatus",
        "set", "drop", "add", "edit", "truncate", "rst", "stall", "drip", "flip", "hangup", "budget"}


class Budget:
    """A network that breaks whatever connection moves the next N-th byte."""

    def __init__(self, every):
        self.every, self.left, self.breaks, self.total = every, every, 0, 0
        self.lock = threading.Lock()

    def take(self, n):
        """How many of n bytes may still pass; fewer than n: break the connection after them."""
        with self.lock:
            n = min(n, self.left)
            self.left -= n
            self.total += n
            if self.left == 0:
                self.left = self.every
                self.breaks += 1
                return n - 1
            return n


class Request:
    """One request: also its entry in the journal."""

    def __init__(self, conn, method, target, headers):
        self.conn_obj, self.method, self.target, self.headers = conn, method, target, headers
        self.conn, self.port, self.tls = conn.id, conn.listener.port, bool(conn.listener.tls)
        self.path, _, self.query_text = target.partition("?")
        self.query = urllib.parse.parse_qsl(self.query_text, keep_blank_values=True)
        self.begin, self.end = time.monotonic(), None
        self.status, self.bytes_in, self.bytes_out = None, 0, 0
        self.answer = None             # Response, when it was sent
        self.act = {}
        self.chunked = "chunked" in (self.header("transfer-encoding") or "").lower()
        self.length = int(self.header("content-length") or 0)
        self._left, self._ready, self._over = self.length, False, not (self.chunked or self.length)
        self._cut = None

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def q(self, name):
        return next((v for k, v in self.query if k == name), None)

    @property
    def host(self):
        return self.header("host")

    @property
    def base(self):
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def read(self, n=PIECE):
        """The next bytes of the body, at most n; b"" at its end."""
        if self._over:
            return b""
        if not self._ready:
            self._ready = True
            if (self.header("expect") or "").lower() == "100-continue":
                self.conn_obj.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        room = n if self._cut is None else min(n, self._cut - self.bytes_in)
        if room == 0:
            self.conn_obj.reset()
        room = min(room, self._next_piece())
        if room == 0:                  # the last chunk
            return b""
        data = self.conn_obj.file.read1(room)
        if not data:
            raise Gone("the client left within its body")
        self._left -= len(data)
        self._over = not self.chunked and self._left == 0
        if "budget" in self.act:
            k = self.act["budget"].take(len(data))
            if k < len(data):
                data, self._cut, self._over = data[:k], self.bytes_in + k, False
                if not data:
                    self.conn_obj.reset()
        self.bytes_in += len(data)
        return data

    def _next_piece(self):
        if not self.chunked or self._left > 0:
            return self._left
        line = self.conn_obj.file.readline(100)
        if line == b"\r\n":
            line = self.conn_obj.file.readline(100)
        self._left = int(line.split(b";")[0], 16)
        if self._left == 0:
            self.conn_obj.file.readline(100)
            self._over = True
        return self._left

    def body(self):
        out = bytearray()
        while not self._over:
            out += self.read()
        return bytes(out)

    def __repr__(self):
        return (f"{self.method} {self.target} -> {self.status} [conn {self.conn} port {self.port}"
                f" in {self.bytes_in} out {self.bytes_out}{' ' + ' '.join(self.act) if self.act else ''}]")


class Connection:
    def __init__(self, server, listener, sock):
        self.server, self.listener, self.sock = server, listener, sock
        self.id = server.next_id()
        self.file = None

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone(str(e)) from None

    def reset(self):
        """All that was sent arrives, then the connection is reset."""
        until = time.monotonic() + 2
        with_fd = self.sock.fileno()
        while with_fd >= 0 and time.monotonic() < until:
            if struct.unpack("i", fcntl.ioctl(with_fd, SIOCOUTQ, b"\0" * 4))[0] == 0:
                break
            time.sleep(0.001)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shut()
        raise Gone("reset by rule")

    def shut(self):
        if self.file:
            self.file.close()
        self.sock.close()

    def run(self):
        try:
            if self.listener.tls:
                self.sock = self.listener.tls.wrap_socket(self.sock, server_side=True)
            self.file = self.sock.makefile("rb", 64 << 10)
            while self.one():
                pass
        except (Gone, OSError, ValueError):
            pass
        finally:
            self.shut()
            self.server.gone(self)

    def one(self):
        req = self.head()
        if req is None:
            return False
        self.server.enter(req)
        try:
            return self.serve(req)
        finally:
            req.end = time.monotonic()

    def head(self):
        line = self.file.readline(70000)
        words = line.decode("latin-1").split()
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return None                # the end, or TLS spoken to a plain server
        headers = []
        while True:
            line = self.file.readline(70000).decode("latin-1")
            if line in ("\r\n", "\n", ""):
                break
            k, _, v = line.partition(":")
            headers.append((k.strip(), v.strip()))
        return Request(self, words[0], words[1], headers)

    def serve(self, req):
        act = req.act
        self.pause(act.get("delay", 0))
        if act.get("ignore_range"):
            req.headers = [(k, v) for k, v in req.headers if k.lower() != "range"]
        if act.get("shift_range"):
            req.headers = [(k, shift(v, act["shift_range"]) if k.lower() == "range" else v) for k, v in req.headers]
        if "close" in act:
            self.reset() if act["close"] == "rst" else self.shut()
            raise Gone("closed by rule")
        if "cut" in act:
            req._cut = act["cut"]
        resp = self.respond(req)
        self.change(req, resp)
        # An answer before the body was read: the rest is read and dropped, unless the client waits to be asked for it.
        keep = "hangup" not in act
        if not req._over:
            waits = (req.header("expect") or "").lower() == "100-continue" and not req._ready
            if waits or req.length > (4 << 20):
                keep = False
            else:
                while not req._over:
                    req.read()
        self.write(req, resp, keep)
        if resp.takeover:
            resp.takeover(self)
            return False
        return keep and (req.header("connection") or "").lower() != "close"

    def pause(self, seconds):
        """Sleep, unless the client leaves or the server ends."""
        until, poll = time.monotonic() + seconds, select.poll()
        poll.register(self.sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
        while (left := until - time.monotonic()) > 0:
            if self.server.closing or poll.poll(min(left, 0.1) * 1000):
                raise Gone("nobody waits for the answer")

    def respond(self, req):
        act = req.act
        if "call" in act:
            r = act["call"](req)
            if r is not None:
                return r
        if "status" in act:
            return Response(act["status"], list(dict(act.get("headers") or {}).items()), act.get("body", b""))
        if "limit" in act and req.length > act["limit"]:
            return Response(413, [], b"request entity too large")
        return self.listener.handler(req)

    @staticmethod
    def change(req, resp):
        act = req.act
        resp.status = act.get("restatus", resp.status)
        for name in act.get("drop", ()):
            resp.drop(name)
        for k, v in act.get("set", {}).items():
            resp.set(k, v)
        resp.headers += act.get("add", [])
        if "edit" in act:
            act["edit"](req, resp)

    def write(self, req, resp, keep):
        plain = isinstance(resp.body, (bytes, bytearray, memoryview))
        bodyless = resp.status in (204, 304) or resp.status < 200 or resp.takeover
        chunked = not plain and resp.get("content-length") is None
        if "content-length" in req.act.get("drop", ()):
            keep = False
        elif plain and not bodyless and resp.get("content-length") is None and not resp.get("transfer-encoding"):
            resp.set("Content-Length", len(resp.body))
        if chunked and not resp.get("transfer-encoding") and not bodyless:
            resp.set("Transfer-Encoding", "chunked")
        if not keep and "hangup" not in req.act:
            resp.set("Connection", "close")
        head = f"HTTP/1.1 {resp.status} {http.client.responses.get(resp.status, 'Odd')}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in resp.headers) + "\r\n"
        req.status, req.answer = resp.status, resp
        self.send(head.encode("latin-1"))
        if req.method == "HEAD" or bodyless:
            return
        for piece in self.spoil(req, [resp.body] if plain else resp.body):
            self.send(b"%x\r\n" % len(piece) + piece + b"\r\n" if chunked else piece)
            req.bytes_out += len(piece)
        if chunked:
            self.send(b"0\r\n\r\n")
        if not keep:
            self.shut()
            raise Gone("closed after the answer")

    def spoil(self, req, pieces):
        """The body in pieces, as the rules want it to go out."""
        act, at = req.act, 0
        end = min([act[k] for k in ("truncate", "rst", "stall") if k in act], default=1 << 62)
        step = max(1, act["drip"] // 20) if "drip" in act else PIECE
        for whole in pieces:
            view = memoryview(whole)
            for i in range(0, len(view), step):
                piece = view[i:i + step][:max(0, end - at)]
                if at <= act.get("flip", -1) < at + len(piece):
                    piece = bytearray(piece)
                    piece[act["flip"] - at] ^= 0x55
                if "budget" in act and len(piece):
                    k = act["budget"].take(len(piece))
                    if k < len(piece):
                        end, piece = at + k, piece[:k]
                        act = {**act, "rst": end}
                at += len(piece)
                if len(piece):
                    yield piece
                if at >= end:
                    self.stop(act)
                if "drip" in act:
                    time.sleep(step / act["drip"])
        if at >= end or "truncate" in act or "rst" in act or "stall" in act:
            self.stop(act) if at >= end else None

    def stop(self, act):
        if "stall" in act:             # until the client leaves, or the server ends
            while not self.server.closing:
                if select.select([self.sock], [], [], 0.05)[0] and not self.sock.recv(1):
                    break
        if "rst" in act:
            self.reset()
        self.shut()
        raise Gone("cut by rule")


def shift(value, k):
    m = re.fullmatch(r"bytes=(\d+)-(\d*)", value)
    return f"bytes={int(m[1]) + k}-{int(m[2]) + k if m[2] else ''}" if m else value


class Listener:
    def __init__(self, server, handler, host, port, tls):
        self.server, self.handler, self.host, self.tls = server, handler, host, tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((host, port))
        self.sock.listen(128)
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def name(self):
        """host:port, as it stands in a reference."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.name}"

    def run(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c = Connection(self.server, self, s)
            with self.server.lock:
                self.server.open[c.id] = c
            threading.Thread(target=c.run, daemon=True).start()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join(5)


class Server:
    """Listeners with a handler each, one set of rules, one journal."""

    def __init__(self):
        self.lock = threading.Lock()
        self.journal, self.rules, self.listeners, self.open = [], [], [], {}
        self.ids, self.closing = 0, False

    def listen(self, handler, host="127.0.0.1", port=0, tls=None):
        """tls: an ssl.SSLContext, or None for plain HTTP."""
        l = Listener(self, handler, host, port, tls)
        self.listeners.append(l)
        return l

    def next_id(self):
        with self.lock:
            self.ids += 1
            return self.ids

    def gone(self, conn):
        with self.lock:
            self.open.pop(conn.id, None)

    def enter(self, req):
        with self.lock:
            self.journal.append(req)
            for r in self.rules:
                if r.matches(req):
                    req.act = {**req.act, **r.act}

    def rule(self, method="", path="", *, header=None, port=0, where=None, skip=0, times=1 << 60, **act):
        assert act and not act.keys() - ACTS, act.keys() - ACTS
        r = Rule(method, path, header, port, where, skip, times, act)
        with self.lock:
            self.rules.append(r)
        return r

    def requests(self, method="", path="", status=None, port=0, **headers):
        """What was asked so far; waits a moment for what is being answered."""
        until = time.monotonic() + 1
        while time.monotonic() < until and any(r.end is None and "stall" not in r.act for r in list(self.journal)):
            time.sleep(0.005)
        with self.lock:
            return [r for r in self.journal
                    if (not method or re.fullmatch(method, r.method)) and (not path or re.search(path, r.target))
                    and (status is None or r.status == status) and (not port or r.port == port)]

    def forget(self):
        """A new beginning: no rules, an empty journal, and no connection stays open."""
        with self.lock:
            self.rules, self.journal = [], []
            conns = list(self.open.values())
        for c in conns:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.closing = True
        for l in self.listeners:
            l.close()
        self.forget()


def reverse(host, port, **extra):
    """A handler that hands every request on to another server: what rules do to it happens between the two."""
    def handler(req):
        c = http.client.HTTPConnection(host, port, timeout=60)
        c.putrequest(req.method, req.target, skip_host=True, skip_accept_encoding=True)
        for k, v in req.headers:
            if k.lower() not in ("expect", "connection", "transfer-encoding", *(("content-length",) if req.chunked else ())):
                c.putheader(k, v)
        if req.chunked:
            c.putheader("Transfer-Encoding", "chunked")
        for k, v in extra.items():
            c.putheader(k.replace("_", "-"), v)
        c.endheaders()
        try:
            while data := req.read():
                c.send(b"%x\r\n" % len(data) + data + b"\r\n" if req.chunked else data)
            if req.chunked:
                c.send(b"0\r\n\r\n")
        except Gone:
            c.close()
            raise
        r = c.getresponse()
        headers = [(k, v) for k, v in r.getheaders() if k.lower() not in ("connection", "transfer-encoding")]
        if req.method == "HEAD" or r.status == 204:
            r.read()
            c.close()
            return Response(r.status, headers)

        def pieces():
            with contextlib.closing(c):
                while data := r.read(PIECE):
                    yield data
        return Response(r.status, headers, pieces())
    return handler


def forward(names):
    """A handler that is a forward proxy: CONNECT, and targets with a scheme. names: host -> (address, port), what
    the proxy would look up; others are refused."""
    def where(netloc, default):
        host, _, port = netloc.rpartition(":") if ":" in netloc else (netloc, "", "")
        return names.get(host) or names.get(netloc), int(port or default)

    def handler(req):
        if req.method == "CONNECT":
            to, _ = where(req.target, 443)
            if to is None:
                return Response(502, [], b"no such host")
            peer = socket.create_connection(to, 10)
            return Response(200, takeover=lambda conn: relay(conn, peer))
        u = urllib.parse.urlsplit(req.target)
        to, _ = where(u.netloc, 80)
        if u.scheme != "http" or to is None:
            return Response(502, [], b"no such host")
        req.target = u.path + ("?" + u.query if u.query else "")
        try:
            return reverse(*to)(req)
        finally:
            req.target = u.geturl()
    return handler


def relay(conn, peer):
    pair = {conn.sock: peer, peer: conn.sock}
    with peer:
        while True:
            for s in select.select(list(pair), [], [], 0.2)[0]:
                data = s.recv(PIECE)
                if not data:
                    return
                pair[s].sendall(data)
            if conn.server.closing:
                return
