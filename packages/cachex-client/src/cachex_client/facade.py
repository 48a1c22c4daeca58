"""redis-py's clients, pipelines and scripts on the connections of ours; see `client.redis`."""

from cachex_client._async.facade import AsyncRedis
from cachex_client._async.pipeline import AsyncPipeline
from cachex_client._async.scripts import AsyncScript
from cachex_client._sync.facade import Redis
from cachex_client._sync.pipeline import Pipeline
from cachex_client._sync.scripts import Script

__all__ = ["AsyncPipeline", "AsyncRedis", "AsyncScript", "Pipeline", "Redis", "Script"]
