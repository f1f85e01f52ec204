# SPDX-License-Identifier: Apache-2.0
"""images, inspect, history, tag, rmi, import, save, load: names and archives of every dialect, good and hostile."""
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile

import pytest

import archives
import harness
from archives import Img, pack
from harness import Tare, run

LAYER_A = pack([("etc/", None), ("etc/hello", b"hi\n"), ("bin/", None), ("bin/sh", b"#!/x\n")])
LAYER_C = pack([("c", b"c")])
LAYER_B = pack([("etc/", None), ("etc/.wh.hello", b""), ("etc/new", b"n" * 3000)])


def write(tmp, name, members):
    path = tmp / name
    path.write_bytes(members if isinstance(members, bytes) else pack(members))
    return path


@pytest.fixture
def other(binary, tmp):
    """A second store."""
    (tmp / "other").mkdir()
    return Tare(binary, tmp / "other" / "store", scratch=tmp / "other")


def ids(tare):
    return sorted(tare("images", "-q", "--no-trunc").out.split())


def names(tare):
    return sorted(tare("images", "--format", "{{.Repository}}:{{.Tag}}").out.split())


def empty_store(tare):
    """No image, and after gc no layer and no lease."""
    assert ids(tare) == []
    tare("gc")
    for d in ("layers", "work"):
        left = [p.name for p in (tare.scratch / "store" / d).glob("*") if p.is_dir() or d == "layers"]
        assert left == [], f"{d} holds {left}"


# --- import ---

def test_import(tare, tmp):
    path = write(tmp, "r.tar", LAYER_A)
    r = tare("import", "-c", 'CMD ["/bin/sh", "-c"]', "--change", "ENV X=1 Y='a b'", "-c", "LABEL l=v", "-c",
             "EXPOSE 80", "-c", "USER app", "-c", "WORKDIR /srv", "-c", "VOLUME /data", "-m", "made by hand", path,
             "Foo.example:5000/my/root:v1")
    assert r.out.startswith("sha256:") and len(r.out) == 72
    i = tare.inspect("Foo.example:5000/my/root:v1")
    c = i["Config"]
    assert i["Id"] == r.out.strip()
    assert c["Cmd"] == ["/bin/sh", "-c"] and c["Labels"] == {"l": "v"} and c["User"] == "app"
    assert {"X=1", "Y=a b"} <= set(c["Env"])
    assert list(c["ExposedPorts"]) == ["80/tcp"] and c["WorkingDir"] == "/srv" and list(c["Volumes"]) == ["/data"]
    assert i["Comment"] == "made by hand" and len(i["RootFS"]["Layers"]) == 1
    files = tare.files("Foo.example:5000/my/root:v1")
    assert files["etc/hello"].text == "hi\n"


@pytest.mark.parametrize("how", ["file", "pipe", "gzip", "xz", "zstd", "bzip2"])
def test_import_compressed(tare, tmp, how):
    path = write(tmp, "r.tar", LAYER_A)
    if how in ("file", "pipe"):
        data = LAYER_A
    else:
        if not shutil.which(how):
            pytest.skip(f"no {how}")
        data = subprocess.run([how, "-c", path], capture_output=True, check=True).stdout
        path.write_bytes(data)
    r = tare("import", "-", "x", input=data) if how == "pipe" else tare("import", path, "x")
    assert tare.files("x")["bin/sh"].text == "#!/x\n", r


def test_import_gives_the_same_layer_again(tare, other, tmp):
    a = write(tmp, "a.tar", [("b", b"2"), ("a", b"1")])
    b = write(tmp, "b.tar", gzip.compress(pack([("./a", b"1"), ("./b", b"2")], tarfile.GNU_FORMAT)))
    tare("import", a, "x")
    other("import", b, "x")
    assert tare.layers("x") == other.layers("x")


def test_import_platform(tare, tmp):
    path = write(tmp, "r.tar", LAYER_A)
    tare("import", "--platform", "linux/arm/v7", path, "x")
    i = tare.inspect("x")
    assert (i["Os"], i["Architecture"], i["Variant"]) == ("linux", "arm", "v7")
    tare.fails("import", "--platform", "linux", path, "y", says="not a platform")


@pytest.mark.parametrize("args, says", [
    (["-c", "RUN true"], "--change cannot do"), (["-c", "COPY a /b"], "--change cannot do"),
    (["-c", "FROM busybox"], "--change cannot"), (["-c", "CMDX a"], "unknown instruction"), (["-c", "CMD [1]"], "--change"),
    (["-c", "ENV A=1\nRUN x"], "one line"),
])
def test_import_bad_change(tare, tmp, args, says):
    tare.fails("import", *args, write(tmp, "r.tar", LAYER_A), "x", says=says)
    assert not (tmp / "store").exists() or ids(tare) == []


def test_import_bad_input(tare, tmp):
    tare.fails("import", tmp / "nope", "x", says="nope")
    tare.fails("import", write(tmp, "junk", b"no tar at all" * 100), "x")
    tare.fails("import", write(tmp, "half", LAYER_A[:1500]), "x")
    tare.fails("import", write(tmp, "r.tar", LAYER_A), "Bad/Name", says="not an image name")
    tare.fails("import", write(tmp, "up.tar", [("../up", b"x")]), "x")
    tare.fails("import", write(tmp, "r2.tar", LAYER_A), "x@sha256:" + "0" * 64, says="digest")
    assert not (tmp / "up").exists() and not (tmp.parent / "up").exists()
    empty_store(tare)


# --- names ---

def test_tag_and_rmi(tare, busybox):
    image = tare.inspect(busybox)["Id"]
    tare("tag", "busybox", "localhost:5000/a/b:v1")
    tare("tag", image[7:19], "c")
    tare("tag", "docker.io/library/busybox:latest", "busybox:2")
    assert names(tare) == ["busybox:2", "busybox:latest", "c:latest", "localhost:5000/a/b:v1"]
    assert set(ids(tare)) == {image}
    r = tare("rmi", "c", "busybox:2")
    assert r.out == "Untagged: c:latest\nUntagged: busybox:2\n"
    tare.fails("rmi", image, says="has 2 names")
    r = tare("rmi", "-f", image[:20])
    assert r.out == f"Untagged: busybox:latest\nUntagged: localhost:5000/a/b:v1\nDeleted: {image}\n"
    empty_store(tare)


def test_rmi_goes_on_after_an_error(tare, busybox):
    r = tare.fails("rmi", "nosuch", "busybox", "x//y", says=["no such image: nosuch", "not an image name"])
    assert "Deleted: sha256:" in r.out
    assert ids(tare) == []


def test_a_name_moves_to_another_image(tare, tmp):
    first = tare("import", write(tmp, "a", LAYER_A), "x").out.strip()
    second = tare("import", write(tmp, "b", LAYER_C), "x").out.strip()
    assert tare.inspect("x")["Id"] == second
    assert tare("images", "-q", "--no-trunc", "-f", "dangling=true").out.split() == [first]
    assert "<none>" in tare("images").out


@pytest.mark.parametrize("name", ["", "Alpine", "a//b", "a:", "a@sha256:12", "a" * 300, "x:" + "t" * 129])
def test_bad_names(tare, busybox, name):
    tare.fails("tag", "busybox", name, says="not an image name")
    tare.fails("inspect", name)
    tare.fails("save", "-o", tare.scratch / "f", name)
    assert not (tare.scratch / "f").exists()


def test_64_digits_are_an_id(tare, busybox):
    tare.fails("tag", "busybox", "0" * 64, says="ID")
    tare.fails("inspect", "0" * 64, says="No such object")


@pytest.mark.root
def test_rmi_of_an_image_in_use(tare, busybox):
    image = tare.inspect("busybox")["Id"]
    tare("run", "--network", "none", "--name", "c1", "busybox", "true")
    tare.fails("rmi", "busybox", says=["used by the stopped container", "--force"])
    assert names(tare) == ["busybox:latest"]
    r = tare("rmi", "-f", "busybox")
    assert f"Deleted: {image}" in r.out
    assert tare("ps", "-a", "--format", "{{.Names}}").out.split() == ["c1"]
    tare("rm", "c1")


# --- listing ---

def test_images_filters_and_formats(tare, tmp):
    a = tare("import", "-c", "LABEL k=v", write(tmp, "a", LAYER_A), "one:1").out.strip()
    b = tare("import", "-c", "LABEL k=w", write(tmp, "b", LAYER_C), "host.example/two").out.strip()
    c = tare("import", write(tmp, "c", pack([("d", b"d")]))).out.strip()

    def got(*args):
        return tare("images", "--no-trunc", "-q", *args).out.split()
    assert got() == [c, b, a]
    assert got("-f", "label=k") == [b, a] and got("-f", "label=k=v") == [a] and got("-f", "label=k", "-f", "label=k=w") == [b]
    assert got("-f", "dangling=true") == [c] and got("-f", "dangling=false") == [b, a]
    assert got("-f", f"before={b}") == [a] and got("-f", "since=one:1") == [c, b]
    assert got("-f", "reference=one") == [a] and got("-f", "reference=o*:1") == [a] and got("one:2") == []
    assert got("host.example/*") == [b] and got("*/two:*") == [b]
    tare.fails("images", "-f", "nosuch=1", says="no such filter")
    tare.fails("images", "-f", "dangling=maybe", says="true or false")
    tare.fails("images", "-f", "before=nosuch", says="no such image")
    tare.fails("images", "--format", "{{.Idd}}", says="did you mean ID?")
    tare.fails("images", "--format", "{{.ID", says="template")
    lines = tare("images").out.splitlines()
    assert lines[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert lines[1].split()[:3] == ["<none>", "<none>", c[7:19]]
    assert lines[2].index(b[7:19]) == lines[0].index("IMAGE ID")
    rows = [json.loads(l) for l in tare("images", "--format", "json").out.splitlines()]
    assert [r["Repository"] for r in rows] == ["<none>", "host.example/two", "one"]
    assert tare("images", "--format", "table {{.ID}}\\t{{.Tag}}", "one").out.splitlines()[0].split() == ["IMAGE", "ID", "TAG"]
    digest = tare.inspect("one:1")["RepoDigests"][0].partition("@")[2]
    assert digest in tare("images", "--digests").out
    assert tare.inspect("one@" + digest)["Id"] == a


def test_history(tare, busybox):
    tare.build('FROM busybox\nENV A=1\nCOPY <<EOF /f\nx\nEOF\nCMD ["sh"]\n', "-t", "h")
    lines = tare("history", "h").out.splitlines()
    assert lines[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert [l.split()[0] for l in lines[1:]] == [tare.inspect("h")["Id"][7:19], "<missing>", "<missing>", "<missing>"]
    rows = [json.loads(l) for l in tare("history", "--no-trunc", "--human=false", "--format", "json", "h").out.splitlines()]
    assert [r["CreatedBy"].split()[0] if r["CreatedBy"] else "" for r in rows] == ["CMD", "COPY", "ENV", ""]
    assert [int(r["Size"]) > 0 for r in rows] == [False, True, False, True]
    assert tare("history", "-q", "--no-trunc", "h").out.split()[0] == tare.inspect("h")["Id"]


def test_inspect(tare, busybox):
    r = tare("inspect", "busybox", "nosuch", "busybox:latest", code=1)
    assert [o["RepoTags"] for o in r.json()] == [["busybox:latest"]] * 2
    assert "No such object: nosuch" in r.err
    assert tare("inspect", "nosuch", code=1).out == "[]\n"
    f = "{{.Id}} {{len .RootFS.Layers}} {{range .RepoTags}}<{{.}}>{{end}} {{index .Config.Labels \"x\"}}|{{json .Config.Cmd}}"
    i = tare.inspect("busybox")
    assert tare("inspect", "-f", f, "busybox").out == f"{i['Id']} 1 <busybox:latest> |{json.dumps(i['Config']['Cmd'] or [], separators=(',', ':'))}\n"
    tare.fails("inspect", "-f", "{{.Nope}}", "busybox", says="no field Nope")
    tare.fails("inspect", "--type", "volume", "busybox", says="--type")
    tare.fails("inspect", "--type", "container", "busybox", says="No such container")
    assert tare("inspect", "--type", "image", "--format", "json", "busybox").json()[0]["Id"] == i["Id"]


# --- save and load ---

@pytest.mark.parametrize("fmt", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("way", ["file", "pipe", "gzip"])
def test_round_trip(tare, other, tmp, busybox, fmt, way):
    tare.build("FROM busybox\nENV A=<1>\nCOPY <<EOF /f\nx\nEOF\nLABEL l=v\n", "-t", "app:1", "-t", "r.example/app:2")
    tare("tag", "busybox", "bb:x")
    saved = ["app:1", "r.example/app:2", "bb:x"]
    path = tmp / "a.tar"
    if way == "pipe":
        path.write_bytes(tare("save", "--format", fmt, *saved).raw)
        r = other("load", input=path.read_bytes())
    else:
        tare("save", "--format", fmt, "-o", path, *saved)
        if way == "gzip":
            path.write_bytes(gzip.compress(path.read_bytes(), 1))
        r = other("load", "-i", path)
    assert sorted(r.out.splitlines()) == sorted(f"Loaded image: {n}" for n in saved)
    for n in saved:
        a, b = tare.inspect(n), other.inspect(n)
        for o in (a, b):
            o.pop("Metadata"), o.pop("RepoTags"), o.pop("RepoDigests")
        assert a == b
    assert other.files("app:1")["f"].text == "x\n"
    # what comes out again is the same, to the byte
    other("save", "--format", fmt, "-o", tmp / "b.tar", *saved)
    tare("save", "--format", fmt, "-o", tmp / "c.tar", *saved)
    assert (tmp / "b.tar").read_bytes() == (tmp / "c.tar").read_bytes()


def test_save_by_id_has_no_name(tare, other, tmp, busybox):
    image = tare.inspect("busybox")["Id"]
    tare("save", "-o", tmp / "a.tar", image[7:19])
    assert other("load", "-i", tmp / "a.tar").out == f"Loaded image ID: {image}\n"
    assert names(other) == ["<none>:<none>"]


def test_save_replaces_its_file_at_the_end(tare, tmp, busybox):
    out = tmp / "d" / "a.tar"
    out.parent.mkdir()
    out.write_text("old")
    tare.fails("save", "-o", out, "busybox", "nosuch", says="no such image")
    assert out.read_text() == "old" and os.listdir(out.parent) == ["a.tar"]
    tare("save", "-o", out, "busybox")
    assert tarfile.is_tarfile(out) and os.listdir(out.parent) == ["a.tar"]
    tare.fails("save", "-o", tmp / "d", "busybox", says="is a directory")
    tare.fails("save", "-o", tmp / "no" / "where", "busybox", says="where")
    tare("save", "-o", "/dev/null", "busybox")
    tare.fails("save", "--format", "zip", "-o", out, "busybox", says="no such format")


@pytest.mark.root
def test_save_on_a_full_disk(tare, busybox, small_disk):
    d = small_disk(1)
    (d / "a.tar").write_text("old")
    tare.fails("save", "-o", d / "a.tar", "busybox", says="No space left")
    assert (d / "a.tar").read_text() == "old" and os.listdir(d) == ["a.tar"]


def test_archives_and_terminals(tare, busybox):
    with tare.terminal("save", "busybox") as t:
        t.expect("not for a terminal")
        assert t.wait() == 1
    with tare.terminal("load") as t:
        t.expect("does not come from a terminal")
        assert t.wait() == 1


# --- load: dialects ---

@pytest.mark.parametrize("make", archives.DOCKER, ids=lambda f: f.__name__)
@pytest.mark.parametrize("way", ["file", "pipe", "gzip"])
def test_docker_dialects(tare, tmp, make, way):
    img = Img(LAYER_A, LAYER_B, LAYER_A)
    data = pack(make(img, ["app:1", "r.example/app:2"]))
    if way == "file":
        r = tare("load", "-i", write(tmp, "a.tar", data))
    else:
        r = tare("load", input=gzip.compress(data) if way == "gzip" else data)
    assert sorted(r.out.splitlines()) == ["Loaded image: app:1", "Loaded image: r.example/app:2"]
    i = tare.inspect("app:1")
    assert i["Id"] == img.id and i["RootFS"]["Layers"] == img.diff_ids
    files = tare.files("app:1")
    assert files["etc/hello"].text == "hi\n" and files["etc/new"].size == 3000    # LAYER_A again, on top
    # the given bytes of the layers come back, though they are not how we would write them
    saved = tare.saved("app:1")
    saved.check()
    assert saved.layers == img.layers


@pytest.mark.parametrize("make", archives.DOCKER, ids=lambda f: f.__name__)
def test_docker_without_a_name(tare, tmp, make):
    img = Img()
    assert tare("load", "-i", write(tmp, "a", make(img, None))).out == f"Loaded image ID: {img.id}\n"
    assert ids(tare) == [img.id]


@pytest.mark.parametrize("annotations, loaded", [
    ([{"io.containerd.image.name": "docker.io/library/x:1", "org.opencontainers.image.ref.name": "1"}], ["x:1"]),
    ([{"org.opencontainers.image.ref.name": "r.example/y:2"}], ["r.example/y:2"]),
    ([{"org.opencontainers.image.ref.name": "z:3"}], ["z:3"]),
    ([{"org.opencontainers.image.ref.name": "latest"}], None),
    ([None], None),
    ([{"io.containerd.image.name": "a:1"}, {"io.containerd.image.name": "a:2"}], ["a:1", "a:2"]),
])
@pytest.mark.parametrize("gz", [False, True])
def test_oci_names(tare, tmp, annotations, loaded, gz):
    img = Img(LAYER_A, LAYER_B)
    r = tare("load", "-i", write(tmp, "a", archives.oci(img, *annotations, gz=gz)))
    want = [f"Loaded image: {n}" for n in loaded] if loaded else [f"Loaded image ID: {img.id}"]
    assert r.out.splitlines() == want
    assert set(ids(tare)) == {img.id}


def test_oci_directory(tare, tmp):
    img = Img(LAYER_A)
    with tarfile.open(fileobj=io.BytesIO(pack(archives.oci(img, {"org.opencontainers.image.ref.name": "d:1"})))) as t:
        t.extractall(tmp / "layout")
    assert tare("load", "-i", tmp / "layout").out == "Loaded image: d:1\n"
    config = tmp / "layout" / archives.blob(img.config)[0]
    config.unlink()
    config.symlink_to("/etc/passwd")
    tare.fails("load", "-i", tmp / "layout")


def test_platforms(tare, other, tmp):
    imgs = {a: Img(pack([("arch", a.encode())]), arch=a) for a in ("amd64", "arm64", "s390x")}
    path = write(tmp, "a", archives.nested(imgs, "multi:1"))
    for arch, img in imgs.items():
        tare("load", "--platform", f"linux/{arch}", "-i", path)
        assert tare.inspect("multi:1")["Id"] == img.id
    tare.fails("load", "--platform", "linux/riscv64", "-i", path, says=["no image for linux/riscv64", "linux/s390x"])
    # docker save keeps the whole index but only one platform's blobs
    path = write(tmp, "b", archives.nested(imgs, "multi:1", missing=("arm64", "s390x")))
    assert other("load", "-i", path).out == "Loaded image: multi:1\n"
    assert other.inspect("multi:1")["Id"] == imgs["amd64"].id
    one = write(tmp, "c", archives.skopeo(imgs["s390x"], ["s:1"]))
    other.fails("load", "--platform", "linux/amd64", "-i", one, says="is for linux/s390x")
    assert other("load", "-i", one).out == "Loaded image: s:1\n"


def test_several_images_share_layers(tare, tmp):
    a, b = Img(LAYER_A), Img(LAYER_A, LAYER_B)
    members = archives.skopeo(b, ["b:1"])
    both = json.loads(dict(members)["manifest.json"]) + archives.docker_manifest("a.json", ["a:1"], [archives.sha(LAYER_A) + ".tar"])
    members = [m for m in members if m[0] != "manifest.json"] + [("a.json", a.config), ("manifest.json", archives.dumps(both))]
    assert tare("load", "-i", write(tmp, "x", members)).out == "Loaded image: b:1\nLoaded image: a:1\n"
    assert tare("load", "-q", "-i", tmp / "x").out == ""


def test_unknown_fields_survive(tare, other, tmp):
    img = Img(config={"Cmd": ["x"], "Hostname": "h", "NewThing": {"a": [1, None]}}, future=[1, 2.5, "<&>"])
    tare("load", "-i", write(tmp, "a", archives.skopeo(img, ["u:1"])))
    assert tare.inspect("u:1")["Config"]["NewThing"] == {"a": [1, None]}
    tare("save", "-o", tmp / "b", "u:1")
    other("load", "-i", tmp / "b")
    assert ids(other) == [img.id]


# --- load: hostile and broken archives. Each comes with a benign twin that differs in the one thing ---

GOOD = Img(LAYER_A, LAYER_B)


def changed(members, **replace):
    """members with some values replaced (None: dropped); keys have "_" for "." """
    replace = {k.replace("_", "."): v for k, v in replace.items()}
    return [(n, replace.get(n, v)) for n, v in members if replace.get(n, v) is not None or n not in replace]


def docker(config="c.json", layers=("a.tar", "b.tar"), tags=("ok:1",), img=GOOD, extra=(), a=LAYER_A, b=LAYER_B, first=()):
    return [*first, ("a.tar", a), ("b.tar", b), ("c.json", img.config), *extra,
            ("manifest.json", archives.dumps(archives.docker_manifest(config, list(tags), list(layers))))]


HOSTILE = {
    "config leads out": (docker(config="../c.json"), "leads out"),
    "config is absolute": (docker(config="/etc/passwd"), "leads out"),
    "config is missing": (docker(config="d.json"), "config d.json is not in the archive"),
    "config is a directory": (docker(config="dir", extra=[("dir/", None)]), "is not in the archive"),
    "layer leads out": (docker(layers=("a.tar", "x/../../b.tar")), "leads out"),
    "layer is missing": (docker(layers=("a.tar", "z.tar")), "layer z.tar is not in the archive"),
    "layer too many": (docker(layers=("a.tar", "b.tar", "a.tar")), "Layers has 3 entries, the config 2"),
    "layer too few": (docker(layers=("a.tar",)), "Layers has 1 entries, the config 2"),
    "layers swapped": (docker(layers=("b.tar", "a.tar")), "its bytes are those of"),
    "diff id wrong": (docker(img=Img(LAYER_A, LAYER_B, diff_ids=["sha256:" + archives.sha(LAYER_A), "sha256:" + "1" * 64])),
                      "its bytes are those of"),
    "diff id is a path": (docker(img=Img(LAYER_A, LAYER_B, diff_ids=["sha256:../../x", "sha256:" + "1" * 64])), "diff_ids"),
    "layer is no tar": (docker(b=b"garbage" * 1000), "b.tar"),
    "layer is cut": (docker(b=LAYER_B[:1000]), "b.tar"),
    "layer's gzip is cut": (docker(b=gzip.compress(os.urandom(5000) + LAYER_B)[:3000]), "b.tar"),
    "member leads out": (docker(first=[("../evil", b"x")]), "leads out"),
    "member is absolute": (docker(first=[("/evil", b"x")]), "absolute"),
    "symlink leads out": (docker(first=[("x", archives.symlink("../../etc/passwd"))]), "leads out"),
    "symlink is absolute": (docker(config="x", first=[("x", archives.symlink("/etc/passwd"))]), "a link out of the archive"),
    "hard link leads out": (docker(first=[("x", archives.hardlink("../../etc/passwd"))]), "leads out"),
    "links in a circle": (docker(config="x", first=[("x", archives.symlink("y")), ("y", archives.symlink("x"))]), "too many links"),
    "device": (docker(first=[("dev", archives.special(tarfile.CHRTYPE, devmajor=1, devminor=3))]), "device"),
    "fifo": (docker(first=[("fifo", archives.special(tarfile.FIFOTYPE))]), "FIFO"),
    "manifest twice": (docker() + [("manifest.json", b"[]")], "manifest.json is twice"),
    "manifest huge": (docker(tags=["a%d:1" % i for i in range(200000)]), "larger than"),
    "manifest with many images": ([*docker()[:3], ("manifest.json", archives.dumps(archives.docker_manifest("c.json", [], []) * 1001))],
                                  "more than 1000 images"),
    "manifest no list": (docker()[:3] + [("manifest.json", b'{"Config":"c.json"}')], "not a list"),
    "manifest no json": (docker()[:3] + [("manifest.json", b"[{")], "manifest.json"),
    "manifest nul": (docker()[:3] + [("manifest.json", b"\0" * 100)], "manifest.json"),
    "duplicate keys": (docker()[:3] + [("manifest.json", b'[{"Config":"c.json","Config":"c.json","Layers":["a.tar","b.tar"]}]')],
                       "duplicate"),
    "no config": (docker()[:3] + [("manifest.json", b'[{"Layers":["a.tar","b.tar"]}]')], "Config is missing"),
    "numbers as names": (docker()[:3] + [("manifest.json", b'[{"Config":"c.json","Layers":[1,2]}]')], "names"),
    "bad name": (docker(tags=("Bad//Name",)), "not an image name"),
    "config no json": (docker(img=type("I", (), {"config": b"{]"})), "image config"),
    "config huge": (docker(img=type("I", (), {"config": b" " * (5 << 20)})), "larger than"),
    "config deep": (docker(img=type("I", (), {"config": b"[" * 100000})), "image config"),
    "nothing": ([], "neither manifest.json nor index.json"),
    "a root file system": ([("bin/sh", b"x")], "tare import"),
    "before docker 1.10": ([("repositories", b"{}")], "before 1.10"),
    "empty manifest": ([("manifest.json", b"[]")], "no image"),
    "modern: config's bytes": (changed(archives.modern(GOOD, None), **{archives.blob(GOOD.config)[0]: GOOD.config + b" "}), "do not match"),
    "oci: bad version": (archives.oci(GOOD)[:-1] + [("oci-layout", b'{"imageLayoutVersion":"2.0"}')], "imageLayoutVersion"),
    "oci: index twice": (archives.oci(GOOD) + [("index.json", archives.index([]))], "index.json is twice"),
}


@pytest.mark.parametrize("case", HOSTILE, ids=str)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_hostile_archives(tare, tmp, case, way):
    members, says = HOSTILE[case]
    data = pack(members)
    if way == "file":
        tare.fails("load", "-i", write(tmp, "a", data), says=says)
    else:
        tare.fails("load", input=data, says=says)
    empty_store(tare)
    assert not (tmp / "evil").exists() and not (tmp.parent / "evil").exists() and not os.path.exists("/evil")


@pytest.mark.parametrize("case", ["plain", "dotted", "inner link", "hard link", "extra files", "directory entries"])
def test_their_benign_twins(tare, tmp, case):
    members = {
        "plain": docker(),
        "dotted": docker(config="./c.json", layers=("x/../a.tar", ".//b.tar")),
        "inner link": docker(config="d/x", first=[("d/x", archives.symlink("../y")), ("y", archives.symlink("c.json"))]),
        "hard link": docker(config="x", extra=[("x", archives.hardlink("c.json"))]),
        "extra files": docker(first=[("README", b"x"), ("d/dangling", archives.symlink("nowhere"))]) + [("z/z", b"")],
        "directory entries": docker(first=[("./", None), ("d/", None), ("d/", None)]),
    }[case]
    assert tare("load", "-i", write(tmp, "a", members)).out == "Loaded image: ok:1\n"
    assert ids(tare) == [GOOD.id]


def oci_with(**change):
    """An OCI archive whose manifest, or one of its descriptors, is changed."""
    m, blobs = archives.manifest(GOOD)
    doc = json.loads(m)
    for path, value in change.items():
        at = doc
        *keys, last = path.split("__")
        for k in keys:
            at = at[int(k) if k.isdigit() else k]
        if value is None:
            del at[last]
        else:
            at[last] = value
    m = archives.dumps(doc)
    return archives.layout([archives.blob(m), *blobs[1:]], [archives.descriptor(archives.OCI_MANIFEST, m)])


OCI_HOSTILE = {
    "manifest and index": (oci_with(manifests=[]), "fields of a manifest and of an index"),
    "its type is another": (oci_with(mediaType=archives.OCI_INDEX), "not that of its fields"),
    "digest is a path": (oci_with(config__digest="sha256:../../etc/passwd"), "not a digest"),
    "config missing": (oci_with(config__digest="sha256:" + "2" * 64), "is missing"),
    "config's size": (oci_with(config__size=5), "its descriptor says 5"),
    "layer's size": (oci_with(layers__1__size=10), "its descriptor says 10"),
    "layer missing": (oci_with(layers__1__digest="sha256:" + "2" * 64), "is missing"),
    "negative size": (oci_with(layers__0__size=-1), "size"),
    "layers swapped": (oci_with(layers=list(reversed(json.loads(archives.manifest(GOOD)[0])["layers"]))), "its bytes are those of"),
    "layer too few": (oci_with(layers=json.loads(archives.manifest(GOOD)[0])["layers"][:1]), "has 1 layers, the config 2"),
    "layer of another type": (oci_with(layers__0__mediaType="text/plain"), "no image layer"),
    "schema 1": (oci_with(schemaVersion=1), "schema version 1"),
    "wrong bytes of a layer": (changed(archives.oci(GOOD, gz=False), **{archives.blob(LAYER_B)[0]: LAYER_B[:-512] + b"\1" * 512}), "blobs/sha256/"),
    "wrong bytes of a manifest": (changed(archives.oci(GOOD), **{archives.blob(archives.manifest(GOOD, True)[0])[0]:
                                  archives.manifest(GOOD, True)[0] + b" "}), "do not match"),
    "manifest missing": (changed(archives.oci(GOOD), **{archives.blob(archives.manifest(GOOD, True)[0])[0]: None}), "is missing"),
    "index in a circle of depth": (None, "indexes within each other"),
}


@pytest.mark.parametrize("case", OCI_HOSTILE, ids=str)
def test_hostile_oci(tare, tmp, case):
    members, says = OCI_HOSTILE[case]
    if members is None:
        m, blobs = archives.manifest(GOOD)
        kind = archives.OCI_MANIFEST
        for _ in range(6):
            m2 = archives.index([archives.descriptor(kind, m, platform={"os": "linux", "architecture": "amd64"})])
            blobs.append(archives.blob(m2))
            m, kind = m2, archives.OCI_INDEX
        members = archives.layout(blobs, [archives.descriptor(kind, m)])
    tare.fails("load", "-i", write(tmp, "a", members), says=says)
    empty_store(tare)


def test_benign_oci_twin(tare, tmp):
    assert tare("load", "-i", write(tmp, "a", oci_with(annotations={"a": "b"}))).out == f"Loaded image ID: {GOOD.id}\n"


def test_one_bad_image_spoils_the_archive(tare, tmp):
    """Several images become visible together or not at all."""
    bad = Img(LAYER_A, LAYER_B, diff_ids=GOOD.diff_ids[:1] + ["sha256:" + "1" * 64])
    members = docker(extra=[("bad.json", bad.config)])[:-1] + [("manifest.json", archives.dumps(
        archives.docker_manifest("c.json", ["ok:1"], ["a.tar", "b.tar"]) +
        archives.docker_manifest("bad.json", ["bad:1"], ["a.tar", "b.tar"])))]
    tare.fails("load", "-i", write(tmp, "a", members), says="its bytes are those of")
    empty_store(tare)


@pytest.mark.parametrize("part", [0.01, 0.1, 0.5, 0.9])
def test_cut_archives(tare, tmp, part):
    """An archive that ends too early, plain and compressed; the good one has no bytes after its last member."""
    members = docker(first=[("noise", os.urandom(20000))])
    whole = pack(members).rstrip(b"\0")
    for data in (whole[:int(len(whole) * part)], gzip.compress(whole)[:int(len(whole) * part)]):
        tare.fails("load", "-i", write(tmp, "a", data))
        tare.fails("load", input=data)
    empty_store(tare)
    tare("load", "-i", write(tmp, "a", gzip.compress(pack(members))))


def test_many_members(tare, tmp):
    tare.fails("load", "-i", write(tmp, "a", [("f%d" % i, b"") for i in range(100002)]), says="more than 100000 entries")


def test_what_is_not_an_archive(tare, tmp):
    tare.fails("load", "-i", tmp / "nope", says="nope")
    tare.fails("load", "-i", write(tmp, "junk", os.urandom(4096)))
    tare.fails("load", "-i", write(tmp, "empty", b""))
    tare.fails("load", input=b"")
    tare.fails("load", "-i", "/dev/null")
    (tmp / "dir").mkdir()
    tare.fails("load", "-i", tmp / "dir", says="neither")


def test_load_from_a_silent_pipe_can_be_interrupted(tare):
    r, w = os.pipe()
    with tare.start("load", stdin=r) as p:
        os.write(w, b"\0" * 10)
        os.close(r)
        harness.wait_for(lambda: os.path.isdir(tare.root + "/work") and os.listdir(tare.root + "/work"))
        assert p.stop(signal.SIGINT).code == 130
    os.close(w)
    empty_store(tare)


def test_a_killed_load_leaves_only_garbage(tare, tmp):
    """kill -9 while layers are unpacked: nothing is visible, gc takes the rest, and the load works afterwards."""
    img = Img(LAYER_A, pack([("f%d" % i, b"x" * 100) for i in range(20000)]))
    path = write(tmp, "a", archives.skopeo(img, ["k:1"]))
    with tare.start("load", "-i", path) as p:
        harness.wait_for(lambda: p.p.poll() is not None or any((tmp / "store" / "work").glob("*/*")), what="a layer in flight")
        p.stop(signal.SIGKILL)
    if p.p.returncode != 0:
        empty_store(tare)
    assert tare("load", "-i", path).out == "Loaded image: k:1\n"


def test_two_loads_at_once(tare, tmp):
    img = Img(LAYER_A, pack([("f%d" % i, b"x" * 100) for i in range(3000)]))
    path = write(tmp, "a", archives.skopeo(img, ["k:1"]))
    with tare.start("load", "-i", path) as p, tare.start("load", "-i", path) as q:
        for r in (p.wait(), q.wait()):
            assert r.code == 0 and r.out == "Loaded image: k:1\n", r
    assert ids(tare) == [img.id] and tare.layers("k:1") == img.diff_ids
    tare("gc")
    assert not list((tmp / "store" / "work").glob("*/"))


@pytest.mark.root
@pytest.mark.parametrize("kind", ["user", "user_single"])
def test_an_ordinary_user(request, as_user, tare, tmp, kind):
    t = as_user(request.getfixturevalue(kind))
    img = Img(LAYER_A, LAYER_B, LAYER_A)
    r = t("load", input=pack(archives.skopeo(img, ["u:1"])))
    assert r.out == "Loaded image: u:1\n" and t.layers("u:1") == img.diff_ids
    t("save", "-o", t.scratch / "out.tar", "u:1")
    tare("load", "-i", t.scratch / "out.tar")        # the same image for root
    assert ids(tare) == [img.id]
    t("import", "-", "i:1", input=LAYER_A)
    tare("import", "-", "i:1", input=LAYER_A)
    assert t.layers("i:1") == tare.layers("i:1")
    t("rmi", "u:1", "i:1")


@pytest.mark.root
def test_inspect_of_a_container(tare, busybox):
    tare("run", "--network", "none", "--name", "c1", "-e", "K=v", "busybox", "sh", "-c", "exit 3", code=3)
    c = tare.inspect("c1")
    assert c["Name"] == "/c1" and c["Image"] == tare.inspect("busybox")["Id"] and c["Path"] == "sh"
    assert c["State"]["Status"] == "exited" and c["State"]["ExitCode"] == 3 and not c["State"]["Running"]
    assert "K=v" in c["Config"]["Env"] and c["Config"]["Image"] == "busybox"
    assert tare("inspect", "-f", "{{.State.ExitCode}} {{.Id}}", c["Id"][:12], "c1").out == f"3 {c['Id']}\n" * 2
    r = tare("inspect", "c1", "busybox")
    assert [("RootFS" in o) for o in r.json()] == [False, True]
    tare("rm", "c1")


# --- peers as judges ---

def peer(name, tmp, *args):
    if not shutil.which(name):
        pytest.skip(f"no {name}")
    r = run([name, *args], env={**os.environ, "HOME": str(tmp), "TMPDIR": str(tmp), "XDG_RUNTIME_DIR": str(tmp)})
    assert r.code == 0, r
    return r


def test_skopeo_reads_and_writes(tare, other, tmp, busybox):
    tare.build('FROM busybox\nCOPY <<EOF /f\nx\nEOF\nCMD ["sh"]\n', "-t", "app:1")
    image = tare.inspect("app:1")
    tare("save", "-o", tmp / "d.tar", "app:1")
    tare("save", "--format", "oci-archive", "-o", tmp / "o.tar", "app:1")
    for kind in ("docker-archive", "oci-archive"):
        got = peer("skopeo", tmp, "inspect", f"{kind}:{tmp}/{kind[0]}.tar").json()
        assert got["Layers"] == image["RootFS"]["Layers"] and got["Architecture"] == image["Architecture"]
    peer("skopeo", tmp, "--insecure-policy", "copy", f"docker-archive:{tmp}/d.tar:app:1", f"docker-archive:{tmp}/d2.tar:app:2")
    peer("skopeo", tmp, "--insecure-policy", "copy", f"oci-archive:{tmp}/o.tar", f"oci-archive:{tmp}/o2.tar:app:3")
    other("load", "-i", tmp / "d2.tar")
    other("load", "-i", tmp / "o2.tar")
    assert other.inspect("app:2")["Id"] == image["Id"]
    assert other.layers("app:3") == image["RootFS"]["Layers"]
    assert other.files("app:3")["f"].text == "x\n"


@pytest.mark.root
def test_podman_reads_and_writes(tare, other, tmp, busybox):
    image = tare.inspect("busybox")["Id"]
    opts = ["--root", tmp / "p", "--runroot", tmp / "pr", "--storage-driver", "vfs"]
    for fmt, out in (("docker-archive", "d.tar"), ("oci-archive", "o.tar")):
        tare("save", "--format", fmt, "-o", tmp / out, "busybox")
        peer("podman", tmp, *opts, "load", "-i", tmp / out)
    listed = peer("podman", tmp, *opts, "images", "--no-trunc", "-q").out.split()
    assert set(listed) == {image}
    for fmt in ("docker-archive", "oci-archive"):
        peer("podman", tmp, *opts, "save", "--format", fmt, "-o", tmp / f"p-{fmt}", image[7:])
        other("load", "-i", tmp / f"p-{fmt}")
    assert image in ids(other)
