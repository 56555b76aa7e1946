"""python -m deploy.prepare: the tables (as ql_owner) and the bucket, before anything else of ours is started."""

from __future__ import annotations

import asyncio
import sys

from workers.kit.settings import Settings, SettingsError, load
from workers.kit.stores.buckets import ensure_bucket
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.migrate import MigrationError, migrate


async def prepare(settings: Settings) -> None:
    await migrate(settings.database_url)
    await ensure_bucket(settings.s3_url, settings.s3_bucket)


def main() -> int:
    """0, or 1 and a sentence on stderr."""
    try:
        settings = load()
        missing = [f"QL_{name.upper()}" for name in ("database_url", "s3_url") if not getattr(settings, name)]
        if missing:
            raise SettingsError(f"the preparation needs {', '.join(missing)}")
        asyncio.run(prepare(settings))
    except (MigrationError, SettingsError, StoreDown, OSError) as error:
        sys.stderr.write(f"prepare: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
