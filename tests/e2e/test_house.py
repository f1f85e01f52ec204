# SPDX-License-Identifier: Apache-2.0
"""What comes with the program: the demo, the manual page, completion, installing and removing it."""
import os
import re
import shutil
import subprocess

import pytest

from harness import TOP, run


def commands(tare):
    return re.findall(r"^  ([a-z]+(?: [a-z]+)?) +[A-Z]", tare("--help").out, re.M)


def test_demo(binary, tmp):
    """From Dockerfile to page and back again; what did not change is cached; only the build directory is touched."""
    out = tmp / "build"
    out.mkdir()
    shutil.copy(binary, out / "tare")
    r = run([TOP / "tools" / "demo", out], check=True, timeout=120)
    assert "Hello from a container" in r.out and "Hello again" in r.out
    again = r.out[r.out.index("5. Change one line"):]
    state = {name: how for how, name in re.findall(r"^    (cached|built) *\S* +(\[.*)$", again, re.M)}
    assert [s for n, s in state.items() if "RUN sort" in n] == ["cached"]
    assert [s for n, s in state.items() if "COPY page.html" in n] == ["built"]
    assert "file page.html" in again and "Done:" in again
    assert os.listdir(out) == ["tare"]


def test_manual_has_every_command_and_option(tare):
    manual = tare("__man").out.replace("\\-", "-")
    assert manual.startswith(".TH TARE 1")
    for name in commands(tare):
        assert f".SS tare {name}" in manual, name
        for option in re.findall(r"^  +(?:-\w, )?(--[\w-]+)", tare(*name.split(), "--help").out, re.M):
            assert option == "--help" or option in manual, (name, option)


@pytest.mark.parametrize("words, want", [
    (["ru"], ["run"]), (["build", "--no-cache-f"], ["--no-cache-filter="]), (["hist"], ["history"])])
def test_bash_completion(tare, words, want):
    script = (f'PATH={os.path.dirname(tare.binary)}:$PATH; source {TOP}/tools/completion/tare.bash; '
              'COMP_WORDS=(tare "$@"); COMP_CWORD=$#; _tare; printf "%s\\n" "${COMPREPLY[@]}"')
    r = run(["bash", "-c", script, "bash", *words], env=tare.env(), check=True)
    assert sorted(r.out.split()) == want


def test_install_and_uninstall(tare, tmp):
    (tmp / "page").write_text("page\n")
    items = [f"755:{tare.binary}:bin/tare", f"644:{tmp}/page:share/man/man1/tare.1"]
    top = tmp / "root"
    run([TOP / "tools" / "install", top, *items], check=True)
    assert (top / "bin/tare").stat().st_mode & 0o777 == 0o755
    assert run([top / "bin/tare", "version"]).out.startswith("tare ")
    (top / "share" / "other").write_text("not ours\n")
    run([TOP / "tools" / "install", "-r", top, *items], check=True)
    assert sorted(str(p.relative_to(top)) for p in top.rglob("*")) == ["share", "share/other"]


def test_rules_find_what_they_are_for(tmp):
    """The lint itself: each rule catches a planted mistake."""
    copy = tmp / "tree"
    for name in ("tests/lint", "base", "Makefile"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (TOP / name).is_dir() else shutil.copy)(TOP / name, copy / name)
    (copy / "base" / "bad.c").write_text(
        '/* SPDX-License-Identifier: Apache-2.0 */\n#include "cli/opt.h"\n#include "err.h"\n// comment\n'
        "int counter;\nint f(char *s)\n{\n" + "\ts++;\n" * 101 + "\tstrcpy(s, s);  \n\treturn counter++;\n}\n")
    (copy / "base" / "bad.h").write_text("int f(struct nosuch x);\nsize_t g(void);")
    run(["cc", "-w", "-fpermissive", "-I", TOP, "-I", TOP / "base", "-c", copy / "base/bad.c", "-o", tmp / "bad.o"], check=True)
    (copy / "build/base").mkdir(parents=True)
    shutil.move(tmp / "bad.o", copy / "build/base/bad.o")
    r = subprocess.run([copy / "tests/lint/run", "build"], capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    for rule in ("bad.c:2: base/ may not know cli/", 'bad.c:3: include "err.h" does not start at the root',
                 "bad.c:4: a // comment", "a function of 105 lines", "strcpy() is banned", "blanks at the end",
                 "bad.c:2: a sentence", "bad.c: counter: global state", "bad.h:1: the SPDX line", "bad.h: include guard",
                 "bad.h: no newline", "bad.h: does not compile alone", "bad.c: is not in the Makefile's list"):
        assert rule in r.stdout, rule + "\n" + r.stdout
