"""The same two worlds as for the API."""

from tests.api.conftest import (
    alice as alice,
)
from tests.api.conftest import (
    api_postgres as api_postgres,
)
from tests.api.conftest import (
    api_sqlite as api_sqlite,
)
from tests.api.conftest import (
    embedded as embedded,
)
from tests.api.conftest import (
    farm as farm,
)
from tests.api.conftest import (
    make_embedded as make_embedded,
)
from tests.api.conftest import (
    world as world,
)
