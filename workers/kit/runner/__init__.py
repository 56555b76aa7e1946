"""The stage protocol over the bus: the only package of the kit that knows NATS. `worker.Worker` puts it together."""
