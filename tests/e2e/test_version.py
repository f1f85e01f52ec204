# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, version, unknown commands."""


def test_version(tare):
    assert tare("version").out.startswith("tare ")
    assert tare("--version").out == tare("version").out


def test_no_command_is_an_error_and_help_is_not(tare):
    assert "Commands:" in tare(code=1).err
    assert "Commands:" in tare("--help").out


def test_unknown_command_is_named_with_a_guess(tare):
    tare.fails("verzion", says=['unknown command "verzion"', "did you mean version?"])


def test_unknown_option_is_named(tare):
    tare.fails("version", "--nosuch", says="--nosuch")


def test_a_closed_output_is_an_error(tare):
    with open("/dev/full", "w") as full:
        import subprocess
        r = subprocess.run(tare.argv(["version"]), stdout=full, stderr=subprocess.PIPE, env=tare.env(), timeout=20)
    assert r.returncode == 1 and b"could not write" in r.stderr


def test_user_reaches_the_program(as_user, user):
    assert as_user(user)("version").out.startswith("tare ")
