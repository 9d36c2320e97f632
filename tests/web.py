"""Single requests, with more patience than the library's five seconds."""

from functools import partial

import httpx2

from tests.patience import PATIENCE_S

request = partial(httpx2.request, timeout=PATIENCE_S)
get = partial(httpx2.get, timeout=PATIENCE_S)
head = partial(httpx2.head, timeout=PATIENCE_S)
post = partial(httpx2.post, timeout=PATIENCE_S)
put = partial(httpx2.put, timeout=PATIENCE_S)
