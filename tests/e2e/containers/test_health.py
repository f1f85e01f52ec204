# SPDX-License-Identifier: Apache-2.0
"""Health checks (cases hc-*)."""
import datetime
import signal
import time

import pytest

import harness


def start(tare, *options, image="busybox", name="cc", command=("sleep", "300")):
    return tare("run", "-d", "--name", name, "--network", "none", *options, image, *command).out.strip()


@pytest.fixture(autouse=True)
def gone(tare):
    yield
    ids = tare("ps", "-aq").out.split()
    if ids:
        tare("rm", "-f", "-v", *ids)


def health(tare, name="cc"):
    return tare.inspect(name)["State"].get("Health")


def until(tare, status, name="cc", timeout=30):
    return harness.wait_for(lambda: health(tare, name)["Status"] == status and health(tare, name), timeout,
                            f"{name} to be {status}: {health(tare, name)}")


def at(text):
    return datetime.datetime.fromisoformat(text[:19]).timestamp()


def test_healthy_at_once(tare, busybox):
    """The first probe does not wait for the interval."""
    image = tare.build("FROM busybox\nHEALTHCHECK --interval=1h CMD echo fine; test -e /proc/1\n").image
    start(tare, image=image)
    assert tare("wait", "--condition", "healthy", "cc").out == "healthy\n"
    h = health(tare)
    assert h["Status"] == "healthy" and h["FailingStreak"] == 0
    assert h["Log"][-1]["ExitCode"] == 0 and h["Log"][-1]["Output"] == "fine\n"
    assert h["Log"][-1]["Start"] <= h["Log"][-1]["End"]
    assert "(healthy)" in tare("ps", "--format", "{{.Status}}").out
    for value, want in (("healthy", ["cc"]), ("unhealthy", []), ("none", []), ("starting", [])):
        assert tare("ps", "-f", f"health={value}", "--format", "{{.Names}}").out.split() == want
    assert "health_status: healthy" in tare("events", "--since", "1h", "--until", "0s", code=None).out or \
        "health_status: healthy" in (harness.pathlib.Path(tare.root) / "events.jsonl").read_text()       # hc-013


def test_backs_off_until_it_is(tare, busybox):
    """Early failures are seen and do not count: with an hour between the counted ones it is healthy in no time."""
    start(tare, "--health-cmd", "test -e /ok || { echo no; exit 1; }", "--health-interval", "1h", "--health-retries", "1")
    h = harness.wait_for(lambda: len((health(tare) or {"Log": []})["Log"]) >= 2 and health(tare))
    assert h["Status"] == "starting" and h["FailingStreak"] == 0 and h["Log"][-1]["Output"] == "no\n"
    assert "(health: starting)" in tare("ps", "--format", "{{.Status}}").out
    tare("exec", "cc", "touch", "/ok")
    until(tare, "healthy")
    tare("exec", "cc", "rm", "/ok")


def test_exact_times(tare, busybox):
    start(tare, "--health-cmd", "true", "--health-interval", "1h", "--health-exact")
    time.sleep(1)
    assert health(tare) == {"Status": "starting", "FailingStreak": 0, "Log": []}


def test_hc_004_counting(tare, busybox):
    start(tare, "--health-cmd", "test -e /ok", "--health-interval", "300ms", "--health-retries", "3")
    h = until(tare, "unhealthy")
    assert h["FailingStreak"] >= 3 and len(h["Log"]) <= 5
    assert "(unhealthy)" in tare("ps", "--format", "{{.Status}}").out
    tare("exec", "cc", "touch", "/ok")
    assert until(tare, "healthy")["FailingStreak"] == 0
    tare("exec", "cc", "rm", "/ok")
    until(tare, "unhealthy")
    harness.wait_for(lambda: len(health(tare)["Log"]) == 5)


def test_start_period(tare, busybox):
    start(tare, "--health-cmd", "false", "--health-interval", "100ms", "--health-start-interval", "100ms",
          "--health-retries", "1", "--health-start-period", "1h")
    harness.wait_for(lambda: len(health(tare)["Log"]) == 5)
    assert health(tare)["Status"] == "starting" and health(tare)["FailingStreak"] == 0
    start(tare, "--health-cmd", "false", "--health-interval", "100ms", "--health-start-interval", "100ms",
          "--health-retries", "1", "--health-start-period", "1s", name="c2")
    until(tare, "unhealthy", "c2")


def test_hc_006_start_interval(tare, busybox):
    start(tare, "--health-exact", "--health-start-interval", "300ms", "--health-interval", "1h",
          "--health-start-period", "1h", "--health-cmd",
          "echo x >>/n; test $(wc -l </n) -ge 3")
    h = until(tare, "healthy")
    assert [l["ExitCode"] for l in h["Log"]] == [1, 1, 0]
    time.sleep(0.7)
    assert len(health(tare)["Log"]) == 3


def test_timeout(tare, busybox):
    start(tare, "--health-cmd", "echo slow; sleep 60", "--health-timeout", "300ms", "--health-interval", "200ms",
          "--health-retries", "1")
    h = until(tare, "unhealthy")
    assert h["Log"][-1]["ExitCode"] == -1
    assert h["Log"][-1]["Output"] == "Health check exceeded timeout (0.300s): slow\n"


def test_output_is_bounded(tare, busybox):
    start(tare, "--health-cmd", "yes 0123456789 | head -c 100000; true", "--health-interval", "1h")
    assert len(until(tare, "healthy")["Log"][-1]["Output"]) == 4096


def test_runs_as_the_containers_user(tare, busybox):
    image = tare.build('FROM busybox\nHEALTHCHECK --interval=1h CMD ["sh", "-c", "id -u; pwd; echo $V"]\n').image
    start(tare, "-u", "1000", "-w", "/tmp", "-e", "V=7", image=image)
    assert until(tare, "healthy")["Log"][-1]["Output"] == "1000\n/tmp\n7\n"


def test_probe_that_cannot_start(tare, busybox):
    image = tare.build('FROM busybox\nHEALTHCHECK --interval=100ms --retries=1 CMD ["/no/such"]\n').image
    start(tare, image=image)
    h = until(tare, "unhealthy")
    assert h["Log"][-1]["ExitCode"] == 127 and "/no/such" in h["Log"][-1]["Output"]


def test_hc_007_signals_do_not_disturb(tare, busybox):
    start(tare, "--health-cmd", "test -e /ok", "--health-interval", "200ms", "--health-retries", "1",
          command=("sh", "-c", "trap 'touch /ok' USR1; trap 'rm /ok' USR2; while :; do sleep 0.05; done"))
    until(tare, "unhealthy")
    tare("kill", "-s", "SIGUSR1", "cc")
    until(tare, "healthy")
    tare("kill", "-s", "SIGUSR2", "cc")
    until(tare, "unhealthy")


@pytest.mark.parametrize("options,says", [
    (["--health-cmd", "x", "--health-interval", "-10ms"], "Interval in Healthcheck cannot be less than 1ms"),
    (["--health-cmd", "x", "--health-interval", "500us"], "Interval in Healthcheck cannot be less than 1ms"),
    (["--health-cmd", "x", "--health-timeout", "-100ms"], "Timeout in Healthcheck cannot be less than 1ms"),
    (["--health-cmd", "x", "--health-retries", "-10"], "Retries in Healthcheck cannot be negative"),
    (["--health-cmd", "x", "--health-start-period", "100us"], "StartPeriod in Healthcheck cannot be less than 1ms"),
    (["--health-cmd", "x", "--health-start-interval", "100us"], "StartInterval in Healthcheck cannot be less than 1ms"),
    (["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"),
    (["--health-on-failure", "weep"], "none, kill, stop or restart"),
])
def test_hc_008_009_bad_options(tare, busybox, options, says):
    tare.fails("create", *options, "busybox", code=125, says=says)


def test_hc_009_off(tare, busybox):
    image = tare.build("FROM busybox\nHEALTHCHECK CMD true\n").image
    start(tare, "--no-healthcheck", image=image)
    assert tare.inspect("cc")["Config"]["Healthcheck"]["Test"] == ["NONE"]
    assert health(tare) is None
    assert tare("ps", "-f", "health=none", "--format", "{{.Names}} {{.Status}}").out.startswith("cc Up")
    assert "health" not in tare("ps").out
    tare.fails("wait", "--condition", "healthy", "cc", says="no health check")
    tare.fails("wait", "--condition", "odd", "cc", says="invalid condition")


def test_flags_over_the_image(tare, busybox):
    image = tare.build("FROM busybox\nHEALTHCHECK --interval=7s --retries=4 CMD from-image\n").image
    tare("create", "--name", "cc", "--health-retries", "9", image, "true")
    h = tare.inspect("cc")["Config"]["Healthcheck"]
    assert (h["Test"], h["Interval"], h["Retries"]) == (["CMD-SHELL", "from-image"], 7 * 10**9, 9)


@pytest.mark.parametrize("action,code", [("kill", 137), ("stop", None)])
def test_hc_011_on_failure(tare, busybox, action, code):
    start(tare, "--health-cmd", "false", "--health-interval", "100ms", "--health-retries", "1",
          "--health-on-failure", action, "--stop-timeout", "1")
    got = int(tare("wait", "cc").out)
    assert got == (code or 137)


def test_hc_011_restart(tare, busybox):
    start(tare, "--health-cmd", "test -e /again || { touch /again; exit 1; }", "--health-interval", "100ms",
          "--health-exact", "--health-retries", "1", "--health-on-failure", "restart", "--stop-timeout", "0")
    h = until(tare, "healthy")
    assert h["FailingStreak"] == 0


def test_wait_healthy_that_ends(tare, busybox):
    start(tare, "--health-cmd", "false", "--health-interval", "1h", command=("sleep", "1"))
    tare.fails("wait", "--condition", "healthy", "cc", says="is not running")
    assert tare("wait", "--condition", "not-running", "cc").out == "0\n"


def test_restart_checks_anew(tare, busybox):
    start(tare, "--health-cmd", "true", "--health-interval", "1h")
    first = until(tare, "healthy")["Log"]
    tare("restart", "-t", "0", "cc")
    again = until(tare, "healthy")["Log"]
    assert len(again) == 1 and again != first
