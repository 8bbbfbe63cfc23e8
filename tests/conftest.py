"""What tests of several folders stand on; modules beside this file are imported by their bare names."""

from collections.abc import Iterator

import pytest
from elasticsearch_server import reason_for_absence, start_server


@pytest.fixture(scope="session")
def elasticsearch_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`http://127.0.0.1:<port>` of one empty node for the whole run: take a prefix of your own, `/<prefix>`."""
    reason = reason_for_absence()
    if reason:
        pytest.skip(reason)
    with start_server(tmp_path_factory.mktemp("elasticsearch")) as server:
        yield server.url
