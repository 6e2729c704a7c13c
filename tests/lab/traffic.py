"""Everybody else on a link: a TCP flow and a ping, for scenarios that ask what Karez leaves to others.

serve ADDRESS | receive ADDRESS SECONDS | ping ADDRESS SECONDS
The flow is as greedy as the system's TCP. A result is one JSON object.
"""
import json
import select
import socket
import sys
import threading
import time

PORT = 7001
PING_EVERY = 0.02
CONNECT_WITHIN = 10


def serve(address):
    listener = socket.create_server((address, PORT))
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.bind((address, PORT))
    threading.Thread(target=answer, args=(echo,), daemon=True).start()
    while True:
        client, _ = listener.accept()
        threading.Thread(target=pour, args=(client,), daemon=True).start()


def answer(echo):
    while True:
        data, sender = echo.recvfrom(64)
        echo.sendto(data, sender)


def pour(client):
    block = bytes(64 * 1024)
    try:
        while True:
            client.sendall(block)
    except OSError:
        pass


def receive(address, seconds):
    deadline = time.monotonic() + CONNECT_WITHIN
    while True:
        try:
            flow = socket.create_connection((address, PORT), timeout=CONNECT_WITHIN)
            break
        except ConnectionRefusedError:  # the server is not up yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    begun, count = time.monotonic(), 0
    while time.monotonic() < begun + float(seconds):
        count += len(flow.recv(256 * 1024))
    print(json.dumps({"bytes": count, "seconds": time.monotonic() - begun}))


def ping(address, seconds):
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    times, sent, begun = [], 0, time.monotonic()
    while time.monotonic() < begun + float(seconds):
        probe.sendto(repr(time.monotonic()).encode(), (address, PORT))
        sent += 1
        until = begun + sent * PING_EVERY
        while (left := until - time.monotonic()) > 0:
            if select.select([probe], [], [], left)[0]:
                times.append(time.monotonic() - float(probe.recv(64)))
    times.sort()
    show = lambda share: times[min(int(len(times) * share), len(times) - 1)] * 1000
    print(json.dumps({"median_ms": show(0.5), "p95_ms": show(0.95), "lost": sent - len(times)}))


{"serve": serve, "receive": receive, "ping": ping}[sys.argv[1]](*sys.argv[2:])
