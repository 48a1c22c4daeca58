"""The front door of cachex_otel."""

from __future__ import annotations

import cachex_client
import cachex_otel
import cachex_pool


def test_the_layers_it_stands_on_have_its_version() -> None:
    assert cachex_otel.__version__ == cachex_client.__version__ == cachex_pool.__version__
