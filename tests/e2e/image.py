# SPDX-License-Identifier: Apache-2.0
"""An image file (docker-archive or OCI layout in a tar) read by Python's own tarfile: the tests' oracle."""
import dataclasses
import gzip
import hashlib
import io
import json
import tarfile


@dataclasses.dataclass
class Entry:
    path: str                # no leading or trailing slash; "" is the root directory
    type: str                # "file", "dir", "link", "char", "block", "fifo"
    mode: int                # permission bits with setuid, setgid and sticky
    uid: int
    gid: int
    mtime: int
    size: int = 0
    target: str = ""         # of a symbolic link
    data: bytes = b""        # of a file
    xattrs: dict = dataclasses.field(default_factory=dict)
    hard: str = ""           # the path that it is a hard link to, if the layer has it as one
    dev: tuple = (0, 0)

    @property
    def text(self):
        return self.data.decode()

    @property
    def owner(self):
        return self.uid, self.gid


TYPES = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "link",
         tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo", tarfile.LNKTYPE: "hard"}


def clean(name):
    name = name.strip("/")
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name


def read_layer(data):
    """The members of one layer in order, as Entries; type "hard" where the layer has a hard link."""
    entries = []
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        for m in t:
            x = {k[len("SCHILY.xattr."):]: v.encode("utf-8", "surrogateescape")
                 for k, v in m.pax_headers.items() if k.startswith("SCHILY.xattr.")}
            e = Entry(clean(m.name), TYPES[m.type], m.mode & 0o7777, m.uid, m.gid, int(m.mtime), m.size,
                      m.linkname if m.issym() else "", t.extractfile(m).read() if m.isreg() else b"", x,
                      clean(m.linkname) if m.islnk() else "", (m.devmajor, m.devminor))
            entries.append(e)
    return entries


def remove(tree, path):
    for p in [p for p in tree if p == path or p.startswith(path + "/")]:
        del tree[p]


def apply_layer(tree, entries):
    """OCI image-spec, layer.md: whiteouts act on what lies below, wherever they stand in the tar."""
    for e in entries:
        head, _, name = e.path.rpartition("/")
        if name == ".wh..wh..opq":
            for p in [p for p in tree if p.startswith(head + "/") or not head]:
                tree.pop(p, None)
        elif name.startswith(".wh."):
            remove(tree, f"{head}/{name[4:]}".lstrip("/"))
    for e in entries:
        if e.path.rpartition("/")[2].startswith(".wh."):
            continue
        old = tree.get(e.path)
        if old is not None and not (old.type == "dir" and e.type == "dir"):
            remove(tree, e.path)
        if e.type == "hard":
            e = dataclasses.replace(tree[e.hard], path=e.path, hard=e.hard)
        tree[e.path] = e


class Image:
    """config: the config JSON; layers: bytes of each layer's tar, base first; diff_ids; names."""

    def __init__(self, path):
        with tarfile.open(path) as t:
            files = {clean(m.name): m for m in t if m.isfile() or m.issym() or m.islnk()}
            read = lambda name: t.extractfile(files[name]).read()
            if "manifest.json" in files:
                m = json.loads(read("manifest.json"))[0]
                self.names = m.get("RepoTags") or []
                config, layers = m["Config"], m["Layers"]
            else:
                blob = lambda d: "blobs/" + d["digest"].replace(":", "/")
                top = json.loads(read("index.json"))["manifests"][0]
                self.names = [top.get("annotations", {}).get("org.opencontainers.image.ref.name", "")]
                m = json.loads(read(blob(top)))
                config, layers = blob(m["config"]), [blob(l) for l in m["layers"]]
            self.config_bytes = read(config)
            self.config = json.loads(self.config_bytes)
            self.layers = [self.inflate(read(l)) for l in layers]
        self.diff_ids = self.config["rootfs"]["diff_ids"] or []
        self.id = "sha256:" + hashlib.sha256(self.config_bytes).hexdigest()

    @staticmethod
    def inflate(data):
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data

    @property
    def history(self):
        return self.config.get("history") or []

    def check(self):
        """Digests are true, and there is one layer to each history entry that is not empty."""
        assert ["sha256:" + hashlib.sha256(l).hexdigest() for l in self.layers] == self.diff_ids
        assert len([h for h in self.history if not h.get("empty_layer")]) == len(self.layers)
        return self

    def layer(self, n):
        return read_layer(self.layers[n])

    def tree(self):
        t = {}
        for l in self.layers:
            apply_layer(t, read_layer(l))
        return t
