# SPDX-License-Identifier: Apache-2.0
"""Building: stages and variables, image config, history, caching, failures. Names carry the case ids."""
import json
import signal
import time

import pytest

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def out(tare, text, *args, files=None, show="/out"):
    """Build text on busybox and return what its last step left in a file."""
    r = tare.build({"Dockerfile": text, **(files or {})}, *args)
    return tare.files(r.image)[show.strip("/")].text


def history(tare, image):
    """The new entries: (created_by, empty_layer)."""
    return [(h["created_by"], h.get("empty_layer", False)) for h in tare.saved(image).check().history
            if h.get("comment") == "buildkit.dockerfile.v0"]


# ---- stages, FROM, ARG ----

def test_stg_001_arg_in_from(tare, busybox):
    tare.build("ARG tag=nosuchtag\nFROM busybox:${tag}\n", "--build-arg", "tag=latest")
    tare.fails("build", tare.context({"Dockerfile": "ARG tag=nosuchtag\nFROM busybox:${tag}\n"}), says="nosuchtag")


def test_stg_002_003_required_args(tare, busybox):
    ctx = tare.context({"Dockerfile": 'ARG FOO=${FOO:?"custom error"}\nFROM busybox\n'})
    tare.fails("build", ctx, says="custom error")
    tare("build", "--build-arg", "FOO=x", ctx)
    ctx = tare.context({"Dockerfile": 'FROM busybox\nARG FOO\nARG BAR=${FOO:?"foo missing"}\n'})
    tare.fails("build", ctx, says="foo missing")
    tare("build", "--build-arg", "BAR=123", ctx)


def test_stg_004_005_global_and_stage_args(tare, busybox):
    assert out(tare, 'ARG a1="foo bar" a2=box\nARG a3="$a2-foo"\nFROM busy$a2\nARG a3 a4="123 456" a1\n'
                     'RUN echo -n "$a1:$a3:$a4" > /out\n') == "foo bar:box-foo:123 456"
    assert out(tare, 'ARG a1="box"\nARG a2="$a1-foo"\nFROM busy$a1\nARG a2\nARG a3="bar-$a2"\n'
                     'RUN echo -n $a3 >/out\n') == "bar-box-foo"


def test_stg_007_unset_and_empty_args(tare, busybox):
    env = out(tare, "FROM busybox\nARG FOO\nARG BAR=\nRUN env > /out\n").splitlines()
    assert "BAR=" in env and not [l for l in env if l.startswith("FOO")]


def test_stg_010_011_proxies(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN echo -n $HTTP_PROXY:$http_proxy > /out\n"})
    a = tare.build(ctx, "--build-arg", "http_proxy=hp")
    assert tare.files(a.image)["out"].text == "hp:hp"
    assert "hp" not in json.dumps(history(tare, a.image))
    b = tare.build(ctx, "--build-arg", "http_proxy=other")
    assert a.image == b.image, "proxies are in no key"
    c = tare.build({"Dockerfile": "FROM busybox\nRUN echo -n $HTTP_PROXY > /out2\n"},
                   "--build-arg", "HTTP_PROXY=up", "--build-arg", "http_proxy=low")
    assert tare.files(c.image)["out2"].text == "low"


def test_stg_014_015_arg_and_env_order(tare, busybox):
    assert out(tare, "FROM busybox\nARG X\nENV X=v1\nRUN echo -n $X >/out\n", "--build-arg", "X=v2") == "v1"
    r = tare.build("FROM busybox\nENV X=v1\nARG X=v2\nRUN echo -n $X >/out\n")
    assert tare.files(r.image)["out"].text == "v2"
    assert "X=v1" in tare.config(r.image)["Env"]


def test_stg_016_targetstage(tare, busybox):
    text = ('FROM busybox AS base\nRUN echo -n "v:$TARGETSTAGE" >/1\nARG TARGETSTAGE\n'
            'RUN echo -n "v:$TARGETSTAGE" >/2\nFROM base{}\n')
    r = tare.build(text.format(""))
    assert [tare.files(r.image)[f].text for f in "12"] == ["v:", "v:default"]
    r = tare.build(text.format(" AS final"))
    assert tare.files(r.image)["2"].text == "v:final"
    r = tare.build(text.format(" AS foo"), "--target", "FOO")
    assert tare.files(r.image)["2"].text == "v:FOO"


def test_stg_018_stage_by_arg(tare, busybox):
    assert out(tare, "FROM busybox AS build-linux\nRUN echo -n yes >/out\nFROM build-${TARGETOS}\n") == "yes"


def test_stg_020_empty_platform(tare, busybox):
    tare.fails("build", tare.context({"Dockerfile": "FROM --platform=$BULIDPLATFORM busybox\n"}),
               says=["empty platform value from expression $BULIDPLATFORM", "BUILDPLATFORM?", "Dockerfile:1"])


def test_stg_022_027_copy_from_image_and_number(tare, busybox):
    r = tare.build("FROM scratch AS x\nCOPY --from=busybox /bin/busybox /bb\nFROM scratch\nCOPY --from=0 /bb /cc\n")
    assert set(tare.files(r.image)) >= {"cc"}
    assert "bb" not in tare.files(r.image)


def test_stg_028_unused_stage_is_not_run(tare, busybox):
    tare.build("FROM nosuchimage AS never\nRUN false\nFROM busybox\nRUN true\n")


def test_stg_030_lower_case_name(tare, busybox):
    tare.build({"dockerfile": "FROM busybox\n"})


def test_stg_033_scratch_with_entrypoint(tare, busybox):
    c = tare.config(tare.build("FROM scratch\nENTRYPOINT foo bar\nCOPY Dockerfile .\n").image)
    assert c["Entrypoint"] == ["/bin/sh", "-c", "foo bar"] and c["Env"] == [PATH]


def test_stg_035_label_option(tare, busybox):
    r = tare.build("FROM busybox\nLABEL foo=bar both=file\n", "--label", "bar=baz", "--label", "both=cli")
    assert tare.config(r.image)["Labels"] == {"foo": "bar", "bar": "baz", "both": "cli"}


def test_val_040_041_stage_order(tare, busybox):
    tare.fails("build", tare.context({"Dockerfile": "FROM busybox AS target\nCOPY --from=build /d2 /out\n"
                                      "FROM busybox AS build\nFROM target\n"}),
               says=['cannot copy from stage "build", it needs to be defined before current stage "target"',
                     "Dockerfile:2"])
    tare.fails("build", "--target", "bulid", tare.context({"Dockerfile": "FROM busybox AS build\n"}),
               says='target stage "bulid" could not be found (did you mean build?)')
    tare.fails("build", tare.context({"Dockerfile": "ARG foo=bar\n"}), says="no stages to build")


# ---- config ----

def test_cfg_001_003_cmd_and_entrypoint(tare, busybox):
    tare.build('FROM busybox\nCMD ["test"]\n', "-t", "base")
    c = tare.config(tare.build('FROM base\nSHELL ["ls"]\nENTRYPOINT my entrypoint\n').image)
    assert c["Entrypoint"] == ["ls", "my entrypoint"] and not c.get("Cmd")
    c = tare.config(tare.build('FROM busybox AS a\nCMD ["a"]\nFROM a\nENTRYPOINT ["e"]\n').image)
    assert not c.get("Cmd")
    c = tare.config(tare.build('FROM base\nCMD ["own"]\nENTRYPOINT ["e"]\n').image)
    assert c["Cmd"] == ["own"]
    c = tare.config(tare.build('FROM busybox\nENTRYPOINT ["e"]\nENTRYPOINT []\n').image)
    assert not c.get("Entrypoint")


def test_cfg_006_cmd_shell_form(tare, busybox):
    i = tare.saved(tare.build("FROM busybox\nCMD foo bar\n").image)
    assert i.config["config"]["Cmd"] == ["/bin/sh", "-c", "foo bar"]
    assert i.config["config"]["ArgsEscaped"] is True


def test_cfg_007_run_ignores_entrypoint(tare, busybox):
    tare.build('FROM busybox\nENTRYPOINT ["/nosuchcmd"]\nRUN ["ls"]\n')


def test_cfg_008_expose(tare, busybox):
    c = tare.config(tare.build('FROM busybox\nARG PORTS="3000 4000/udp"\nEXPOSE $PORTS\nEXPOSE 5000 80/TCP\n'
                               'EXPOSE 1234-1236/tcp\n').image)
    assert sorted(c["ExposedPorts"]) == ["1234/tcp", "1235/tcp", "1236/tcp", "3000/tcp", "4000/udp", "5000/tcp",
                                         "80/tcp"]


def test_cfg_014_016_017_workdir(tare, busybox):
    r = tare.build("FROM busybox\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c\n")
    assert tare.config(r.image)["WorkingDir"] == "/a/c"
    r = tare.build("FROM busybox\nRUN echo user:x:700:701::/:/bin/sh >>/etc/passwd && mkdir -m 700 /mine && chown 5:6 /mine\n"
                   "USER user\nWORKDIR /mydir/sub\nUSER root\nWORKDIR /mine\n")
    f = tare.files(r.image)
    assert f["mydir/sub"].owner == (700, 701) and f["mydir"].owner == (700, 701) and f["mydir/sub"].mode == 0o755
    assert f["mine"].owner == (5, 6) and f["mine"].mode == 0o700


def test_cfg_021_env_keeps_place(tare, busybox):
    env = tare.config(tare.build("FROM busybox\nENV a=1 b=2\nENV a=3 c=$a\n").image)["Env"]
    assert [e for e in env if e[0] in "abc" and e[1] == "="] == ["a=3", "b=2", "c=1"]


def test_cfg_023_labels_are_unquoted(tare, busybox):
    assert tare.config(tare.build('FROM busybox\nLABEL "a b"=c "d"=\'e f\'\n').image)["Labels"] == {"a b": "c", "d": "e f"}


def test_cfg_025_026_volumes(tare, busybox):
    r = tare.build('FROM busybox\nVOLUME /a\nVOLUME ["/a","/b"]\nRUN mkdir /b && echo x >/b/f\n')
    assert sorted(tare.config(r.image)["Volumes"]) == ["/a", "/b"]
    assert tare.files(r.image)["b/f"].text == "x\n", "what is written below a volume is kept"


def test_cfg_029_health(tare, busybox):
    h = tare.config(tare.build("FROM busybox\nHEALTHCHECK NONE\n").image)["Healthcheck"]
    assert h["Test"] == ["NONE"]
    h = tare.config(tare.build('FROM busybox\nSHELL ["/bin/ash","-c"]\n'
                               "HEALTHCHECK --interval=5s --timeout=3s --retries=3 CMD wget -q x\n").image)["Healthcheck"]
    assert h == {"Test": ["CMD-SHELL", "wget -q x"], "Interval": 5 * 10**9, "Timeout": 3 * 10**9, "Retries": 3}


def test_cfg_032_onbuild_is_stored(tare, busybox):
    r = tare.build("FROM busybox\nONBUILD RUN echo hi\n")
    assert tare.config(r.image)["OnBuild"] == ["RUN echo hi"]
    assert history(tare, r.image) == []


# ---- ONBUILD ----

def test_onb_002_003_triggers_fire_once(tare, busybox):
    tare.build("FROM busybox\nONBUILD RUN echo x >> /fired\n", "-t", "parent")
    r = tare.build("FROM parent AS x\nFROM x AS child\nRUN true\n")
    assert tare.files(r.image)["fired"].text == "x\n"
    assert not tare.config(r.image).get("OnBuild")
    r = tare.build("FROM busybox AS base\nONBUILD RUN echo -n y > /mid\nFROM base AS mid\n")
    assert tare.files(r.image)["mid"].text == "y"


def test_onb_004_trigger_copies_from_stage(tare, busybox):
    tare.build("FROM busybox\nONBUILD COPY --from=src /in /out\n", "-t", "parent")
    assert out(tare, "FROM busybox AS src\nRUN echo -n data >/in\nFROM parent\n") == "data"


# ---- history ----

def test_his_001_texts(tare, busybox):
    r = tare.build('FROM busybox AS base\nRUN echo foo > foo2\nFROM busybox\nLABEL lbl=val\nCOPY --from=base foo2 foo3\n'
                   'WORKDIR /\nRUN echo bar > foo4\nRUN ["ls"]\nEXPOSE 2375 5000 1234/udp\n')
    assert history(tare, r.image) == [
        ("LABEL lbl=val", True), ("COPY foo2 foo3 # buildkit", False), ("WORKDIR /", True),
        ("RUN /bin/sh -c echo bar > foo4 # buildkit", False), ("RUN ls # buildkit", False),
        ("EXPOSE [1234/udp 2375/tcp 5000/tcp]", True)]
    for h in tare.saved(r.image).history:
        assert h["created"]


def test_his_005_args(tare, busybox):
    r = tare.build("FROM busybox\nARG foo=bar\nARG bar=123\nARG foo=bar2\nRUN ls /etc/\n")
    assert [h for h, _ in history(tare, r.image)] == [
        "ARG foo=bar", "ARG bar=123", "ARG foo=bar2", "RUN |2 foo=bar2 bar=123 /bin/sh -c ls /etc/ # buildkit"]


def test_his_008_009_metadata_texts(tare, busybox):
    r = tare.build({"Dockerfile": 'FROM busybox\nVOLUME /a /b\nSHELL ["x","y"]\nUSER u\nSTOPSIGNAL 9\nCMD ["a","b c"]\n'
                    'COPY --chown=1:2 --chmod=644 a b/ /d/\nENV k="v w" l=m\n', "a": "", "b/c": ""})
    assert [h for h, _ in history(tare, r.image)] == [
        "VOLUME [/a /b]", "SHELL [x y]", "USER u", "STOPSIGNAL 9", 'CMD ["a" "b c"]',
        "COPY --chown=1:2 --chmod=644 a b/ /d/ # buildkit", "ENV k=v w l=m"]


def test_his_013_source_date_epoch(tare, busybox):
    i = tare.saved(tare.build("FROM busybox\nWORKDIR /w\nRUN true\nENV a=b\n", "--build-arg",
                              "SOURCE_DATE_EPOCH=1700000001").image)
    new = [h for h in i.history if h.get("comment") == "buildkit.dockerfile.v0"]
    assert {h["created"] for h in new} == {"2023-11-14T22:13:21Z"} and i.config["created"] == "2023-11-14T22:13:21Z"


def test_his_015_step_names(tare, busybox):
    r = tare.build('FROM busybox AS base\nRUN echo "base" > base\nFROM busybox\nCOPY --from=base --chmod=0644 /base /out\n')
    assert '[base 2/2] RUN echo "base" > base' in r.err
    assert "[stage-1 2/2] COPY --from=base --chmod=0644 /base /out" in r.err
    assert "[2/2] RUN true" in tare.build("FROM busybox\nRUN true\n").err


# ---- RUN ----

def test_run_007_hostname(tare, busybox):
    assert out(tare, "FROM busybox\nRUN hostname >/out; grep -c buildkitsandbox /etc/hosts >>/out\n") == "buildkitsandbox\n1\n"
    assert out(tare, "FROM busybox\nRUN hostname >/out\n", "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=foo") == "foo\n"


def test_run_user_forms(tare, busybox):
    base = "FROM busybox\nRUN echo dio:x:1000:1001::/home/dio:/bin/sh >>/etc/passwd; echo sup:x:1002:dio >>/etc/group\n"
    assert "uid=1000(dio) gid=1001 groups=1001,1002(sup)" in out(tare, base + "USER dio\nRUN id >/tmp/o\n", show="tmp/o")
    assert "gid=1002(sup)" in out(tare, base + "USER dio:sup\nRUN id >/tmp/o\n", show="tmp/o")
    assert "uid=1042 gid=1043" in out(tare, base + "USER 1042:1043\nRUN id >/tmp/o\n", show="tmp/o")
    assert "uid=1234 gid=0(root)" in out(tare, base + "USER 1234\nRUN id >/tmp/o\n", show="tmp/o")
    tare.fails("build", tare.context({"Dockerfile": base + "USER nobodyknows\nRUN id\n"}), says="nobodyknows")


def test_run_009_network_none(tare, busybox):
    assert "eth0" not in out(tare, "FROM busybox\nRUN --network=none ip a >/out\n")
    tare.fails("build", tare.context({"Dockerfile": "FROM busybox\nRUN --network=host true\n"}),
               says="network.host is not allowed")


def test_run_012_bind_mounts(tare, busybox):
    files = {"src/a": "A", "hidden": "no", ".dockerignore": "hidden\n"}
    r = tare.build({"Dockerfile": "FROM busybox AS s\nRUN mkdir /d && echo -n S >/d/f\nFROM busybox\nWORKDIR /w\n"
                    "RUN --mount=target=/ctx --mount=from=s,source=/d,target=data cat /ctx/src/a data/f >/out && "
                    "! touch /ctx/x && ! touch data/x && ! test -e /ctx/hidden\n"
                    "RUN --mount=target=/ctx,rw touch /ctx/src/new && test -e /ctx/src/new\n", **files})
    f = tare.files(r.image)
    assert f["out"].text == "AS"
    assert "ctx" not in f and "w/data" not in f, "mount points that had to be made leave no trace"


def test_run_016_tmpfs(tare, busybox):
    assert "size=131072k" in out(tare, "FROM busybox\nRUN --mount=type=tmpfs,target=/dev/shm,size=128m mount | grep shm >/out\n")


def test_run_017_cache_mounts(tare, busybox):
    tare.build("FROM busybox\nRUN --mount=type=cache,target=/mycache echo -n kept > /mycache/f\n")
    assert out(tare, "FROM busybox\nRUN --mount=type=cache,target=/mycache/ cat /mycache/f > /out\n") == "kept"
    assert out(tare, "FROM busybox\nRUN --mount=type=cache,target=/other ls /other | wc -l > /out\n") == "0\n"
    r = tare.build("FROM busybox\nRUN --mount=type=cache,target=/mycache,id=x true\n")
    assert "mycache/f" not in tare.files(r.image)
    assert out(tare, "FROM busybox AS s\nRUN mkdir /d && echo -n S >/d/f\nFROM busybox\n"
               "RUN --mount=type=cache,target=/c,from=s,source=/d,sharing=locked cat /c/f >/out\n") == "S"


def test_run_027_033_secrets(tare, busybox):
    assert out(tare, "FROM busybox\nRUN --mount=type=secret,id=k,env=KEY echo -n \"<${KEY-unset}>\" >/out\n") == "<>"
    tare.fails("build", tare.context({"Dockerfile": "FROM busybox\nRUN --mount=type=secret,id=k,required true\n"}),
               says="secret k: not found")


def test_her_run_forms(tare, busybox):
    assert out(tare, 'FROM busybox\nRUN <<EOF\nname="new world"\necho "Hello ${name}!" > /out\nEOF\n') == "Hello new world!\n"
    assert out(tare, "FROM busybox\nRUN <<EOF\n#!/bin/busybox ash\necho -n $0 > /out\nEOF\n") == "/dev/pipes/EOF"
    assert out(tare, "FROM busybox\nRUN cat <<A | tr a-z A-Z > /out; cat <<B | tr a-z b-za >> /out\nhello\nA\nabc\nB\n") == "HELLO\nbcd\n"
    assert out(tare, "FROM busybox\nRUN <<EOF 3<<IN1 4<<-IN2 cat - /dev/fd/3 /dev/fd/4 > /out\nzero $((1+1))\n"
               "EOF\none\nIN1\n\ttwo\n\tIN2\n") == "zero 2\none\ntwo\n"


def test_her_copy_forms(tare, busybox):
    r = tare.build('FROM busybox\nENV name=world\nCOPY <<EOF <<"RAW" /d/\nhi ${name} \\$x\nEOF\n${name}\\\nRAW\n'
                   "COPY --chmod=777 --chown=3:4 <<EOF /single\nsingle file\nEOF\n")
    f = tare.files(r.image)
    assert f["d/EOF"].text == "hi world $x\n" and f["d/RAW"].text == "${name}\\\n"
    assert f["single"].text == "single file\n" and f["single"].mode == 0o777 and f["single"].owner == (3, 4)
    assert f["d/EOF"].mode == 0o644


def test_run_leaves_no_stubs(tare, busybox):
    r = tare.build("FROM scratch\nCOPY --from=busybox /bin/busybox /busybox\nRUN [\"/busybox\", \"true\"]\n")
    assert {"busybox"} <= set(tare.files(r.image)) - {""} <= {"busybox", "etc"}


# ---- caching ----

def states(r):
    return {s["name"]: s["state"] for s in r.steps() if s["event"] == "done"}


def test_noop_rebuild_keeps_the_id(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /t\nCOPY . /c\nENV a=b\n", "f": "1"})
    a, b = tare.build(ctx), tare.build(ctx, "--progress", "json")
    assert a.image == b.image and set(states(b).values()) == {"cached"}


def test_cac_002_wildcard(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nCOPY foo* files/\nRUN cat /proc/sys/kernel/random/uuid >/u\nCOPY bar files/\n",
                        "foo1": "1", "foo2": "2", "bar": "b"})
    u = lambda: tare.files(tare.build(ctx).image)["u"].text
    first = u()
    (ctx / "bar").write_text("changed")
    assert u() == first
    (ctx / "foo2").write_text("changed")
    assert u() != first


def test_cac_006_007_names_in_keys(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nCOPY d1/f /x\nRUN cat /proc/sys/kernel/random/uuid >/u\n", "d1/f": "1", "d2/f": "1", "d2/g": "1"})
    tare.build(ctx)
    for source, state in (("d2/f", "cached"), ("d2/g", "done")):
        (ctx / "Dockerfile").write_text(f"FROM busybox\nCOPY {source} /x\nRUN cat /proc/sys/kernel/random/uuid >/u\n")
        got = states(tare.build(ctx, "--progress", "json"))
        assert [v for k, v in got.items() if "COPY" in k] == [state]
        assert [v for k, v in got.items() if "RUN" in k] == ["cached"], "the tree is the same in the end"


def test_cac_009_011_args_and_mount_ids(tare, busybox):
    text = "FROM busybox\nARG A=1\nRUN --mount=type=cache,id={},target=/c cat /proc/sys/kernel/random/uuid >/out\n"
    first = out(tare, text.format("a"))
    assert out(tare, text.format("b")) == first
    assert out(tare, text.format("a"), "--build-arg", "A=2") != first


def test_cac_018_same_bytes_rejoin(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox AS gen\nCOPY src /src\nRUN wc -l < /src >/n\n"
                        "FROM busybox\nCOPY --from=gen /n /n\nRUN cat /proc/sys/kernel/random/uuid >/u\n", "src": "a\nb\n"})
    u = lambda: tare.files(tare.build(ctx).image)["u"].text
    first = u()
    (ctx / "src").write_text("c\nd\n")
    assert u() == first, "wc gives the same bytes, so COPY and what follows are cached"
    (ctx / "src").write_text("c\n")
    assert u() != first


def test_mtime_is_in_no_key_but_mode_is(tare, busybox):
    import os
    ctx = tare.context({"Dockerfile": "FROM busybox\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid >/u\n", "f": "1"})
    u = lambda: tare.files(tare.build(ctx).image)["u"].text
    first = u()
    os.utime(ctx / "f", (1, 1))
    assert u() == first
    (ctx / "f").chmod(0o600)
    assert u() != first


def test_no_cache(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox AS a\nRUN cat /proc/sys/kernel/random/uuid >/u\nFROM a AS b\nRUN cat /proc/sys/kernel/random/uuid >/v\n"})
    def get(*args):
        files = tare.files(tare.build(ctx, *args).image)
        return files["u"].text, files["v"].text
    first = get()
    assert get() == first
    both = get("--no-cache")
    assert both[0] != first[0] and both[1] != first[1]
    assert get() == both, "the newest result is the cached one"
    one = get("--no-cache-filter", "b")
    assert one[0] == both[0] and one[1] != both[1]


def test_link_layers_do_not_depend_on_the_base(tare, busybox):
    text = "FROM busybox\nRUN echo {} >/base\nCOPY --link f /deep/dir/f\n"
    a = tare.build({"Dockerfile": text.format(1), "f": "x"})
    b = tare.build({"Dockerfile": text.format(2), "f": "x"}, "--progress", "json")
    assert tare.layers(a.image)[-1] == tare.layers(b.image)[-1]
    assert [v for k, v in states(b).items() if "--link" in k] == ["cached"]
    assert tare.files(b.image)["deep/dir/f"].text == "x"


def test_parallel_stages_overlap(tare, busybox):
    """No clock is read: each stage waits for the other's file in a shared cache mount."""
    wait = "for i in $(seq 600); do [ -e /c/{1} ] && exit 0; sleep 0.1; done; exit 1"
    stage = "FROM busybox AS {0}\nRUN --mount=type=cache,target=/c,id=meet touch /c/{0}; " + wait + "\n"
    tare.build(stage.format("a", "b") + stage.format("b", "a") +
               "FROM busybox\nCOPY --from=a /bin/busybox /a\nCOPY --from=b /bin/busybox /b\n", "--workers", "2")


# ---- input and output ----

def test_dockerfile_and_context_on_stdin(tare, busybox, tmp):
    import io
    import tarfile
    tare("build", "-t", "one", "-", input="FROM busybox\nENV from=stdin\n")
    assert "from=stdin" in tare.config("one")["Env"]
    tare.fails("build", "-", input="FROM busybox\nCOPY f /\n", says="no build context")
    for mode in ("w", "w:gz", "w:xz"):
        b = io.BytesIO()
        with tarfile.open(fileobj=b, mode=mode) as t:
            for name, text in (("Dockerfile", "FROM busybox\nCOPY f /f\n"), ("f", mode)):
                ti = tarfile.TarInfo(name)
                ti.size = len(text)
                t.addfile(ti, io.BytesIO(text.encode()))
        tare("build", "-t", "two", "-", input=b.getvalue())
        assert tare.files("two")["f"].text == mode
    ctx = tare.context({"f": "1"})
    tare("build", "-t", "three", "-f", "-", ctx, input="FROM busybox\nCOPY f /f\n")
    assert tare.files("three")["f"].text == "1"


def test_cpy_040_file_outside_the_context(tare, busybox, tmp):
    ctx = tare.context({"f": "1"})
    (tmp / "Other").write_text("FROM busybox\nCOPY f /f\n")
    tare("build", "-f", "Other", ctx)
    (tmp / "Other.dockerignore").write_text("f\n")
    tare.fails("build", "-f", "Other", ctx, says='"/f": not found')


def test_progress_modes(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN echo hello; echo err >&2; printf part\n"})
    r = tare("build", "--no-cache", "--progress", "plain", ctx)
    assert "hello" in r.err and "err" in r.err and "part" in r.err and "DONE" in r.err and r.out == ""
    events = tare("build", "--no-cache", "--progress", "json", ctx).steps()
    assert {"start", "log", "done"} <= {e["event"] for e in events}
    assert "".join(e["text"] for e in events if e["event"] == "log") == "hello\nerr\npart"
    r = tare("build", "-q", ctx)
    assert r.out.startswith("sha256:") and r.err == ""
    with tare.terminal("build", "--no-cache", ctx) as t:
        t.expect(r"2/2\] RUN echo hello")
        assert t.wait() == 0
    tare.fails("build", "--progress", "fancy", ctx, says="fancy")


def test_failure_report_comes_last(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\n# why\nRUN for i in $(seq 100); do echo line $i; done; \\\n"
                        "    exit 42\nRUN true\n"})
    r = tare.fails("build", "--progress", "plain", ctx, says=["line 61\n", "line 100", ">>> RUN for i"])
    tail = r.err[r.err.rindex("------ last lines"):].rpartition("------")[0]
    assert "line 60\n" not in tail and tail.count("line ") == 40
    assert r.err.strip().splitlines()[-1].endswith("exit code 42")
    path = [l for l in r.err.splitlines() if l.startswith("------ last lines of ")][0].split(" of ")[1]
    assert open(path).read().splitlines() == [f"line {i}" for i in range(1, 101)]


def test_failure_causes(tare, busybox):
    def cause(run, **kw):
        return tare.fails("build", tare.context({"Dockerfile": f"FROM busybox\n{run}\n"}), **kw).err.strip().splitlines()[-1]
    assert cause("RUN sh -c 'kill -9 $$'; exit $?").endswith("exit code 137")
    assert "exit code 127" in cause('RUN ["/nosuch"]')
    assert "exit code 126" in cause('RUN ["/etc"]')


def test_long_output_is_never_clipped(tare, busybox):
    r = tare.build("FROM busybox\nRUN yes 0123456789abcde | head -c 5000000; echo; echo end\n", "--progress", "json")
    text = "".join(e["text"] for e in r.steps() if e["event"] == "log")
    assert len(text) == 5000000 + 5 and text.endswith("end\n")


def test_failed_build_keeps_finished_steps(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/u\nRUN test -e /f\n"})
    tare.fails("build", ctx)
    (ctx / "Dockerfile").write_text("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/u\nRUN test ! -e /f\n")
    r = tare.build(ctx, "--progress", "json")
    assert [v for k, v in states(r).items() if "uuid" in k] == ["cached"]


def test_ctrl_c_stops_at_once(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN echo begun; sleep 1000\n"})
    with tare.start("build", "--progress", "plain", ctx) as b:
        b.expect("begun")
        start = time.monotonic()
        r = b.stop(signal.SIGINT)
        assert r.code == 130, str(r)
        assert time.monotonic() - start < 20
        assert "CANCELED" in r.err


@pytest.mark.parametrize("workers", [1, 4])
def test_killed_build_leaves_garbage_only(tare, busybox, workers):
    text = "FROM busybox\n" + "".join(f"RUN echo {i} > /f{i}; sleep 0.05\n" for i in range(8))
    ctx = tare.context({"Dockerfile": text})
    with tare.start("build", "--workers", str(workers), "--progress", "plain", ctx) as b:
        b.expect("[5/9]")
        b.kill(signal.SIGKILL)
        b.wait()
    r = tare.build(ctx, "--progress", "json")
    assert list(states(r).values()).count("cached") >= 2, "what was committed before is found again"
    tare("gc")
    assert [p for p in (tare.scratch / "store" / "work").iterdir() if p.is_dir() and p.name != "locks"] == []


def test_two_builds_do_the_same_step_once(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /u\n"})
    with tare.start("build", "-t", "a", ctx) as a, tare.start("build", "-t", "b", ctx) as b:
        assert a.wait().code == 0 and b.wait().code == 0
    assert tare.files("a")["u"].text == tare.files("b")["u"].text


def test_workdir_layers_do_not_depend_on_the_day(tare, busybox):
    ctx = tare.context({"Dockerfile": "FROM busybox\nWORKDIR /made/here\n"})
    first = tare.layers(tare.build(ctx).image)
    time.sleep(1.1)     # tar has whole seconds
    assert tare.layers(tare.build(ctx, "--no-cache").image) == first
    tare.fails("build", tare.context({"Dockerfile": "FROM busybox\nWORKDIR /bin/busybox\n"}), says="not a directory")
