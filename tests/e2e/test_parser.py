# SPDX-License-Identifier: Apache-2.0
"""
The parser from outside, by `tare debug`: golden pairs of testdata/parser, the public tables, limits.

NAME.in has NAME.out (the tree of `debug ast`) or NAME.err (the messages of `debug ast --check`).
UPDATE=1 rewrites them; a new NAME.in gets the one or the other.
"""
import json
import os
import pathlib
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = TOP / "testdata" / "parser"
SHARED = TOP.parent / "shared" / "data"
UPDATE = os.environ.get("UPDATE") == "1"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the repository")


def debug(binary, *args, text=b"", cwd=DATA):
    if isinstance(text, str):
        text = text.encode()
    return subprocess.run([binary, "debug", *args], input=text, capture_output=True, cwd=cwd, timeout=60)


def json_lines(p):
    assert p.returncode == 0, p.stderr
    return [json.loads(line) for line in p.stdout.splitlines()]


def expected(path, got):
    if UPDATE:
        path.write_bytes(got)
    return path.read_bytes()


@pytest.mark.parametrize("name", sorted(p.stem for p in DATA.glob("*.in")))
def test_golden(binary, name):
    out, err = DATA / f"{name}.out", DATA / f"{name}.err"
    if UPDATE and not out.exists() and not err.exists():
        (err if name.startswith("err-") else out).touch()
    if out.exists():
        p = debug(binary, "ast", f"{name}.in")
        assert p.returncode == 0, p.stderr
        assert p.stdout == expected(out, p.stdout)
    else:
        p = debug(binary, "ast", "--check", f"{name}.in")
        assert (p.returncode, p.stdout) == (1, b"")
        assert p.stderr == expected(err, p.stderr)


def test_every_pair_is_complete():
    for p in DATA.iterdir():
        assert p.suffix in (".in", ".out", ".err")
        assert p.with_suffix(".in").exists(), p
    for p in DATA.glob("*.in"):
        assert p.with_suffix(".out").exists() != p.with_suffix(".err").exists(), p


# ---- the public tables ----

@needs_shared
def test_shared_positive(binary):
    cases = sorted((SHARED / "dockerfile-parser" / "positive").iterdir())
    assert len(cases) > 30
    for case in cases:
        p = debug(binary, "ast", case / "Dockerfile")
        assert p.returncode == 0, (case.name, p.stderr)
        assert p.stdout == (case / "result").read_bytes(), case.name


@needs_shared
def test_shared_negative(binary):
    cases = sorted((SHARED / "dockerfile-parser" / "negative").iterdir())
    assert len(cases) >= 4
    for case in cases:
        p = debug(binary, "ast", case / "Dockerfile")
        assert (p.returncode, p.stdout) == (1, b""), case.name
        assert b"Dockerfile:" in p.stderr and b": error: " in p.stderr, case.name


def table(path):
    """The lines of a table that are neither empty nor comments."""
    lines = path.read_text().split("\n")
    return [line for line in lines if line.strip() and not line.startswith("#")]


@needs_shared
def test_shared_expand(binary):
    rows = [[cell.strip() for cell in line.split("|")] for line in table(SHARED / "expansion" / "envVarTest")]
    rows = [r for r in rows if r[0] in "AU"]
    env = [a for v in ("PWD=/home", "SHELL=bash", "KOREAN=한국어", "NULL=") for a in ("-e", v)]
    got = json_lines(debug(binary, "expand", *env, text="".join(r[1] + "\n" for r in rows)))
    assert len(got) == len(rows) > 200
    for (_, word, want), g in zip(rows, got):
        assert isinstance(g, dict) if want == "error" else g == want, word


@needs_shared
def test_shared_words(binary):
    lines, wants = [], []
    for line in table(SHARED / "expansion" / "wordsTest"):
        if line.startswith("ENV "):
            lines.append(line)
            continue
        text, want = line.split("|")
        lines.append(text.strip())
        wants.append(want.lstrip(" ").split(","))
    got = json_lines(debug(binary, "words", text="\n".join(lines) + "\n"))
    assert len(got) == len(wants) > 20
    for want, g in zip(wants, got):
        assert isinstance(g, dict) if want == ["error"] else g == want


@needs_shared
def test_shared_ignore(binary):
    rows = table(SHARED / "dockerignore.tsv")
    p = debug(binary, "ignore", text="".join(r.rsplit("\t", 1)[0] + "\n" for r in rows))
    assert p.returncode == 0, p.stderr
    assert len(rows) > 60
    assert p.stdout.decode().splitlines() == rows


# ---- the small commands ----

def test_expand_options(binary):
    text = "ENV b=2\n$a$b `$a\n"
    assert json_lines(debug(binary, "expand", "-e", "a=1", "--escape", "`", text=text)) == ["12 $a"]
    assert json_lines(debug(binary, "expand", "-e", "a=1", "--body", text="'$a' \\$a\n")) == ["'1' $a"]
    assert json_lines(debug(binary, "expand", text="${a:?no value}\n")) == [{"error": "a: no value"}]
    assert debug(binary, "expand", "--escape", "x").returncode == 1


def test_ignore_file(binary, tmp):
    (tmp / "ignore").write_text("# comment\n*.log\n!keep.log\nsub\n")
    p = debug(binary, "ignore", tmp / "ignore", text="a.log\nkeep.log\nsub/x\nother\n")
    assert p.stdout.decode().split("\n") == [
        "a.log\ttrue", "keep.log\tfalse", "sub/x\ttrue", "other\tfalse", ""]
    (tmp / "ignore").write_text("fine\n!\n")
    p = debug(binary, "ignore", tmp / "ignore", text="a\n")
    assert (p.returncode, p.stdout) == (1, b"")
    assert b'ignore:2: illegal exclusion pattern: "!"' in p.stderr


def test_stdin_and_no_file(binary, tmp):
    assert debug(binary, "ast", "-", text="FROM a").stdout == b'(from "a")\n'
    for bad in (tmp / "nosuch", tmp):
        p = debug(binary, "ast", bad)
        assert (p.returncode, p.stdout) == (1, b"")
        assert str(bad).encode() in p.stderr


# ---- hostile sizes: each ends soon (the time limit of debug() is for a hang) with one clear cause ----

def test_too_large(binary, tmp):
    with open(tmp / "D", "wb") as f:
        f.write(b"FROM a\n")
        f.truncate(100 << 20)
    p = debug(binary, "ast", tmp / "D")
    assert p.returncode == 1
    assert p.stderr.count(b"\n") <= 2 and b"larger than" in p.stderr


@pytest.mark.parametrize("body, cause", [
    (b"RUN " + b"x" * 65532 + b"\n", b"line 2 has 65537 bytes; at most 65535 are allowed"),
    (b"x\n" * 1_000_000, b"unknown instruction: x"),
    (b"RUN\n" * 300_000, b"more than 250000 instructions"),
    (b"RUN a\\\n" + b"a\\\n" * 2_000_000, b"an instruction of more than 1024 KiB"),
    (b"RUN <<E\n" + b"x\n" * 2_000_000, b"unterminated heredoc"),
    (b"ONBUILD " * 8000 + b"\n", b"Chaining ONBUILD"),
    (b"CMD " + b"[" * 65000 + b"\nX", b"unknown instruction: X"),
], ids=["line", "unknown", "instructions", "instruction", "heredoc", "onbuild", "json"])
def test_limits(binary, body, cause):
    p = debug(binary, "ast", "--check", "-", text=b"FROM a\n" + body)
    assert p.returncode == 1
    assert cause in p.stderr
    assert len(p.stderr) < 100_000


def test_many_heredocs(binary):
    p = debug(binary, "ast", "--check", "-", text=b"FROM a\n" + b"RUN <<E\nx\nE\n" * 100_000)
    assert p.returncode == 0, p.stderr
    assert p.stdout.count(b"\n") == 100_001
