# SPDX-License-Identifier: Apache-2.0
"""The lowest part of the registry client: a cancelled job ends at once, answers that never end do, nothing is hidden from the journal."""
import json
import signal

import pytest

from fakeauth import Tokens
from fakehttp import Response
from harness import wait_for


@pytest.mark.parametrize("how", ["answer", "body", "gate", "token", "pause"])
def test_interrupt(tare, make_reg, served, how):
    """Wherever the client waits, an interrupt ends it; the limits of time are far away."""
    far = {"TARE_HTTP_STALL": "600s", "TARE_HTTP_ANSWER": "600s"}
    reg = served(Tokens()) if how == "token" else make_reg()
    img = reg.image("a", "v1")
    busy = [("Retry-After", "200")]
    act = {"answer": {"delay": 5}, "body": {"stall": 10}, "token": {"delay": 5}, "gate": {"status": 429, "headers": busy},
           "pause": {"status": 503, "headers": busy}}[how]
    path = {"token": "/token", "body": "/blobs/", "pause": "/blobs/"}.get(how, "/manifests/")
    reg.rule("GET", path, times=1, **act)
    with tare.start("pull", f"{reg.name}/a:{img.tag}", env=far) as p:
        wait_for(lambda: [r for r in list(reg.server.journal) if path in r.target and r.method == "GET"])
        assert p.stop(signal.SIGINT).code == 130


def test_endless_headers(tare, reg):
    img = reg.image("a", "v1")
    reg.rule("HEAD|GET", "/manifests/", status=200, headers=[(f"X-{i}", "y" * 4000) for i in range(200)])
    tare.fails("pull", f"{reg.name}/a:{img.tag}", says="headers")


def test_journal_of_a_pull(tare, reg):
    """Every request is in it once, in the words of the server's own."""
    img = reg.image("a", "v1")
    tare("pull", "--trace-http", "t", f"{reg.name}/a:{img.tag}")
    mine = [json.loads(l) for l in (tare.scratch / "t").read_text().splitlines()]
    mine = sorted((r["method"], r["url"].removeprefix(f"http://{reg.name}"), r["status"], r["bytes_out"]) for r in mine if r["status"])
    assert mine == sorted((r.method, r.target, r.status, r.bytes_out) for r in reg.requests())


@pytest.mark.parametrize("to", ["http://u:p@127.0.0.1:1/x", "file:///etc/passwd", "gopher://h/", "http://h h/", "http://[::1/"])
def test_redirects_to_nonsense(tare, reg, to):
    img = reg.image("a", "v1")
    reg.rule("GET", "/manifests/", call=lambda r: Response(307, [("Location", to)]))
    r = tare.fails("pull", f"{reg.name}/a:{img.tag}", says="sends us elsewhere")
    assert "u:p" not in r.err
