"""Everybody else on a link: a TCP flow and a ping, for scenarios that ask what Karez leaves to others.

serve ADDRESS | receive ADDRESS CONTROL SECONDS | send ADDRESS CONTROL SECONDS | ping ADDRESS SECONDS
The flow is as greedy as the system's TCP under a congestion control (cubic, bbr). A result is one JSON object: what the
receiving end counted.
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
        threading.Thread(target=meet, args=(client,), daemon=True).start()


def meet(client):
    """The first line says which way the bytes go, and how."""
    way, control = client.makefile("rb", buffering=0).readline().decode().split()
    if way == "send":
        client.sendall(json.dumps(count(client, None)).encode())
        client.close()
    else:
        steer(client, control)
        pour(client, None)


def steer(flow, control):
    flow.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())


def count(flow, seconds):
    begun, total = time.monotonic(), 0
    while seconds is None or time.monotonic() < begun + seconds:
        got = len(flow.recv(256 * 1024))
        if not got:
            break
        total += got
    return {"bytes": total, "seconds": time.monotonic() - begun}


def answer(echo):
    while True:
        data, sender = echo.recvfrom(64)
        echo.sendto(data, sender)


def pour(flow, seconds):
    block, begun = bytes(64 * 1024), time.monotonic()
    try:
        while seconds is None or time.monotonic() < begun + seconds:
            flow.sendall(block)
    except OSError:
        pass


def meet_server(address, way, control):
    deadline = time.monotonic() + CONNECT_WITHIN
    while True:
        try:
            flow = socket.create_connection((address, PORT), timeout=CONNECT_WITHIN)
            break
        except ConnectionRefusedError:  # the server is not up yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    flow.sendall(f"{way} {control}\n".encode())
    return flow


def receive(address, control, seconds):
    print(json.dumps(count(meet_server(address, "receive", control), float(seconds))))


def send(address, control, seconds):
    flow = meet_server(address, "send", control)
    steer(flow, control)
    pour(flow, float(seconds))
    flow.shutdown(socket.SHUT_WR)
    flow.settimeout(None)
    print(flow.makefile().read())


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


{"serve": serve, "receive": receive, "send": send, "ping": ping}[sys.argv[1]](*sys.argv[2:])
