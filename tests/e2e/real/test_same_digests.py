# SPDX-License-Identifier: Apache-2.0
"""The same tree gives the same layers: in any store, with any number of workers, as root and as a user."""
import os

import pytest

import harness

CONTEXT = {
    "Dockerfile": """\
FROM busybox AS left
COPY --chmod=755 bin/ /left/bin/
RUN echo left >/left/made && ln /left/made /left/hard && ln -s made /left/soft && rm /left/bin/b \\
 && chown -R 5:6 /left && touch -h -d @1600000000 /left/made /left/soft /left/bin /left /

FROM busybox AS right
COPY --chown=33:34 data /right
RUN mkdir -p /right/deep/er && echo right >/right/deep/er/file && chmod 4711 /right/deep/er/file \\
 && find /right | xargs touch -d @1600000001 && touch -d @1600000001 /

FROM busybox
COPY --from=left /left /all/left
COPY --from=right /right /all/right
COPY --chmod=640 data/one /all/octal
ADD a.tar /all/added
RUN rm -rf /all/left/bin && touch -d @1600000002 /all/left /all /
ENV X=1
CMD ["true"]
""",
    "bin/a": "#!/bin/sh\necho a\n", "bin/b": "#!/bin/sh\necho b\n", "data/one": "one\n", "data/ünï": "name\n",
    "data/sub/" + "l" * 200: "long\n", "data/link": harness.link("one"),
}


def make_context(top):
    harness.write_tree(top, CONTEXT)
    harness.run(["sh", "-c", "tar --sort=name --mtime=@1500000000 --owner=7 --group=8 --numeric-owner "
                 "-cf a.tar bin && chmod 644 a.tar"], cwd=top, check=True)
    for p in [top, *top.rglob("*")]:
        if not p.is_symlink():
            p.chmod(0o755 if p.is_dir() or p.parent.name == "bin" else 0o644)
        os.utime(p, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    return top


def layers(tare, tar, ctx, *args):
    tare("import", tar, "busybox")
    return tare.saved(tare.build(ctx, *args).image).check().diff_ids


@pytest.fixture
def ctx(scratch, tmp):
    return make_context(tmp / "same")


@pytest.fixture
def reference(tare, busybox_tar, ctx):
    return layers(tare, busybox_tar, ctx, "--workers", "4")


def other(binary, tmp, name):
    return harness.Tare(binary, tmp / name, scratch=tmp)


def test_one_worker_and_another_store(binary, tmp, busybox_tar, ctx, reference):
    assert len(reference) == 6
    assert layers(other(binary, tmp, "one"), busybox_tar, ctx, "--workers", "1") == reference


def test_another_directory_with_other_times_of_reading(binary, tmp, busybox_tar, reference):
    again = make_context(tmp / "elsewhere" / "copy")
    assert layers(other(binary, tmp, "two"), busybox_tar, again) == reference


def test_without_cache_in_the_same_store(tare, ctx, reference):
    assert tare.saved(tare.build(ctx, "--no-cache").image).diff_ids == reference


@pytest.mark.root
def test_user_with_ranges(as_user, user, busybox_tar, ctx, reference):
    assert layers(as_user(user), busybox_tar, ctx) == reference


@pytest.mark.root
def test_another_file_system(binary, tmp, small_disk, busybox_tar, ctx, reference):
    disk = small_disk(64)
    assert layers(harness.Tare(binary, disk / "store", scratch=tmp), busybox_tar, ctx) == reference
