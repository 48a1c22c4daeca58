"""Values that are made once for all of a process who want them: what `get_or_set` stands on."""

from cachex_client._async.flights import AsyncFlights, async_flights
from cachex_client._sync.flights import Flights, flights

__all__ = ["AsyncFlights", "Flights", "async_flights", "flights"]
