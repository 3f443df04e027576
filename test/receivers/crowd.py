#!/usr/bin/env python3
"""Opens connections to a port of 127.0.0.1 and says nothing.

    crowd.py PORT COUNT

Half of them begin a request that they never end. Prints "COUNT connected", then waits to be killed.
"""

import signal
import socket
import sys

port, count = int(sys.argv[1]), int(sys.argv[2])
crowd = []
for number in range(count):
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    if number % 2 == 0:
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    crowd.append(connection)
print(f"{len(crowd)} connected", flush=True)
signal.pause()
