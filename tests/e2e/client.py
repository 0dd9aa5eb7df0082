"""A server process and raw HTTP/1.1 clients, for end-to-end tests. Standard library only; 127.0.0.1 only."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

PAIR = {"prompt": "Which is larger, 2 or 3?", "response_a": "3", "response_b": "It is 2."}
COMMAND = []  # what starts the server, without --port; set once by the program


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A running process. Leaves with SIGTERM, and must exit 0 unless told otherwise."""

    def __init__(self, *flags, env=None, ready=True, expect=0):
        self.port, self.expect = free_port(), expect
        self.log = tempfile.TemporaryFile()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFERD_")}
        environment.update(env or {})
        self.process = subprocess.Popen([*COMMAND, "--port", str(self.port), "--log-level", "warning", *flags],
                                        stderr=self.log, env=environment)
        self.wait_until(lambda: self.status("/healthz") == 200, 30, "alive")
        if ready:
            self.wait_until(lambda: self.status("/readyz") == 200, 60, "ready")

    def wait_until(self, probe, seconds, what):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(f"exited {self.process.returncode} before it was {what}")
            try:
                if probe():
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise Failure(f"not {what} after {seconds} s")

    def status(self, path, **more):
        return Client(self, timeout=5).get(path, **more).status

    def rss_mib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024

    def metric(self, name, **headers):
        text = Client(self).get("/metrics", **headers).body.decode()
        return sum(float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l.startswith(name))

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                check(self.process.poll() is None or self.expect is None, "the server died during the test")
                code = self.stop()
                check(self.expect is None or code == self.expect, f"exit code {code}, expected {self.expect}")
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log.close()


class Reply:
    def __init__(self, status, headers, body, clean):
        self.status, self.headers, self.body, self.clean = status, headers, body, clean

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json()["error"]

    def closes(self):
        return self.headers.get("connection", "").lower() == "close"


class Client:
    """One connection, raw."""

    def __init__(self, server, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def fill(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                raise Failure("the connection ended inside a head")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def take(self, n):
        while len(self.buffer) < n:
            if not self.fill():
                raise Failure("the connection ended inside a body")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def reply(self, head=False):
        """The next reply, or None when the connection ends before one."""
        while not self.buffer:
            if not self.fill():
                return None
        status = int(self.line().split()[1])
        headers = {}
        while line := self.line():
            name, value = line.decode("latin-1").split(":", 1)
            headers[name.lower()] = value.strip()
        body = b""
        if status == 100 or head:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(self.line(), 16):
                body += self.take(size)
                check(self.take(2) == b"\r\n", "a chunk does not end with CRLF")
            check(self.line() == b"", "no end after the last chunk")
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            while self.fill():
                pass
            body, self.buffer = self.buffer, b""
        return Reply(status, headers, body, True)

    def get(self, path, method="GET", **headers):
        lines = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
        return self.send(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()).reply(head=method == "HEAD")

    def post(self, path, body, type="application/json", **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type}\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        return self.send(head.encode() + body)

    def predict(self, body=PAIR, **headers):
        return self.post("/predict", body, **headers).reply()

    def batch(self, body, **headers):
        return self.post("/batch", body, **headers).reply()

    def closed(self):
        """Has the server closed, within the socket's timeout?"""
        try:
            while self.fill():
                pass
            return True
        except socket.timeout:
            return False

    def close(self):
        self.socket.close()


def status_of(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        return int(s.recv(4096).split()[1])


def in_threads(n, function):
    """Runs function(i) n times at once; the results, exceptions as they are."""
    results = [None] * n

    def run(i):
        try:
            results[i] = function(i)
        except Exception as e:  # noqa: BLE001 (reported by the caller)
            results[i] = e

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results
