"""Credentials from ~/.netrc, for hosts that nothing else gives credentials for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.errors import ChartError
from helmflow.core.records import replace
from helmflow.core.sensitive import SecretText

if TYPE_CHECKING:
    from helmflow.providers.http import Credentials


def completed(credentials: Credentials, host: str) -> Credentials:
    """`credentials` with the user and password that $NETRC or ~/.netrc has for exactly this host."""
    import netrc

    path = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return credentials
    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as cause:
        reason = cause.msg if isinstance(cause, netrc.NetrcParseError) else type(cause).__name__
        raise ChartError(f"{path} cannot be read: {reason}", error_id="http.bad-netrc") from None
    if found is None:
        return credentials
    return replace(credentials, username=found[0], password=SecretText(found[2] or ""))
