# SPDX-License-Identifier: Apache-2.0
"""
A registry as the OCI distribution-spec wants it, in memory, with a journal and with faults on demand (fakehttp.py).

    reg = Registry(); reg.name                     # "127.0.0.1:4711"
    img = reg.image("a/b", "v1", archives.Img(...))   # put an image there; img.digest, img.layers ...
    reg.rule("GET", "/blobs/", times=1, rst=1000)     # go wrong
    reg.requests("GET", "/blobs/")                    # what the client did

Attributes are switches: see Registry. Token servers and certificates are in fakeauth.py.
"""
import copy
import dataclasses
import gzip
import hashlib
import json
import re
import secrets
import threading

import archives
from fakehttp import Response, Server

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_INDEX, OCI_MANIFEST, OCI_CONFIG = archives.OCI_INDEX, archives.OCI_MANIFEST, archives.OCI_CONFIG
OCI_LAYER = archives.OCI_LAYER
INDEXES = (OCI_INDEX, DOCKER_LIST)

NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
DIGEST = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
MANIFEST_MAX = 4 << 20


def digest(data, alg="sha256"):
    return f"{alg}:{hashlib.new(alg, data).hexdigest()}"


def descriptor(media, data, **kw):
    return {"mediaType": media, "digest": digest(data), "size": len(data), **kw}


class Refuse(Exception):
    def __init__(self, status, code, message=None, detail=None, headers=()):
        e = {"code": code, "message": message or code.lower().replace("_", " ")}
        if detail is not None:
            e["detail"] = detail
        self.response = Response(status, [("Content-Type", "application/json"), *headers],
                                 json.dumps({"errors": [e]}).encode())


@dataclasses.dataclass
class Repo:
    manifests: dict = dataclasses.field(default_factory=dict)      # digest -> (media type, bytes)
    tags: dict = dataclasses.field(default_factory=dict)
    blobs: dict = dataclasses.field(default_factory=dict)          # digest -> bytes


@dataclasses.dataclass
class Upload:
    repo: str
    state: str
    data: bytearray = dataclasses.field(default_factory=bytearray)
    short: bool = False
    lock: object = dataclasses.field(default_factory=threading.Lock)


@dataclasses.dataclass
class Image:
    """What image() put into a repository."""
    repo: str
    tag: str
    digest: str
    manifest: bytes
    media: str
    config: bytes
    layers: list                       # as sent
    tars: list                         # uncompressed

    @property
    def layer_digests(self):
        return [digest(l) for l in self.layers]

    @property
    def config_digest(self):
        return digest(self.config)


class Registry:
    """
    auth           an object of fakeauth.py with check(req, needs), or None: everybody may do everything
    min_chunk      OCI-Chunk-Min-Length of uploads, enforced
    max_body       bytes of a request's body; above: 413
    page           at most so many tags, repositories or referrers in one answer
    zero_range     what an upload that has no byte says: "0-0" as distribution does, or None
    referrers      the referrers API is there, and OCI-Subject is answered
    strict_accept  a manifest whose type the client did not ask for is not found
    strict_state   a Location is good for one request; after a break, the last one is
    mount, delete, single_post, ranges     these features are there
    check_range    Content-Range of a PATCH must begin where the upload ends (else 416); distribution does not look
    sparse         an index may name manifests that are absent
    """

    def __init__(self, host="127.0.0.1", tls=None, server=None, **switches):
        self.auth, self.min_chunk, self.max_body, self.page = None, 0, 0, 0
        self.zero_range, self.referrers, self.strict_accept, self.strict_state = "0-0", True, True, True
        self.mount = self.delete = self.single_post = self.ranges = self.sparse = self.check_range = True
        for k, v in switches.items():
            assert hasattr(self, k), k
            setattr(self, k, v)
        self.defaults = copy.copy(self.__dict__)
        self.repos, self.uploads, self.lock = {}, {}, threading.RLock()
        self.server = server or Server()
        self.listener = self.server.listen(self.handle, host, tls=tls)
        self.rule, self.requests = self.server.rule, self.server.requests

    @property
    def name(self):
        return self.listener.name

    @property
    def port(self):
        return self.listener.port

    @property
    def journal(self):
        return self.server.journal

    def reset(self):
        """Empty again, as it was made."""
        self.server.forget()
        self.__dict__.update(self.defaults)
        self.repos, self.uploads = {}, {}

    def close(self):
        self.server.close()

    # --- content, for tests ---

    def repo(self, name):
        with self.lock:
            return self.repos.setdefault(name, Repo())

    def blob(self, repo, data):
        d = digest(data)
        self.repo(repo).blobs[d] = bytes(data)
        return d

    def manifest(self, repo, tag, data, media=OCI_MANIFEST):
        """Put bytes or a JSON value there as they are; returns their digest."""
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        d = digest(data)
        self.repo(repo).manifests[d] = (media, data)
        if tag:
            self.repo(repo).tags[tag] = d
        return d

    def image(self, repo, tag, img=None, *, docker=False, pack=None, edit=None, layer_media=None, **fields):
        """An image of archives.Img. pack: function on a layer's tar (default gzip); edit: function that changes the
        manifest (a dict) in place."""
        img = img or archives.Img()
        pack = pack or (lambda tar: gzip.compress(tar, 1, mtime=0))
        layers = [pack(t) for t in img.layers]
        lm = layer_media or (DOCKER_LAYER if docker else OCI_LAYER + "+gzip")
        m = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
             "config": descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, img.config),
             "layers": [descriptor(lm, l) for l in layers], **fields}
        if edit:
            edit(m)
        data = json.dumps(m).encode()
        for b in [img.config, *layers]:
            self.blob(repo, b)
        d = self.manifest(repo, tag, data, m["mediaType"])
        return Image(repo, tag, d, data, m["mediaType"], img.config, layers, list(img.layers))

    def index(self, repo, tag, entries, docker=False, **fields):
        """entries: (Image, platform dict or None) pairs, or descriptors."""
        out = [e if isinstance(e, dict) else
               {**descriptor(e[0].media, e[0].manifest), **({"platform": e[1]} if e[1] else {})} for e in entries]
        media = DOCKER_LIST if docker else OCI_INDEX
        return self.manifest(repo, tag, {"schemaVersion": 2, "mediaType": media, "manifests": out, **fields}, media)

    def get(self, repo, ref):
        """(media type, JSON) of a manifest."""
        r = self.repo(repo)
        media, data = r.manifests[r.tags.get(ref, ref)]
        return media, json.loads(data)

    # --- the API ---

    ROUTES = [
        (r"/v2/?", "base"), (r"/v2/_catalog", "catalog"),
        (rf"/v2/({NAME})/tags/list", "tags"),
        (rf"/v2/({NAME})/manifests/({TAG}|{DIGEST})", "manifests"),
        (rf"/v2/({NAME})/referrers/({DIGEST})", "list_referrers"),
        (rf"/v2/({NAME})/blobs/uploads/?", "start"),
        (rf"/v2/({NAME})/blobs/uploads/([0-9a-f]+)", "session"),
        (rf"/v2/({NAME})/blobs/({DIGEST})", "blobs"),
    ]

    def handle(self, req):
        try:
            if self.max_body and req.length > self.max_body:
                raise Refuse(413, "SIZE_INVALID", "request entity too large")
            for pattern, verb in self.ROUTES:
                m = re.fullmatch(pattern, req.path)
                if m:
                    return self.checked(req, verb, m.groups())
            raise Refuse(404, "NAME_INVALID")
        except Refuse as r:
            return r.response

    def checked(self, req, verb, args):
        if self.auth:
            no = self.auth.check(req, self.needs(req, verb, args))
            if no is not None:
                return no
        r = getattr(self, verb)(req, *args)
        r.headers.append(("Docker-Distribution-Api-Version", "registry/2.0"))
        return r

    @staticmethod
    def needs(req, verb, args):
        """What the caller must be allowed to: (type, name, action) triples."""
        if verb == "base":
            return []
        if verb == "catalog":
            return [("registry", "catalog", "*")]
        name = args[0]
        needs = [("repository", name, "pull")]
        if req.method == "DELETE":
            needs = [("repository", name, "delete")]
        elif req.method not in ("GET", "HEAD") or verb == "session":
            needs.append(("repository", name, "push"))
        if verb == "start" and req.q("mount") and req.q("from"):
            needs.append(("repository", req.q("from"), "pull"))
        return needs

    def base(self, req):
        return self.json({})

    @staticmethod
    def json(value, status=200, media="application/json", headers=()):
        return Response(status, [("Content-Type", media), *headers], json.dumps(value).encode())

    def listed(self, req, key, names, extra):
        """One page of names, and the Link to the next."""
        n, last = int(req.q("n") or 0) or len(names) or 1, req.q("last")
        n = min(n, self.page or n)
        rest = [x for x in names if last is None or x > last]
        links = []
        if len(rest) > n:
            links = [("Link", f'<{req.path}?n={n}&last={rest[n - 1]}>; rel="next"')]
        return self.json({**extra, key: rest[:n]}, headers=links)

    def catalog(self, req):
        return self.listed(req, "repositories", sorted(self.repos), {})

    def known(self, name):
        if name not in self.repos:
            raise Refuse(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})
        return self.repos[name]

    def tags(self, req, name):
        return self.listed(req, "tags", sorted(self.known(name).tags), {"name": name})

    # --- manifests ---

    def manifests(self, req, name, ref):
        if req.method == "PUT":
            return self.manifest_put(req, name, ref)
        repo = self.known(name)
        d = ref if ":" in ref else repo.tags.get(ref)
        if d not in repo.manifests:
            raise Refuse(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Tag": ref})
        if req.method == "DELETE":
            return self.manifest_delete(repo, ref)
        media, data = repo.manifests[d]
        accept = ",".join(req.all("accept"))
        if self.strict_accept and media not in accept and "*/*" not in accept:
            raise Refuse(404, "MANIFEST_UNKNOWN", f"no such manifest of an accepted type ({media})")
        return Response(200, [("Content-Type", media), ("Docker-Content-Digest", d)], data)

    def manifest_delete(self, repo, ref):
        if not self.delete:
            raise Refuse(405, "UNSUPPORTED")
        if ":" not in ref:
            del repo.tags[ref]
            return Response(202)
        del repo.manifests[ref]
        repo.tags = {t: d for t, d in repo.tags.items() if d != ref}
        return Response(202)

    def manifest_put(self, req, name, ref):
        data = req.body()
        if len(data) > MANIFEST_MAX:
            raise Refuse(413, "MANIFEST_INVALID", "manifest too large")
        alg = ref.split(":")[0] if ":" in ref else "sha256"
        d, media = digest(data, alg), req.header("content-type")
        if ":" in ref and ref != d:
            raise Refuse(400, "DIGEST_INVALID")
        try:
            m = json.loads(data)
        except ValueError:
            raise Refuse(400, "MANIFEST_INVALID") from None
        if m.get("mediaType", media) != media:
            raise Refuse(400, "MANIFEST_INVALID", "mediaType differs from Content-Type")
        repo = self.repo(name)
        self.check_parts(repo, m)
        repo.manifests[d] = (media, data)
        if ":" not in ref:
            repo.tags[ref] = d
        headers = [("Location", f"{req.base}/v2/{name}/manifests/{d}"), ("Docker-Content-Digest", d)]
        if m.get("subject") and self.referrers:
            headers.append(("OCI-Subject", m["subject"]["digest"]))
        return Response(201, headers)

    def check_parts(self, repo, m):
        for child in m.get("manifests") or []:
            if child["digest"] not in repo.manifests and not self.sparse:
                raise Refuse(404, "MANIFEST_UNKNOWN", detail={"digest": child["digest"]})
        for part in [*([m["config"]] if m.get("config") else []), *(m.get("layers") or [])]:
            if part["digest"] not in repo.blobs and not part.get("urls"):
                raise Refuse(404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", {"digest": part["digest"]})

    def list_referrers(self, req, name, subject):
        if not self.referrers:
            raise Refuse(404, "NOT_FOUND")
        found, want = [], req.q("artifactType")
        for d, (media, data) in self.repo(name).manifests.items():
            m = json.loads(data)
            if (m.get("subject") or {}).get("digest") != subject:
                continue
            kind = m.get("artifactType") or (m.get("config") or {}).get("mediaType")
            if want is None or kind == want:
                found.append({"mediaType": media, "digest": d, "size": len(data), "artifactType": kind,
                              **({"annotations": m["annotations"]} if m.get("annotations") else {})})
        at = int(req.q("at") or 0)
        n = self.page or len(found) or 1
        headers = [("OCI-Filters-Applied", "artifactType")] if want else []
        if at + n < len(found):
            more = f"&artifactType={want}" if want else ""
            headers.append(("Link", f'<{req.path}?at={at + n}{more}>; rel="next"'))
        return self.json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found[at:at + n]}, 200, OCI_INDEX, headers)

    # --- blobs ---

    def blobs(self, req, name, d):
        repo = self.known(name)
        if d not in repo.blobs:
            raise Refuse(404, "BLOB_UNKNOWN", "blob unknown to registry", {"digest": d})
        if req.method == "DELETE":
            if not self.delete:
                raise Refuse(405, "UNSUPPORTED")
            del repo.blobs[d]
            return Response(202)
        return self.ranged(req, repo.blobs[d], [("Content-Type", "application/octet-stream"), ("Docker-Content-Digest", d)])

    def ranged(self, req, data, headers):
        headers = [*headers, ("Accept-Ranges", "bytes")] if self.ranges else headers
        m = re.fullmatch(r"bytes=(\d*)-(\d*)", req.header("range") or "")
        if not m or not self.ranges or m[0] == "bytes=-":
            return Response(200, headers, data)
        size = len(data)
        first = int(m[1]) if m[1] else max(0, size - int(m[2]))
        last = min(int(m[2]), size - 1) if m[1] and m[2] else size - 1
        if first >= size or last < first:
            return Response(416, [("Content-Range", f"bytes */{size}")])
        return Response(206, [*headers, ("Content-Range", f"bytes {first}-{last}/{size}")],
                        memoryview(data)[first:last + 1])

    # --- uploads ---

    def start(self, req, name):
        if req.method != "POST":
            raise Refuse(405, "UNSUPPORTED")
        d, source = req.q("mount"), req.q("from")
        if d and self.mount:
            have = [self.repos[source]] if source in self.repos else [] if source else list(self.repos.values())
            for r in have:
                if d in r.blobs:
                    self.repo(name).blobs[d] = r.blobs[d]
                    return self.stored(req, name, d)
        if req.q("digest") and self.single_post:
            data = req.body()
            return self.finish(req, name, Upload(name, "", bytearray(data)), req.q("digest"))
        req.body()
        ident = secrets.token_hex(16)
        with self.lock:
            self.uploads[ident] = Upload(name, secrets.token_hex(8))
        return self.accepted(req, name, ident, 202)

    def stored(self, req, name, d):
        return Response(201, [("Location", f"{req.base}/v2/{name}/blobs/{d}"), ("Docker-Content-Digest", d)])

    def accepted(self, req, name, ident, status):
        u = self.uploads[ident]
        at = f"0-{len(u.data) - 1}" if u.data else self.zero_range
        headers = [("Location", f"{req.base}/v2/{name}/blobs/uploads/{ident}?_state={u.state}%3D%3D"),
                   ("Docker-Upload-UUID", ident), *([("Range", at)] if at else []),
                   *([("OCI-Chunk-Min-Length", str(self.min_chunk))] if self.min_chunk else [])]
        return Response(status, headers)

    def session(self, req, name, ident):
        u = self.uploads.get(ident)
        if u is None or u.repo != name:
            raise Refuse(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if req.method == "DELETE":
            del self.uploads[ident]
            return Response(204)
        with u.lock:                   # one request at a time; a broken one is over first
            if req.method == "GET":
                return self.accepted(req, name, ident, 204)
            if self.strict_state and req.q("_state") != u.state + "==":
                raise Refuse(400, "BLOB_UPLOAD_INVALID", "stale upload state")
            return self.patch(req, name, ident, u) if req.method == "PATCH" else self.put(req, name, ident, u)

    def take(self, req, u):
        """Append the request's body; what came before a break stays."""
        m = re.fullmatch(r"(\d+)-(\d+)", req.header("content-range") or "")
        if self.check_range and req.header("content-range") and (not m or int(m[1]) != len(u.data) or
                                            not req.chunked and int(m[2]) - int(m[1]) + 1 != req.length):
            return False
        while data := req.read():
            u.data += data
        return True

    def patch(self, req, name, ident, u):
        if u.short:                    # only the last may be short: this one shows that it was not
            raise Refuse(416, "BLOB_UPLOAD_INVALID", f"a chunk below {self.min_chunk} bytes was not the last")
        if not self.take(req, u):
            return self.accepted(req, name, ident, 416)
        u.short = 0 < req.length < self.min_chunk
        u.state = secrets.token_hex(8)
        return self.accepted(req, name, ident, 202)

    def put(self, req, name, ident, u):
        d = req.q("digest")
        if not d or not re.fullmatch(DIGEST, d):
            raise Refuse(400, "DIGEST_INVALID", "digest missing or invalid")
        if not self.take(req, u):
            return self.accepted(req, name, ident, 416)
        r = self.finish(req, name, u, d)
        with self.lock:
            self.uploads.pop(ident, None)
        return r

    def finish(self, req, name, u, d):
        if digest(u.data, d.split(":")[0]) != d:
            raise Refuse(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.repo(name).blobs[d] = bytes(u.data)
        return self.stored(req, name, d)
