# SPDX-License-Identifier: Apache-2.0
"""What the instructions mean: arguments, shells, stages, metadata, heredocs, triggers."""
import pytest


def build(world, ctx, *args):
    r = world.build(ctx, *args, timeout=300)
    image = world.saved(r.image).check()
    return image, image.tree()


def test_argument_scopes(world, context):
    _, tree = build(world, context("args"))
    assert tree["first"].text == "EMPTY=\nLOCAL=local\nNESTED=global-nested\nSHARED=global\n"
    assert tree["env-wins"].text == "env\n"
    assert tree["arg-after-env"].text == "again\n"
    assert tree["child"].text == "EMPTY=\nLOCAL=env\nSHARED=global\n"
    assert tree["none"].text == ""
    assert tree["own"].text == "own set-fallback\n"
    assert tree["platform"].text == "linux amd64\n"


def test_build_args_override(world, context):
    ctx = context("args")
    _, tree = build(world, ctx, "--build-arg", "SHARED=given", "--build-arg", "LOCAL=mine", "--build-arg", "UNSET=set",
                    "--build-arg", "EMPTY=full")
    assert tree["first"].text == "EMPTY=full\nLOCAL=mine\nNESTED=given-nested\nSHARED=given\nUNSET=set\n"
    assert tree["own"].text == "given set-fallback\n"
    assert tree["arg-after-env"].text == "mine\n"


def test_shells(world, context):
    ctx = context("shell")
    image, tree = build(world, ctx)
    assert image.config["config"]["Cmd"] == ["/bin/sh", "-u", "-c", "echo from $0"]
    assert image.config["config"]["Shell"] == ["/bin/sh", "-u", "-c"]
    name, _, flags = tree["flags"].text.strip().partition(" ")
    assert name == "/bin/sh" and "u" in flags
    two, tree = build(world, ctx, "--target", "two")
    assert tree["exec"].text == "exec\n"
    assert two.config["config"]["Entrypoint"] == ["/bin/sh", "-u", "-c", "exec echo entry"]
    assert two.config["config"].get("Cmd") is None


def test_workdirs(world, context):
    image, tree = build(world, context("workdir"))
    assert [tree[n].text for n in "12345"] == [
        "/a/b/d\n", "/a/b\n", "/env/sub/x\n", "/\n", tree["5"].text]
    assert tree["a/b/here/f.txt"].text == "f\n" and tree["exists/new"].type == "dir"
    assert image.config["config"]["WorkingDir"] + "\n" == tree["5"].text


def test_metadata(world, context):
    ctx = context("metadata")
    if hasattr(world, "docker"):            # its version has no --start-interval
        text = (ctx / "Dockerfile").read_text()
        (ctx / "Dockerfile").write_text(text.replace("--start-interval=500ms ", ""))
    image, tree = build(world, ctx)
    c = image.config["config"]
    assert c["Labels"] == {"one": "1", "two": "2 words", "org.example.three": "3", "multi": "ab", "four": ""}
    # A whole instruction is expanded before any of it is set: C does not see its neighbour A.
    assert [e for e in c["Env"] if not e.startswith("PATH=")] == ["A=1", "B=b c", "C=", "D=1 and more"]
    assert sorted(c["ExposedPorts"]) == ["443/tcp", "53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]
    assert c["StopSignal"] == "SIGQUIT" and c["User"] == "1000:www-data" and c["WorkingDir"] == "/srv"
    h = c["Healthcheck"]
    assert h["Test"] == ["CMD-SHELL", "test -f /ok || exit 1"]
    assert (h["Interval"], h["Timeout"], h["StartPeriod"], h["Retries"]) == (90 * 10**9, 5 * 10**9, 10**9, 4)
    assert sorted(c["Volumes"]) == ["/data", "/v1", "/v2"]
    assert c["Entrypoint"] == ["/bin/sh", "-c"] and c["Cmd"] == ["echo a", "b"]
    assert image.config["author"] == "somebody@example.org"
    assert tree["srv"].type == "dir"
    assert image.config["architecture"] == "amd64" and image.config["os"] == "linux"
    # One history entry for each instruction; only the base's and WORKDIR's are layers.
    assert [bool(h.get("empty_layer")) for h in image.history].count(False) == len(image.layers)
    last = [h["created_by"] for h in image.history[1:]]
    assert len(last) == 14
    assert last[-1] == 'CMD ["echo a" "b"]' and last[-3] == "WORKDIR /srv" and last[-4] == "USER 1000:www-data"
    assert world.run(image.id).out == "a\n"


def test_stages_by_number_and_name(world, context):
    image, tree = build(world, context("from"))
    assert [tree[n].text for n in ("zero", "one", "one-again", "inherited")] == ["zero\n", "middle\n", "middle\n",
                                                                                 "middle\n"]
    assert tree["image-passwd"].text.startswith("root:")
    assert len(image.layers) == 1


def test_target_is_found_whatever_its_case(world, context):
    image, tree = build(world, context("from"), "--target", "MIDDLE")
    assert tree["stage"].text == "middle\n" and "zero" not in tree


def test_unneeded_stages_are_not_built(world, context):
    r = world.build(context("parallel"), timeout=300)
    tree = world.files(r.image)
    assert tree["one"].text.count("\n") == 20 and tree["three"].text.count("\n") == 3000
    assert sorted(tree["all"].text.split()) == ["1", "20", "3000"]
    assert "this stage is not needed" not in r.both


@pytest.mark.beyond
def test_heredocs(world, context):
    image, tree = build(world, context("heredocs"))
    assert tree["a"].text == "first\nhere world\nline 1\nline 2\nline 3\n"
    assert tree["b"].text == "from awk\n$PLACE\n"
    assert tree["c"].text == "x here\ny world\n"
    assert tree["files/expanded"].text == 'hello world at here $HOME "quoted"\n'
    assert tree["files/verbatim"].text == "hello ${NAME}\n"
    assert tree["files/tabs"].text == "stripped\nhere\n"
    assert tree["files/tabs"].mode == 0o644 and tree["files/tabs"].owner == (0, 0)
    assert tree["bin/greet"].mode == 0o755 and tree["bin/greet"].owner == (5, 6)
    assert tree["empty"].data == b""
    assert tree["added/EOF"].text == "added\n" and tree["added/plain.txt"].text == "plain\n"
    assert world.run(image.id, "greet").out == "hello from a script\n"


@pytest.mark.beyond
def test_onbuild(world, context):
    ctx = context("onbuild")
    base = world.build(ctx, "-f", ctx / "Dockerfile.base", "-t", "onbuild-base")
    assert len(world.config("onbuild-base")["OnBuild"]) == 5
    _, tree = build(world, ctx, "-t", "onbuild-child", "--build-arg", "WHO=me")
    assert tree["order"].text == "base\ntrigger me\nheredoc\nchild yes\n"
    assert tree["app/app.txt"].text == "app\n"
    assert not world.config("onbuild-child").get("OnBuild")
    _, tree = build(world, ctx, "-f", ctx / "Dockerfile.grandchild")
    assert tree["order"].text == "base\ntrigger me\nheredoc\nchild yes\ngrandchild\n"
    assert base.image


@pytest.mark.parametrize("target, words, says", [
    ("base", [], "entry cmd"), ("base", ["mine"], "entry mine"), ("reset", [], "other"), ("kept", [], "entry mine"),
    ("cleared", [], "bare"), ("shell", [], "/bin/sh shell")])
def test_entrypoint_and_command(world, context, target, words, says):
    r = world.build(context("entry"), "--target", target)
    assert world.run(r.image, *words).out == says + "\n"
