"""What pools tell, as metrics."""

from cachex_otel import attributes as names
from cachex_otel.metrics import Meters
from cachex_pool import Endpoint, PoolObserver


class PoolTelemetry(PoolObserver):
    """Hears of what happens rarely; borrowing a connection costs no more for it."""

    def __init__(self, meters: Meters) -> None:
        self.meters = meters

    def opened(self, endpoint: Endpoint, *, took: float) -> None:
        self.meters.create_time.record(took, {names.POOL_NAME: endpoint.name})

    def acquired(self, endpoint: Endpoint, *, waited: float) -> None:
        self.meters.wait_time.record(waited, {names.POOL_NAME: endpoint.name})

    def timed_out(self, endpoint: Endpoint, *, waited: float) -> None:
        self.meters.timeouts[((names.POOL_NAME, endpoint.name),)] += 1

    def closed(self, endpoint: Endpoint, *, reason: str) -> None:
        self.meters.closes[((names.POOL_NAME, endpoint.name), (names.CLOSE_REASON, reason))] += 1


class FullPoolTelemetry(PoolTelemetry):
    """Hears of every connection that comes back as well."""

    def released(self, endpoint: Endpoint, *, used: float) -> None:
        self.meters.use_time.record(used, {names.POOL_NAME: endpoint.name})
