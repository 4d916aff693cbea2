#!/usr/bin/env python3
"""Mixed load on one scribed for so many minutes, and what it took.

    tests/soak.py [MINUTES] [PROGRAM] [PAUSE]

10 minutes, target/release/scribed, and 0.01 s between two deliveries of each of three senders.

Senders fire, repeat and resolve alerts and now and then send rubbish; people read lists and drafts
and write notes; retention is on. Every ten seconds memory, open files, the engine's backlog and the
size of the store are noted. Fails when an answer is none of the documented ones, when the backlog
does not go away, when open files grow, or when `scribed verify` finds a fault afterwards.
Needs nothing but Python's own library.
"""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
PROGRAM = sys.argv[2] if len(sys.argv) > 2 else "target/release/scribed"
SENDERS, PEOPLE = 3, 2
PAUSE_SECONDS = float(sys.argv[3]) if len(sys.argv) > 3 else 0.01
SERVICES = [f"service-{n}" for n in range(40)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


PORT = free_port()
STOP = threading.Event()
LOCK = threading.Lock()
COUNTS = {}


def ask(connection, method, path, body=None, allowed=(200,)):
    data = body if isinstance(body, bytes) else json.dumps(body) if body is not None else None
    connection.request(method, path, data, {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    with LOCK:
        COUNTS[answer.status] = COUNTS.get(answer.status, 0) + 1
    if answer.status not in allowed:
        raise AssertionError(f"{method} {path}: {answer.status} {text[:300]!r}")
    return text


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def webhook(alerts):
    return {"version": "4", "groupKey": "{}:{}", "receiver": "soak", "status": "firing",
            "externalURL": "http://am:9093", "alerts": alerts}


def sender(number):
    dice = random.Random(number)
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    firing = {}
    while not STOP.is_set():
        now = time.time()
        if dice.random() < 0.02:
            ask(connection, "POST", "/api/v1/ingest/alertmanager", b"{rubbish", (400,))
        alerts = []
        for _ in range(dice.randint(1, 8)):
            key = (dice.choice(SERVICES), dice.randint(0, 30), number)
            begun = firing.get(key)
            is_over = begun is not None and dice.random() < 0.4
            if begun is None:
                begun = firing[key] = now
            labels = {"alertname": f"Alert{key[1]}", "service": key[0], "pod": f"p{number}",
                      "severity": dice.choice(["critical", "warning", "info"])
                      if key[1] > 25 else "warning"}
            alerts.append({"status": "resolved" if is_over else "firing", "labels": labels,
                           "annotations": {"summary": "something is wrong"},
                           "startsAt": stamp(begun), "endsAt": stamp(now) if is_over
                           else "0001-01-01T00:00:00Z"})
            if is_over:
                del firing[key]
        ask(connection, "POST", "/api/v1/ingest/alertmanager", webhook(alerts), (200, 503))
        time.sleep(PAUSE_SECONDS)


def person(number):
    dice = random.Random(1000 + number)
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    while not STOP.is_set():
        items = json.loads(ask(connection, "GET", "/api/v1/incidents?limit=20"))["items"]
        if items:
            path = f"/api/v1/incidents/{dice.choice(items)['id']}"
            ask(connection, "GET", path, None, (200, 404))
            form = dice.choice(["markdown", "html", "json", "text"])
            ask(connection, "GET", f"{path}/draft?format={form}", None, (200, 404))
            if dice.random() < 0.2:
                note = {"text": "we are looking at it"}
                ask(connection, "POST", f"{path}/notes", note, (201, 202, 404))
            if dice.random() < 0.1:
                ask(connection, "POST", f"{path}/resolve", {}, (200, 202, 404, 409))
        ask(connection, "GET", "/metrics")
        time.sleep(0.2)


def guarded(work, number, failures):
    try:
        work(number)
    except Exception as failure:  # Told at the end, with the others.
        failures.append(failure)
        STOP.set()


def main():
    folder = tempfile.mkdtemp(prefix="scribed-soak-")
    config = os.path.join(folder, "scribed.yml")
    with open(config, "w", encoding="utf-8") as file:
        file.write("storage: {raw_retention: 2m}\n")
    store = f"--storage.path={folder}/store"
    log = open(os.path.join(folder, "log"), "wb")
    server = subprocess.Popen([PROGRAM, "serve", store, f"--config.file={config}",
                               f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=warn"],
                              stdout=log, stderr=log)
    connection = None
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
            ask(connection, "GET", "/-/ready")
            break
        except (OSError, AssertionError):
            time.sleep(0.1)
    failures = []
    threads = [threading.Thread(target=guarded, args=(work, number, failures))
               for work, count in ((sender, SENDERS), (person, PEOPLE)) for number in range(count)]
    begun = time.time()
    for thread in threads:
        thread.start()
    samples = []
    print("minute  rss_mib  files  head  backlog  store_mib", flush=True)
    while time.time() - begun < MINUTES * 60 and not STOP.is_set():
        STOP.wait(10)
        with open(f"/proc/{server.pid}/status", encoding="utf-8") as file:
            rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024
        files = len(os.listdir(f"/proc/{server.pid}/fd"))
        status = json.loads(ask(connection, "GET", "/api/v1/status"))
        size = sum(os.path.getsize(f"{folder}/store/{name}")
                   for name in os.listdir(f"{folder}/store")) / 2**20
        backlog = status["head"] - status["cursor"]
        samples.append((rss, files, backlog))
        print(f"{(time.time() - begun) / 60:6.1f}  {rss:7.1f}  {files:5d}  {status['head']:6d}  "
              f"{backlog:7d}  {size:9.1f}", flush=True)
    STOP.set()
    for thread in threads:
        thread.join()
    for _ in range(600):
        status = json.loads(ask(connection, "GET", "/api/v1/status"))
        if status["head"] == status["cursor"]:
            break
        time.sleep(0.1)
    else:
        failures.append("the backlog does not go away")
    server.send_signal(signal.SIGTERM)
    if server.wait(60) != 0:
        failures.append(f"it ended with {server.returncode}")
    verified = subprocess.run([PROGRAM, "verify", store], capture_output=True, text=True)
    print(verified.stdout)
    if verified.returncode != 0:
        failures.append("verify finds a fault")
    half = len(samples) // 2
    if half and max(s[1] for s in samples[half:]) > max(s[1] for s in samples[:half]) + 8:
        failures.append("open files grow")
    took = time.time() - begun
    print(f"{took / 60:.1f} minutes, answers {COUNTS}, rss at most "
          f"{max(s[0] for s in samples):.0f} MiB, backlog at most {max(s[2] for s in samples)}")
    for failure in failures:
        print(f"FAILED: {failure!r}")
    if failures:
        print(f"the store and its log are in {folder}")
        sys.exit(1)
    subprocess.run(["rm", "-rf", folder], check=True)


main()
