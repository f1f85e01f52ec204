# SPDX-License-Identifier: Apache-2.0
"""A running container for tests of what one does to it."""
import contextlib
import json

import harness


@contextlib.contextmanager
def running(tare, *options, name="cc", image="busybox", command=("sleep", "300"), network="none"):
    """It runs until the block ends; its `tare run` is the value."""
    with tare.start("run", "--name", name, "--network", network, *options, image, *command) as run:
        harness.wait_for(lambda: run.p.poll() is not None or is_up(tare, name), what=f"{name} to run")
        if run.p.poll() is not None:
            raise harness.Failed(f"it has ended:\n{run.result()}")
        try:
            yield run
        finally:
            tare("rm", "-f", "-v", name, code=None)
            run.wait()


def is_up(tare, name):
    return name in tare("ps", "--format", "{{.Names}}").out.split()


def record(tare, store, name):
    """config.json and state.json of a container."""
    cid = tare("ps", "-a", "-q", "--no-trunc", "--filter", f"name={name}").out.split()[0]
    top = store / "containers" / cid
    return json.loads((top / "config.json").read_text()), json.loads((top / "state.json").read_text())
