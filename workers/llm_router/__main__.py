"""`python -m workers.llm_router`: answer questions to models on `ql.svc.llm.complete`, `.embed` and `.models`."""

from __future__ import annotations

import os
import sys

import nats.errors

from observability import telemetry
from workers.kit import loop
from workers.kit.runner.doors import open_doors, watch
from workers.kit.settings import Settings, SettingsError, load
from workers.kit.stores.drops import StoreDown

from .reach import Reach, reach

USAGE = 2


def main() -> int:
    """Serve until told to stop; 2 for a mistake in the settings, 1 when database or bus can't be used."""
    try:
        settings = load()
        missing = [f"QL_{name.upper()}" for name in ("nats_url", "database_url") if not getattr(settings, name)]
        if missing:
            raise SettingsError(f"the model router needs {', '.join(missing)}")
        reached = reach(settings, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    close = telemetry.setup("llm_router", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        loop.run(_serve(settings, reached))
    except StoreDown as error:
        sys.stderr.write(f"the database can't be reached: {error}\n")
        return 1
    except nats.errors.Error as error:
        sys.stderr.write(f"the bus can't be used: {error}\n")
        return 1
    finally:
        close()
    return 0


async def _serve(settings: Settings, reached: Reach) -> None:
    from .serving import serving

    async with open_doors(settings) as checks, serving(settings, reached) as application:
        watch(application, checks)
        loop.collect_seldom()
        await application.run()


if __name__ == "__main__":
    sys.exit(main())
