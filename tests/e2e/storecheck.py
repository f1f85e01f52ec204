# SPDX-License-Identifier: Apache-2.0
"""The store's invariants, checked by code that shares nothing with tare."""
import hashlib
import os
import pathlib
import sqlite3


def check(root, clean=False):
    """
    Rows name only what is there, blobs are what their names say, images are whole. clean: and nothing
    else lies around, as after `tare gc`.
    """
    root = pathlib.Path(root)
    db = sqlite3.connect(f"file:{root}/tare.db?mode=rw", uri=True)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        layers = {r[0].hex() for r in db.execute("SELECT diff_id FROM layers")}
        images = db.execute("SELECT manifest, config FROM images").fetchall()
        builds = {r[0] for r in db.execute("SELECT id FROM builds")}
        used = {r[0].hex() for r in db.execute("SELECT diff_id FROM image_layers UNION SELECT diff_id FROM keys "
                                               "WHERE diff_id IS NOT NULL")}
        assert db.execute("SELECT count(*) FROM tags WHERE manifest NOT IN (SELECT manifest FROM images)"
                          ).fetchone() == (0,), "a name of no image"
        assert db.execute("SELECT count(*) FROM image_layers WHERE manifest NOT IN (SELECT manifest FROM images)"
                          ).fetchone() == (0,), "layers of no image"
    finally:
        db.close()
    files = names(root / "layers")
    stems = {n.partition(".")[0] for n in files}
    assert layers <= stems, f"rows without files: {layers - stems}"
    assert used <= layers, f"used without a row: {used - layers}"
    for n in files:
        stem, _, suffix = n.partition(".")
        assert suffix in ("", "tar", "erofs", "split", "lost"), f"a stranger: layers/{n}"
        if suffix == "tar":
            assert sha256(root / "layers" / n) == stem, f"layer {n}"
        elif suffix:
            assert stem in files or f"{stem}.tar" in files or stem not in layers, f"only {n} of a layer"
    blobs = names(root / "blobs" / "sha256")
    for b in blobs:
        assert hashlib.sha256((root / "blobs" / "sha256" / b).read_bytes()).hexdigest() == b, f"blob {b}"
    needed = {d.hex() for row in images for d in row}
    assert needed <= blobs, f"images without blobs: {needed - blobs}"
    contained = {l for c in names(root / "containers") for l in container_layers(root / "containers" / c)}
    assert contained <= layers, f"containers without layers: {contained - layers}"
    if clean:
        assert stems == layers == used | contained, f"stray layers: {stems ^ (used | contained)}"
        assert blobs == needed, f"stray blobs: {blobs - needed}"
        assert names(root / "work") <= {"pins", "locks"}, f"stray work: {names(root / 'work')}"
        assert names(root / "builds") <= builds, f"stray logs: {names(root / 'builds') - builds}"


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def names(directory):
    try:
        return set(os.listdir(directory))
    except FileNotFoundError:
        return set()


def container_layers(container):
    try:
        return set((container / "layers").read_text().split())
    except (FileNotFoundError, NotADirectoryError):
        return set()
