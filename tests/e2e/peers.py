# SPDX-License-Identifier: Apache-2.0
"""Other people's programs that the registry tests talk to: docker-registry and nginx from Debian, on loopback ports."""
import json
import os
import pathlib
import signal
import socket
import subprocess

import harness


def answers(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Daemon:
    """A server in the foreground, as a child; ends with stop() or the with statement."""

    def start(self, argv):
        self.log = open(self.dir / "log", "ab")
        self.p = subprocess.Popen([os.fspath(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self.log,
                                  stderr=self.log, start_new_session=True)
        harness.wait_for(lambda: answers(self.port) or self.p.poll() is not None, 30, f"{argv[0]} to listen")
        if self.p.poll() is not None:
            raise harness.Failed(f"{argv[0]} ended:\n{self.text()}")
        return self

    def text(self):
        return (self.dir / "log").read_text(errors="replace")[-5000:]

    def stop(self, sig=signal.SIGTERM):
        if self.p.poll() is None:
            self.p.send_signal(sig)
            try:
                self.p.wait(10 * harness.slow())
            except subprocess.TimeoutExpired:
                harness.kill_group(self.p)
                self.p.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.stop()


class DockerRegistry(Daemon):
    """
    docker-registry 2.8 with a directory of its own.

    htpasswd: {user: password}; tls: (certificate, key); clients: CA file for client certificates; tokens: a
    fakeauth.Signed whose realm is known; proxy: URL that it is a cache of; readonly: maintenance mode.
    restart() goes on with the same files, port and secret.
    """

    def __init__(self, d, *, htpasswd=None, tls=None, clients=None, tokens=None, proxy=None, readonly=False):
        self.dir, self.port = pathlib.Path(d), harness.free_port()
        self.dir.mkdir(parents=True, exist_ok=True)
        storage = {"filesystem": {"rootdirectory": str(self.dir / "data")}, "delete": {"enabled": True},
                   "maintenance": {"readonly": {"enabled": readonly}, "uploadpurging": {"enabled": False}}}
        conf = {"version": "0.1", "log": {"level": "info", "accesslog": {"disabled": True}}, "storage": storage,
                "http": {"addr": f"127.0.0.1:{self.port}", "secret": "the same after a restart"}}
        if tls:
            conf["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
            if clients:
                conf["http"]["tls"]["clientcas"] = [str(clients)]
        if htpasswd:
            with open(self.dir / "htpasswd", "w") as f:
                for user, password in htpasswd.items():
                    f.write(harness.run(["htpasswd", "-nbB", "-C", "4", user, password], check=True).out.strip() + "\n")
            conf["auth"] = {"htpasswd": {"realm": "tare test", "path": str(self.dir / "htpasswd")}}
        if tokens:
            conf["auth"] = {"token": {"realm": tokens.realm, "service": tokens.service, "issuer": tokens.issuer,
                                      "rootcertbundle": str(tokens.crt)}}
        if proxy:
            conf["proxy"] = {"remoteurl": proxy}
            del storage["maintenance"]
        (self.dir / "config.yml").write_text(json.dumps(conf))
        self.restart()

    def restart(self):
        self.start(["docker-registry", "serve", self.dir / "config.yml"])

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    def blob_file(self, digest):
        hexa = digest.partition(":")[2]
        return self.dir / "data/docker/registry/v2/blobs/sha256" / hexa[:2] / hexa / "data"


class Nginx(Daemon):
    """nginx in front of http://127.0.0.1:port. lines: more of the server block; http: more of the http block;
    location: more of its location; tls: (certificate, key), then with HTTP/2."""

    def __init__(self, d, upstream, *, lines="", http="", location="", tls=None):
        self.dir, self.port = pathlib.Path(d), harness.free_port()
        self.dir.mkdir(parents=True, exist_ok=True)
        temp = "".join(f"{k}_temp_path {self.dir}/{k};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        listen = f"listen 127.0.0.1:{self.port}" + (f" ssl http2; ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]};"
                                                    if tls else ";")
        (self.dir / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.dir}/pid; error_log stderr; {'user root;' if harness.ROOT else ''}
events {{ worker_connections 64; }}
http {{
  access_log {self.dir}/access; {temp} {http}
  server {{
    {listen} {lines}
    location / {{
      proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme; {location}
    }}
  }}
}}
""")
        self.start(["nginx", "-e", "stderr", "-p", self.dir, "-c", self.dir / "nginx.conf"])

    @property
    def name(self):
        return f"127.0.0.1:{self.port}"

    def requests(self):
        return (self.dir / "access").read_text().splitlines()
