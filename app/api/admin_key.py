"""Who may change what is served: whoever shows the admin key."""

import hmac
from hashlib import sha256
from typing import Annotated

from fastapi import Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from app.errors import AdminKeyMissing, AdminKeyRefused

OFF = "administration over HTTP is off: start the service with CTR_ADMIN_KEY to turn it on"

_bearer = HTTPBearer(auto_error=False, description="The value of CTR_ADMIN_KEY.")
_header = APIKeyHeader(name="X-Admin-Key", auto_error=False, description="The same.")


class AdminKey:
    """The key of a service, or that it has none. Never logged, never shown."""

    def __init__(self, key: SecretStr | None) -> None:
        self._digest = None if key is None else sha256(key.get_secret_value().encode()).digest()

    async def check(
        self,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
    ) -> None:
        """For a route's `dependencies`. Raises AdminKeyMissing or AdminKeyRefused."""
        if self._digest is None:
            raise AdminKeyRefused(OFF)
        shown = bearer.credentials if bearer is not None else header
        if not shown:
            raise AdminKeyMissing("send the admin key: Authorization: Bearer KEY, or X-Admin-Key")
        # Digests are of one length, and comparing them takes the same time wherever they differ.
        if not hmac.compare_digest(sha256(shown.encode("latin-1")).digest(), self._digest):
            raise AdminKeyRefused("this is not the admin key of this service")
