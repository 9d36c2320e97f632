"""Who asks, and whether he may: API keys as bearer tokens."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.deps import ServicesDep
from api.errors import ScopeMissingError, UnauthenticatedError
from jobs.api_key import ApiKey, Scope

_bearer = HTTPBearer(auto_error=False, scheme_name="apiKey", description="`fvsr_…`")


class Require:
    """Lets a request through that comes with a key of this scope, and charges it to the key."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(
        self,
        request: Request,
        services: ServicesDep,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> ApiKey:
        """Return the key.

        Raises:
            UnauthenticatedError: no key was sent.
            KeyInvalidError: it is unknown or revoked.
            RateLimitedError: it was used too often.
            ScopeMissingError: it is for other things.

        """
        if credentials is None:
            raise UnauthenticatedError("Send the API key as 'Authorization: Bearer fvsr_…'.")
        with services.database.transaction() as rows:
            # Found by the hash of 256 random bits, so timing tells nothing about the key.
            key = rows.api_keys.authenticate(credentials.credentials)
            if key.limits.requests_per_minute is not None:
                request.state.rate_policy = f'"default";q={key.limits.requests_per_minute};w=60'
            rows.api_keys.spend(key)
        if self.scope not in key.scopes:
            raise ScopeMissingError(f"This API key lacks the scope {self.scope}.")
        return key


JobsReader = Annotated[ApiKey, Depends(Require("jobs:read"))]
JobsWriter = Annotated[ApiKey, Depends(Require("jobs:write"))]
UploadsWriter = Annotated[ApiKey, Depends(Require("uploads:write"))]
Admin = Annotated[ApiKey, Depends(Require("admin"))]
