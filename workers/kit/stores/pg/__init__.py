"""The stores in PostgreSQL, over asyncpg: what workers write (PgDrops) and what the gateway reads (PgReads)."""

from .drops import PgDrops
from .pool import Pool, close_pool, open_pool
from .reads import PgReads

__all__ = ["PgDrops", "PgReads", "Pool", "close_pool", "open_pool"]
