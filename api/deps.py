"""What routes ask for by type."""

from typing import Annotated

from fastapi import Depends, Request

from api.services import Services


async def services_of(request: Request) -> Services:
    """Find what `create_app` opened; `async` only because a thread would be a detour."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]
