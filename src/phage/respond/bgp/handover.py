"""Hands ExaBGP's pipes to phage: the program that ExaBGP starts as its API process.

ExaBGP talks to its API process through the process's standard input and output. This one passes
both to phage over a Unix socket and does nothing else, so no octet of the API goes through it. When
the socket closes, phage has ended: then ExaBGP is ended too, and with it what it announced, and the
folder of socket and configuration is removed.

It runs alone (`python -IS handover.py SOCKET SIGNAL`), with the standard library only.
"""

import os
import shutil
import socket
import sys
from pathlib import Path


def main(path: str, number: int) -> None:
    """Hand over standard input and output; when phage is gone, send ExaBGP a signal."""
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as phage:
        phage.connect(path)
        socket.send_fds(phage, [b"\0"], [0, 1])
        os.close(0)
        os.close(1)
        while phage.recv(1):
            pass
    if os.getppid() == parent:
        os.kill(parent, number)
    shutil.rmtree(Path(path).parent, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
