# SPDX-License-Identifier: Apache-2.0
"""Certificates, Basic and Bearer authentication, token servers: for fakereg.py and for the real docker-registry."""
import base64
import dataclasses
import json
import pathlib
import secrets
import ssl
import subprocess
import threading
import time
import urllib.parse
import warnings

from fakehttp import Response


def openssl(*args, input=None):
    return subprocess.run(["openssl", *map(str, args)], input=input, capture_output=True, check=True, timeout=60).stdout


class CA:
    """An authority of our own below directory d; ca.crt is its certificate."""

    def __init__(self, d, name="tare test CA"):
        self.dir = pathlib.Path(d)
        self.made = self.dir / "made"      # dir itself holds ca.crt alone, as certs.d wants it
        self.made.mkdir(parents=True, exist_ok=True)
        self.crt, self.key, self.n = self.dir / "ca.crt", self.made / "ca.key", 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 30,
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.crt,
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names, expired=False):
        """(certificate file, key file) for host names and addresses."""
        self.n += 1
        crt, key, csr, ext = (self.made / f"{self.n}.{e}" for e in ("crt", "key", "csr", "ext"))
        alt = ",".join(("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n for n in names)
        ext.write_text(f"subjectAltName={alt}\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", f"/CN={names[0]}", "-keyout", key, "-out", csr)
        sign = ["x509", "-req", "-in", csr, "-CA", self.crt, "-CAkey", self.key, "-CAcreateserial", "-extfile", ext,
                "-out", crt]
        openssl(*sign, "-days", "-1" if expired else "20")
        return crt, key

    def context(self, *names, expired=False, clients=None, old=False):
        """A server's TLS settings. clients: the CA whose certificates its clients must show; old: TLS 1.0 only."""
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(*self.issue(*names, expired=expired))
        if clients:
            c.load_verify_locations(clients.crt)
            c.verify_mode = ssl.CERT_REQUIRED
        if old:
            c.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                c.minimum_version = c.maximum_version = ssl.TLSVersion.TLSv1
        return c


def basic_of(req):
    """(user, password) of a request, or None."""
    kind, _, value = (req.header("authorization") or "").partition(" ")
    if kind.lower() != "basic":
        return None
    user, _, password = base64.b64decode(value).decode().partition(":")
    return user, password


def denied(status, challenge, code="UNAUTHORIZED", message="authentication required"):
    return Response(status, [("WWW-Authenticate", challenge)] if challenge else [],
                    json.dumps({"errors": [{"code": code, "message": message}]}).encode())


class Basic:
    """users: {name: password}; paths: {name: prefix of the repositories that the user may reach}."""

    def __init__(self, users, paths=None, challenge='Basic realm="fake"'):
        self.users, self.paths, self.challenge = users, paths or {}, challenge

    def check(self, req, needs):
        who = basic_of(req)
        if who is None or self.users.get(who[0]) != who[1]:
            return denied(401, self.challenge)
        if any(not name.startswith(self.paths.get(who[0], "")) for _, name, _ in needs):
            return denied(403, None, "DENIED", "requested access to the resource is denied")
        return None


@dataclasses.dataclass
class Token:
    user: str
    scopes: set                        # of (type, name, action)
    until: float


class Tokens:
    """
    A token server and the registry's side of it: handle() answers requests for tokens, check() those with one.

    users          {name: password}; anonymous: what requests without credentials may get ("pull" or "")
    allow          function (user, (type, name, action)) -> may it be granted
    life           seconds that a token is good for
    keys           under which names the answer carries it: ("token",), ("access_token",) or both
    says           more members of the answer, or changes to it; None removes one (expires_in)
    refresh        refresh tokens that are known, {token: user}; offline: some are handed out when asked for
    oauth          POST is understood; else 404
    challenge      text after "Bearer " of the challenge, with {realm}, {scope}; service: the name that is checked
    split          the registry accepts a token only for exactly one repository's pull and push (no reuse)
    """

    def __init__(self, users=None, anonymous="pull", life=60, **kw):
        self.users, self.anonymous, self.life = users or {}, anonymous, life
        self.allow = lambda user, scope: user is not None or scope[2] == self.anonymous
        self.keys, self.says, self.refresh, self.offline, self.oauth = ("token",), {}, {}, True, True
        self.service, self.realm, self.challenge = "fake", None, None
        for k, v in kw.items():
            assert hasattr(self, k), k
            setattr(self, k, v)
        self.tokens, self.lock = {}, threading.Lock()

    def revoke(self):
        with self.lock:
            self.tokens.clear()

    # --- the registry's side ---

    def check(self, req, needs):
        kind, _, text = (req.header("authorization") or "").partition(" ")
        with self.lock:
            t = self.tokens.get(text) if kind.lower() == "bearer" else None
        if t is not None and t.until > time.monotonic() and set(needs) <= t.scopes:
            return None
        error = None if not text else "insufficient_scope" if t and t.until > time.monotonic() else "invalid_token"
        return denied(401, self.challenged(needs, error))

    def challenged(self, needs, error=None):
        by = {}
        for kind, name, action in needs:
            by.setdefault((kind, name), []).append(action)
        scope = " ".join(f"{k}:{n}:{','.join(a)}" for (k, n), a in by.items())
        text = (self.challenge or 'realm="{realm}",service="{service}"').format(
            realm=self.realm, service=self.service, scope=scope)
        return ("Bearer " + text + (f',scope="{scope}"' if scope and not self.challenge else "")
                + (f',error="{error}"' if error else ""))

    # --- the token server's side ---

    def handle(self, req):
        if req.method == "POST":
            return self.post(req)
        who = basic_of(req)
        if who is not None and self.users.get(who[0]) != who[1]:
            return denied(401, None, "UNAUTHORIZED", "incorrect username or password")
        scopes = [s for k, v in req.query if k == "scope" for s in v.split(" ") if s]
        return self.grant(req, who and who[0], scopes, req.q("service"), req.q("offline_token") == "true")

    def post(self, req):
        form = dict(urllib.parse.parse_qsl(req.body().decode()))
        req.form = form
        if not self.oauth:
            return Response(404)
        user = None
        if form.get("grant_type") == "refresh_token":
            user = self.refresh.get(form.get("refresh_token"))
        elif form.get("grant_type") == "password" and self.users.get(form.get("username")) == form.get("password"):
            user = form["username"]
        if user is None or "client_id" not in form:
            return Response(401, [("Content-Type", "application/json")], b'{"error":"invalid_grant"}')
        return self.grant(req, user, form.get("scope", "").split(), form.get("service"),
                          form.get("access_type") == "offline", form.get("refresh_token"))

    def grant(self, req, user, scopes, service, offline, refresh=None):
        if service != self.service:
            return denied(400, None, "UNSUPPORTED", f"unknown service {service}")
        granted = set()
        for s in scopes:
            kind, _, rest = s.partition(":")
            name, _, actions = rest.rpartition(":")       # a name may hold a port
            granted |= {(kind, name, a) for a in actions.split(",") if self.allow(user, (kind, name, a))}
        text = secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[text] = Token(user, granted, time.monotonic() + self.life)
        out = {**{k: text for k in self.keys}, "expires_in": int(self.life)}
        if offline and self.offline and user:
            refresh = secrets.token_urlsafe(24)
            self.refresh[refresh] = user
        if refresh:
            out["refresh_token"] = refresh
        out = {k: v for k, v in {**out, **self.says}.items() if v is not None}
        return Response(200, [("Content-Type", "application/json")], json.dumps(out).encode())


class Signed(Tokens):
    """The token server that docker-registry 2.8 believes: JWTs signed RS256, with the certificate in x5c."""

    def __init__(self, d, issuer="tare-test", **kw):
        super().__init__(**kw)
        d = pathlib.Path(d)
        d.mkdir(parents=True, exist_ok=True)
        self.key, self.crt, self.issuer = d / "jwt.key", d / "jwt.crt", issuer
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 20, "-subj", "/CN=tokens", "-keyout", self.key,
                "-out", self.crt)
        self.x5c = "".join(self.crt.read_text().split("-----")[2].split())

    def grant(self, req, user, scopes, service, offline, refresh=None):
        r = super().grant(req, user, scopes, service, offline, refresh)
        if r.status != 200:
            return r
        out = json.loads(r.body)
        by = {}
        for kind, name, action in self.tokens[out["token"]].scopes:
            by.setdefault((kind, name), []).append(action)
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": user or "", "aud": self.service, "nbf": now - 10, "iat": now,
                  "exp": now + int(self.life), "jti": secrets.token_hex(8),
                  "access": [{"type": k, "name": n, "actions": a} for (k, n), a in by.items()]}
        enc = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=")
        head = {"typ": "JWT", "alg": "RS256", "x5c": [self.x5c]}
        text = enc(json.dumps(head).encode()) + b"." + enc(json.dumps(claims).encode())
        sig = openssl("dgst", "-sha256", "-sign", self.key, input=text)
        out["token"] = (text + b"." + enc(sig)).decode()
        r.body = json.dumps(out).encode()
        return r
