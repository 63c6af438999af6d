"""The real nginx as a child process, with the test's own server block."""
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin")
CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {http}
  server {{
    listen 127.0.0.1:{port};
    {server}
  }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Nginx:
    """Listens on `port` within the `with` block; `http` and `server` go into those blocks."""

    def __init__(self, http, server):
        self.http, self.server = http, server

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        config = pathlib.Path(self.folder.name, "nginx.conf")
        config.write_text(CONFIG.format(folder=self.folder.name, port=self.port, http=self.http,
                                        server=self.server))
        self.process = subprocess.Popen([NGINX, "-p", self.folder.name, "-c", str(config)])
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                assert self.process.poll() is None, "nginx ended"
                time.sleep(0.02)
        raise AssertionError("nginx does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.folder.cleanup()
