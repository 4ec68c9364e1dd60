"""getHostByName; Helm answers "" for it unless DNS is asked for."""

from __future__ import annotations

from helmflow.gotemplate.functions import FunctionError, function, table


@function("getHostByName", "string", returns="string", random=True)
def get_host_by_name(name: str) -> str:
    import random
    import socket

    try:
        found = sorted({entry[4][0] for entry in socket.getaddrinfo(name, None)}, key=str)
    except OSError:
        found = []
    if not found:
        raise FunctionError("invalid argument to Intn")
    return str(random.choice(found))


FUNCTIONS = table(get_host_by_name)
