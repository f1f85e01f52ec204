# SPDX-License-Identifier: Apache-2.0
"""What the registry tests share: images of a size, names, credentials."""
import base64
import functools
import random

import archives

PULLED = ("GET", "HEAD")


@functools.lru_cache
def noise(n, seed=1):
    """n bytes that do not compress; the same for the same seed."""
    r = random.Random(seed)
    return b"".join(r.randbytes(min(1 << 24, n - i)) for i in range(0, n, 1 << 24))


def big(*sizes, seed=1):
    """An image with a layer for each size, of about so many bytes as sent."""
    return archives.Img(*[archives.pack([(f"big{i}", noise(n, seed * 100 + i))]) for i, n in enumerate(sizes)])


def many(n):
    """An image of n tiny layers."""
    return archives.Img(*[archives.pack([(f"f{i}", b"layer %d" % i)]) for i in range(n)])


def ref(reg, img):
    return f"{reg.name}/{img.repo}:{img.tag}"


def auth(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def bearers(requests):
    return [r.header("authorization").split(" ")[1] for r in requests if (r.header("authorization") or "").startswith("Bearer ")]
