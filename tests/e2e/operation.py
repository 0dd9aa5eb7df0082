#!/usr/bin/env python3
"""A server's life: keys, administration, bad starts, loading, lost devices, draining, a log that nobody reads.

    operation.py [--only NAME,...] COMMAND...      e.g. operation.py build/fake_server
                                                        operation.py build/preferd serve

As hostile.py, whose clients it shares.
"""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from client import COMMAND, PAIR, Client, Server, check, free_port, status_of
from runner import main, only_fake, test


@test
def keys(_):
    """Keys are asked for before a body is read, never taken from the query, and not needed for health."""
    with Server("--admin-key", "root", env={"PREFERD_API_KEY": "sesame"}) as server:
        c = Client(server)
        check(c.get("/healthz").status == 200 and c.get("/readyz").status == 200, "health needs no key")
        r = Client(server).send(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                b"Content-Length: 4000000\r\n\r\n").reply()
        check(r.status == 401 and "bearer" in r.headers["www-authenticate"].lower(), "401 before the body")
        check(Client(server).post("/predict?key=sesame", PAIR).reply().status == 401, "not in the query")
        check(c.predict(Authorization="Bearer sesame").status == 200, "API key")
        check(c.predict(Authorization="Bearer root").status == 200, "admin key")
        check(Client(server).predict(Authorization="Bearer sesam").status == 401, "a wrong key")
        check(c.get("/metrics").status == 401 and c.get("/info").status == 401, "deny by default")
        check(c.get("/metrics", Authorization="Bearer sesame").status == 200, "metrics with a key")


@test
def admin(_):
    """A reload over HTTP takes the admin key and no path, answers once the package serves, and runs one at a time."""
    def reload(c, body={}, **headers):
        return c.post("/admin/reload", body, **headers).reply()

    with Server() as server:
        check(reload(Client(server), Authorization="Bearer root").status == 404, "no admin key, no /admin")
    with Server("--admin-key", "root", env={"PREFERD_API_KEY": "sesame"}) as server:
        check(reload(Client(server)).status == 401 and reload(Client(server), Authorization="Bearer sesame").status == 401, "the client's key is none")
        c = Client(server)
        done = reload(c, Authorization="Bearer root")
        check(done.status == 200 and set(done.json()) == {"model", "revision", "digest"}, f"{done.status} {done.body}")
        check(c.predict(Authorization="Bearer root").status == 200, "the new package answers")
        check(reload(c, {"package": "/etc"}, Authorization="Bearer root").status == 422, "no path in the body")
        check(c.get("/admin/reload", Authorization="Bearer root").status == 405, "GET")
        metrics = c.get("/metrics", Authorization="Bearer root").body.decode()
        check('preferd_model_reloads_total{result="ok"} 2' in metrics and 'route="/admin/reload"' in metrics, "counted")
        many = [threading.Thread(target=lambda: seen.append(reload(Client(server), Authorization="Bearer root").status)) for _ in range(8)]
        seen = []
        for t in many: t.start()
        for t in many: t.join()
        check(set(seen) <= {200, 409} and 200 in seen and len(seen) == 8, f"at the same time: {seen}")


# ---------------------------------------------------------------------------------------------- operation


@test
def usage(_):
    """Unknown flags and an open host without a key are exit code 2, a port in use 1, each with a message."""
    def run(*flags):
        p = subprocess.run([*COMMAND, *flags], stderr=subprocess.PIPE, stdout=subprocess.PIPE, timeout=30)
        return p.returncode, p.stderr
    code, message = run("--no-such-flag")
    check(code == 2 and message, f"unknown flag: {code}")
    code, message = run("--host", "0.0.0.0", "--port", "0")
    check(code == 2 and b"api-key" in message, f"open host without a key: {code}")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, message = run("--port", str(taken.getsockname()[1]))
        check(code == 1 and b"in use" in message, f"port in use: {code} {message}")


@only_fake
def loading(_):
    """While the model loads, health answers and work is refused with 503; SIGTERM ends a load, and a failed one exits 1."""
    with Server("--fake-load-ms", "1500", ready=False) as server:
        check(server.status("/readyz") == 503, "not ready")
        r = Client(server).predict()
        check(r.status == 503 and int(r.headers["retry-after"]) >= 1, "503 + Retry-After while loading")
        server.wait_until(lambda: server.status("/readyz") == 200, 5, "ready")
        check(Client(server).predict().status == 200, "served after loading")
    with Server("--fake-load-ms", "60000", ready=False, expect=None) as server:
        begin = time.monotonic()
        server.stop()
        check(time.monotonic() - begin < 5, "SIGTERM while loading")
    code = subprocess.run([*COMMAND, "--port", "0", "--fake-fail", "--log-level", "off"], stderr=subprocess.PIPE, timeout=20)
    check(code.returncode == 1 and b"asked to fail" in code.stderr, "a failed load")


@only_fake
def devices(_):
    """A lost device, also the only one, and a device without memory are logged and counted."""
    with Server() as server:
        def logged(event):
            return [line for line in os.pread(server.log.fileno(), 1 << 20, 0).decode().splitlines() if f"event={event} " in line]

        c = Client(server)
        check(c.predict({**PAIR, "response_a": "HALVED"}).status == 200, "halved batches are answered")
        check(server.metric("preferd_batches_halved_total") == 1, "a halved batch is counted")
        server.wait_until(lambda: logged("batch_halved"), 5, "told of a halved batch")
        r = c.predict({**PAIR, "response_a": "LOST"})
        check(r.status == 503 and r.error()["code"] == "device_failed", f"a lost device: {r.status}")
        check(server.metric('preferd_devices{state="lost"}') == 1, "the only device is counted as lost")
        check(server.metric('preferd_devices{state="working"}') == 0, "none works")
        check(c.get("/info").json()["devices"]["lost"] == "cuda:0 fell off the bus", "/info says what it said")
        server.wait_until(lambda: logged("device_lost"), 5, "told of the lost device")
        check("fell off the bus" in logged("device_lost")[0] and "working=0 of=1" in logged("device_lost")[0], "what, and how many")
        server.wait_until(lambda: server.status("/readyz") == 200, 5, "asked again")
        check(c.predict().status == 200 and server.metric('preferd_devices{state="working"}') == 1, "it came back")
        server.wait_until(lambda: logged("device_back"), 5, "told that it came back")
        check(len(logged("device_lost")) == 1 and len(logged("batch_halved")) == 1, "each is told once")


@only_fake
def stuck(_):
    """A batch that takes far too long makes the server unready until it ends."""
    with Server("--fake-batch-us", "2500000", "--stuck-ms", "300") as server:
        c = Client(server).post("/predict", PAIR)
        server.wait_until(lambda: Client(server).get("/readyz").body == b'{"status":"failing","reason":"stuck"}', 2, "stuck")
        check(server.metric("preferd_batch_stuck") == 1 and server.metric("preferd_ready") == 0, "metrics")
        check(server.status("/healthz") == 200, "alive")
        server.wait_until(lambda: b"event=batch_stuck " in os.pread(server.log.fileno(), 1 << 20, 0), 5, "told of it")
        check(c.reply().status == 200, "the batch ends")
        server.wait_until(lambda: server.status("/readyz") == 200, 5, "ready again")
        check(server.metric("preferd_batch_stuck") == 0, "no longer stuck")
        server.wait_until(lambda: b"event=batch_unstuck" in os.pread(server.log.fileno(), 1 << 20, 0), 5, "told of its end")


@only_fake
def backlog(_):
    """What would wait too long is refused at once, and accepted after Retry-After; a proxy's deadline counts."""
    long = {**PAIR, "prompt": "x" * 400}
    with Server("--fake-token-ns", "1000000", "--max-wait-ms", "500", "--bulk-max-wait-ms", "1000") as server:
        c = Client(server)
        check(c.predict(long).status == 200, "the first pair is measured")
        flood = Client(server).post("/batch", {"items": [long] * 35})  # some 3.9 s
        server.wait_until(lambda: server.metric("preferd_queue_tokens") > 2000, 2, "a backlog")
        refused = c.batch({"items": [long]})
        check(refused.status == 429 and "wait" in refused.error()["message"], f"bulk: {refused.status} {refused.body}")
        wait = int(refused.headers["retry-after"])
        check(2 <= wait <= 4, f"Retry-After: {wait}")
        single = c.predict(long)
        check(single.status == 200, "its turn comes first")
        r = c.predict(long, x_envoy_expected_rq_timeout_ms="5")
        check(r.status == 504, f"a proxy's deadline: {r.status}")
        check(server.metric('preferd_admission_rejected_total{reason="max_wait"}') == 1, "counted")
        time.sleep(wait)
        check(c.batch({"items": [long]}).status == 200, "accepted after Retry-After")
        check(flood.reply().status == 200, "what was accepted is answered")


@test
def supervised(_):
    """Under systemd: told when it is ready, alive and stopping, and given a socket."""
    folder = tempfile.mkdtemp()
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(os.path.join(folder, "notify"))
    told.settimeout(60)

    def words():
        return told.recv(4096).decode()

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFERD_")}
    environment |= {"NOTIFY_SOCKET": os.path.join(folder, "notify"), "WATCHDOG_USEC": "200000", "LISTEN_FDS": "1"}
    # Descriptor 3 and the process's own id, as systemd passes them.
    start = ["sh", "-c", f'exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec "$@"', "sh", *COMMAND]
    try:
        p = subprocess.Popen(start, env=environment, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        while (word := words()) == "WATCHDOG=1":
            pass
        check(word == "READY=1" and status_of(port, "/readyz") == 200, f"ready on the socket that was passed: {word}")
        check([words() for _ in range(3)] == ["WATCHDOG=1"] * 3, "alive")
        p.send_signal(signal.SIGTERM)
        while (word := words()) == "WATCHDOG=1":
            pass
        check(word == "STOPPING=1", word)
        check(p.wait(20) == 0, "exit 0")
        p = subprocess.Popen(start, env=environment | {"LISTEN_FDS": "2"}, pass_fds=[listener.fileno()], stderr=subprocess.PIPE)
        check(p.wait(20) == 1 and b"found 2 sockets, expected one" in p.stderr.read(), "two sockets")
        open_to_all = socket.socket()
        open_to_all.bind(("0.0.0.0", 0))
        open_to_all.listen()
        start[2] = start[2].replace(f"<&{listener.fileno()}", f"<&{open_to_all.fileno()}")
        p = subprocess.Popen(start, env=environment, pass_fds=[open_to_all.fileno()], stderr=subprocess.PIPE)
        check(p.wait(20) == 2 and b"without --api-key" in p.stderr.read(), "a socket for all without a key")
        with open(os.path.join(folder, "file"), "w") as file:
            start[2] = start[2].replace(f"<&{open_to_all.fileno()}", f"<&{file.fileno()}")
            p = subprocess.Popen(start, env=environment, pass_fds=[file.fileno()], stderr=subprocess.PIPE)
            check(p.wait(20) == 1 and b"not a listening TCP socket" in p.stderr.read(), "no socket")
    finally:
        p.kill()
        p.wait()
        told.close()
        shutil.rmtree(folder)


@only_fake
def drain(_):
    """SIGTERM finishes accepted work and refuses later work, a second one forces the exit, SIGHUP reloads."""
    with Server("--fake-batch-us", "800000") as server:
        answers, spare = [None] * 8, Client(server)

        def ask(i):
            answers[i] = Client(server).predict()

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        check(server.status("/readyz") == 503 and server.status("/healthz") == 200, "draining")
        time.sleep(0.4)
        late = spare.predict()
        check(late.status == 503 and "retry-after" in late.headers, f"late: {late.status}")
        for t in threads:
            t.join()
        check([a.status for a in answers] == [200] * 8, "accepted work is finished")
        check(server.process.wait(10) == 0, "exit 0")
        server.expect = None
    with Server("--fake-batch-us", "20000000", expect=None) as server:
        Client(server).post("/predict", PAIR)
        time.sleep(0.1)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(5)
        check(time.monotonic() - begin < 5, "a second SIGTERM forces")
    with Server() as server:
        for _ in range(3):
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        check(Client(server).predict().status == 200, "SIGHUP reloads")


@test
def blocked_log(_):
    """A log that nobody reads does not stop the service."""
    port = free_port()
    p = subprocess.Popen([*COMMAND, "--port", str(port)], stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if status_of(port, "/readyz") == 200:
                    break
            except OSError:
                pass
            time.sleep(0.05)
        c = socket.create_connection(("127.0.0.1", port), timeout=10)
        request = b"GET /nope HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + b"a" * 100 + b"\r\n\r\n"
        for _ in range(1500):
            c.sendall(request)
            check(c.recv(4096).startswith(b"HTTP/1.1 404"), "answered")
        p.send_signal(signal.SIGTERM)
        check(p.wait(10) == 0, "exit 0")
    finally:
        p.kill()
        p.wait()
        p.stderr.close()

if __name__ == "__main__":
    main(__doc__)
