# SPDX-License-Identifier: Apache-2.0
"""tare commit: an image of what a container has become."""
import pytest

from kit import running

SCRIPT = ("echo new >/new; rm /etc/group; chmod 600 /d/b; rm -r /gone; mkdir /gone; echo y >/gone/y; "
          "ln -s new /link; ln /new /hard; chown 5:6 /new")


@pytest.fixture
def base(tare, busybox):
    return tare.build("FROM busybox\nENV A=1\nLABEL l=x\nRUN mkdir /d /gone && echo a >/d/a && echo b >/d/b && "
                      "echo x >/gone/x\nCMD [\"echo\", \"base\"]\n").image


@pytest.mark.parametrize("while_it_runs", [True, False])
def test_commit(tare, base, while_it_runs):
    if while_it_runs:
        with running(tare, "-v", "/vol", image=base):
            tare("exec", "cc", "sh", "-c", SCRIPT + "; echo v >/vol/v")
            iid = tare("commit", "-m", "why", "-a", "me", "cc", "made:1").out.strip()
    else:
        tare("run", "--name", "cc", "--network", "none", "-e", "B=2", base, "sh", "-c", SCRIPT)
        iid = tare("commit", "-m", "why", "-a", "me", "cc", "made:1").out.strip()
    i = tare.inspect("made:1")
    assert i["Id"] == iid and i["Author"] == "me" and i["Config"]["Labels"]["l"] == "x"
    assert len(i["RootFS"]["Layers"]) == len(tare.inspect(base)["RootFS"]["Layers"]) + 1
    assert "A=1" in i["Config"]["Env"] and ("B=2" in i["Config"]["Env"]) != while_it_runs
    assert "why" in tare("history", "made:1").out
    r = tare.run("made:1", "sh", "-c", "cat /new /hard /link; ls -A /gone; stat -c '%u:%g %h' /new; stat -c %a /d/b; "
                 "ls /etc/group", code=1)
    assert r.out == "new\nnew\nnew\ny\n5:6 2\n600\n" and "/etc/group" in r.err
    files = tare.files("made:1")
    assert "new" in files and "proc" not in [n for n in files if n == "proc/self"]
    assert files.get("vol") is None or not [n for n in files if n.startswith("vol/")]


def test_changes(tare, base):
    tare("run", "--name", "cc", "--network", "none", base, "true")
    iid = tare("commit", "-c", 'CMD ["echo", "changed"]', "-c", "ENV A=$A-more C=3", "-c", "EXPOSE 80", "-c", "USER 7",
               "cc").out.strip()
    c = tare.config(iid)
    assert c["Cmd"] == ["echo", "changed"] and {"A=1-more", "C=3"} <= set(c["Env"]) and c["User"] == "7"
    assert "80/tcp" in c["ExposedPorts"]
    assert tare.run(iid).out == "changed\n"
    tare.fails("commit", "-c", "RUN true", "cc", says="--change cannot do")
    tare.fails("commit", "-c", "NOSUCH x", "cc", says="NOSUCH")
    tare.fails("commit", "cc", "Bad/Name", says="Bad/Name")
    tare.fails("commit", "nosuch", says="No such container")
