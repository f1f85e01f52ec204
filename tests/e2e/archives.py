# SPDX-License-Identifier: Apache-2.0
"""Makes image archives of every dialect, good ones and hostile ones, with Python's tarfile alone."""
import gzip
import hashlib
import io
import json
import tarfile

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"


def sha(data):
    return hashlib.sha256(data).hexdigest()


def dumps(v):
    return json.dumps(v).encode()


def pack(members, fmt=tarfile.PAX_FORMAT):
    """A tar of (name, value) pairs: bytes, None (a directory), or a TarInfo made by the helpers below."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as t:
        for name, value in members:
            if isinstance(value, tarfile.TarInfo):
                value.name = name
                t.addfile(value)
                continue
            m = tarfile.TarInfo(name)
            m.mode = 0o644
            if value is None:
                m.type, m.mode = tarfile.DIRTYPE, 0o755
            else:
                m.size = len(value)
            t.addfile(m, io.BytesIO(value or b""))
    return out.getvalue()


def special(kind, target="", **kw):
    m = tarfile.TarInfo()
    m.type, m.linkname = kind, target
    for k, v in kw.items():
        setattr(m, k, v)
    return m


def symlink(target):
    return special(tarfile.SYMTYPE, target)


def hardlink(target):
    return special(tarfile.LNKTYPE, target)


class Img:
    """An image to be archived: its layers (uncompressed tars, base first) and config."""

    def __init__(self, *layers, arch="amd64", config=None, diff_ids=None, **fields):
        self.layers = list(layers) or [pack([("etc/", None), ("etc/hello", b"hi\n")])]
        self.diff_ids = diff_ids or ["sha256:" + sha(l) for l in self.layers]
        self.config = dumps({
            "architecture": arch, "os": "linux", "created": "2024-02-03T04:05:06Z",
            "config": config or {"Cmd": ["/bin/sh"], "Env": ["A=1"]},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": [{"created_by": f"step {i}"} for i in range(len(self.layers))], **fields})
        self.id = "sha256:" + sha(self.config)


def docker_manifest(config, tags, layers):
    return [{"Config": config, "RepoTags": tags, "Layers": layers}]


# --- docker-archive, one function for each tool's way; each returns the members in the order it writes ---

def old_docker(img, tags):
    """A directory per layer with VERSION, json and layer.tar; a layer that is there twice is a link."""
    members, seen, names = [], {}, []
    for i, l in enumerate(img.layers):
        d = sha(b"v1 id %d" % i + l)
        members += [(d + "/", None), (d + "/VERSION", b"1.0"), (d + "/json", dumps({"id": d}))]
        if sha(l) in seen:
            members.append((d + "/layer.tar", symlink(f"../{seen[sha(l)]}/layer.tar")))
        else:
            members.append((d + "/layer.tar", l))
            seen[sha(l)] = d
        names.append(d + "/layer.tar")
    config = img.id[7:] + ".json"
    return members + [(config, img.config), ("manifest.json", dumps(docker_manifest(config, tags, names))),
                      ("repositories", dumps({}))]


def skopeo(img, tags):
    """Flat <hex>.tar files, and for old readers directories whose layer.tar is a link."""
    members, names = [], []
    for l in dict.fromkeys(img.layers):
        members.append((sha(l) + ".tar", l))
        members.append((sha(b"v1" + l) + "/layer.tar", symlink(f"../{sha(l)}.tar")))
    names = [sha(l) + ".tar" for l in img.layers]
    config = img.id[7:] + ".json"
    return members + [(config, img.config), ("manifest.json", dumps(docker_manifest(config, tags, names)))]


def crane(img, tags):
    """Names are digests; layers are compressed."""
    zipped = [gzip.compress(l, mtime=0) for l in img.layers]
    names = [sha(z) + ".tar.gz" for z in zipped]
    return [(img.id, img.config), *dict(zip(names, zipped)).items(),
            ("manifest.json", dumps(docker_manifest(img.id, tags, names)))]


def hardlinked(img, tags):
    """Duplicates as hard links, names with "./", gzip layers that are called layer.tar."""
    members, first, names = [], {}, []
    for i, l in enumerate(img.layers):
        name = f"./{i}/layer.tar"
        members.append((name, hardlink(first[sha(l)]) if sha(l) in first else gzip.compress(l)))
        first.setdefault(sha(l), name)
        names.append(f"{i}/layer.tar")
    return [("./manifest.json", dumps(docker_manifest("./c.json", tags, names))), ("./c.json", img.config), *members]


def blob(data):
    return "blobs/sha256/" + sha(data), data


def descriptor(media, data, **kw):
    return {"mediaType": media, "digest": "sha256:" + sha(data), "size": len(data), **kw}


def manifest(img, gz=False, **kw):
    """(manifest bytes, blobs as members)"""
    layers = [gzip.compress(l, mtime=0) if gz else l for l in img.layers]
    m = dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, img.config),
               "layers": [descriptor(OCI_LAYER + ("+gzip" if gz else ""), l) for l in layers], **kw})
    return m, [blob(m), blob(img.config), *[blob(l) for l in layers]]


def index(entries, **kw):
    return dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **kw})


def layout(blobs, entries):
    return [("blobs/", None), ("blobs/sha256/", None), *dict(blobs).items(), ("index.json", index(entries)),
            ("oci-layout", dumps({"imageLayoutVersion": "1.0.0"}))]


def modern(img, tags):
    """Docker 25: an OCI layout with manifest.json."""
    m, blobs = manifest(img)
    names = [blob(l)[0] for l in img.layers]
    entries = [descriptor(OCI_MANIFEST, m, annotations={"io.containerd.image.name": t,
                                                        "org.opencontainers.image.ref.name": t.rpartition(":")[2]})
               for t in tags or []]
    return layout(blobs, entries) + [("manifest.json", dumps(docker_manifest(blob(img.config)[0], tags, names)))]


DOCKER = [old_docker, skopeo, crane, hardlinked, modern]


# --- oci-archive ---

def oci(img, *annotations, gz=True):
    m, blobs = manifest(img, gz)
    return layout(blobs, [descriptor(OCI_MANIFEST, m, annotations=a) if a else descriptor(OCI_MANIFEST, m)
                          for a in annotations or [None]])


def nested(imgs, name, missing=()):
    """index.json -> index -> a manifest per platform and an attestation, as containerd and buildx write it.
    Blobs of the platforms in `missing` are left out."""
    blobs, entries = [], []
    for arch, img in imgs.items():
        m, b = manifest(img)
        entries.append(descriptor(OCI_MANIFEST, m, platform={"os": "linux", "architecture": arch}))
        blobs += [] if arch in missing else b
    att = dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, b"{}"), "layers": []})
    entries.append(descriptor(OCI_MANIFEST, att, platform={"os": "unknown", "architecture": "unknown"},
                              annotations={"vnd.docker.reference.type": "attestation-manifest"}))
    inner = index(entries)
    return layout([*blobs, blob(att), blob(inner)],
                  [descriptor(OCI_INDEX, inner, annotations={"io.containerd.image.name": name})])
