"""kafka-python, a client in Python alone."""

import time

import kafka
from kafka.structs import TopicPartition

import loop

TIMEOUT = 30.0  # seconds without progress
NUMBERS = {"acks", "linger_ms", "batch_size", "retries", "request_timeout_ms",
           "max_in_flight_requests_per_connection", "max_request_size", "delivery_timeout_ms"}


def settings(command):
    """The settings as kafka-python spells and types them."""
    config = {"bootstrap_servers": command["bootstrap"].split(",")}
    for name, value in command["config"].items():
        name = name.replace(".", "_")
        if name == "compression_type" and value == "none":
            value = None
        elif name in NUMBERS and value != "all":
            value = int(value)
        elif value in ("true", "false"):
            value = value == "true"
        config[name] = value
    return config


def consume(command):
    """Read a topic to the end it has now, all partitions assigned, no group."""
    consumer = kafka.KafkaConsumer(
        group_id=None, enable_auto_commit=False, auto_offset_reset="earliest",
        fetch_max_wait_ms=50, check_crcs=True,
        isolation_level=
        "read_committed" if command.get("read_committed") else "read_uncommitted",
        **settings(command))
    try:
        topic = command["topic"]
        partitions = [TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        deadline = time.monotonic() + TIMEOUT
        while any(consumer.position(p) < ends[p] for p in partitions):
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing for {TIMEOUT} s before the end {ends}")
            for tp, records in consumer.poll(timeout_ms=200).items():
                deadline = time.monotonic() + TIMEOUT
                for r in records:
                    if r.offset < ends[tp]:
                        loop.record_row(r.topic, r.partition, r.offset, r.timestamp, r.key,
                                        r.value, r.headers)
    finally:
        consumer.close()


def produce(command):
    """Write records in their order and answer with each one's outcome.

    With transactional.id they are one transaction, committed or aborted at its end.
    """
    config = settings(command)
    producer = kafka.KafkaProducer(**config)
    transactional = "transactional_id" in config
    try:
        if transactional:
            producer.init_transactions()
            producer.begin_transaction()
        futures = [
            producer.send(r["topic"], key=loop.decode(r["key"]), value=loop.decode(r["value"]),
                          partition=r["partition"] if r["partition"] >= 0 else None,
                          headers=[(n, loop.decode(v)) for n, v in r.get("headers") or []],
                          timestamp_ms=r["timestamp"] or None)
            for r in command["records"]]
        producer.flush(timeout=2 * TIMEOUT)
        if transactional and command.get("abort"):
            producer.abort_transaction()
        elif transactional:
            producer.commit_transaction()
        for future in futures:
            try:
                metadata = future.get(timeout=TIMEOUT)
                loop.outcome_row(metadata.partition, metadata.offset)
            except kafka.errors.KafkaError as e:
                loop.outcome_row(-1, -1, repr(e))
    finally:
        producer.close()


if __name__ == "__main__":
    loop.run({"consume": consume, "produce": produce})
