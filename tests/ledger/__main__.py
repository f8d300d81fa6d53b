"""Kills of importer and service at random moments, beside restarts of the broker and the database.

python -m tests.ledger [--kills N] [--seed N]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from tests.ledger.chain import Chain
from tests.services.kafka import Broker
from tests.services.postgresql import PostgreSql

LINES = 400
BETWEEN = 0.2, 2.5
"""Seconds between two kills."""


def run(chain: Chain, kills: int) -> None:
    """Feed events, kill processes meanwhile, restart the servers twice, and compare the end with the model."""
    chain.start()
    for number in range(kills):
        chain.feed(LINES)
        time.sleep(chain.random.uniform(*BETWEEN))
        print(f"kill {number + 1}: {chain.kill_one()}", flush=True)
        if number % (kills // 2 + 1) == kills // 4:
            chain.restart_broker()
            print("the broker was restarted", flush=True)
        if number % (kills // 2 + 1) == kills // 3:
            chain.restart_database()
            print("the database was killed", flush=True)
    state = chain.drained()
    chain.compare(state)
    assert set(chain.stop()) == {0}
    for line in state.lines():
        print(line)
    print(f"looked {chain.checks} times meanwhile: everything added up each time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        os.environ[name] = "test"
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    endpoint = "http://{}:{}".format(*storage.get_host_and_port())
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="kafka")
    folder = Path(tempfile.mkdtemp(prefix="lurge-ledger-"))
    broker, server = Broker((endpoint, "kafka")), PostgreSql()
    chain = Chain(folder, broker, server, seed, "ledger_kills")
    try:
        run(chain, options.kills)
    except BaseException:
        print(f"seed {seed}: see {folder}/log", flush=True)
        raise
    else:
        shutil.rmtree(folder)
    finally:
        chain.end()
        broker.remove()
        server.remove()
        storage.stop()


if __name__ == "__main__":
    main()
