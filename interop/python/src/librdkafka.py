"""librdkafka, through confluent-kafka."""

import confluent_kafka as ck

import loop

TIMEOUT = 30.0  # seconds for any one answer of a broker


def consume(command):
    """Read a topic to the end it has now, all partitions assigned, no group used."""
    consumer = ck.Consumer({
        "bootstrap.servers": command["bootstrap"],
        "group.id": "unused",  # librdkafka wants one, also for assign
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 50,  # at the end nothing more will come
        "check.crcs": True,
        "isolation.level":
            "read_committed" if command.get("read_committed") else "read_uncommitted",
        **command["config"],
    })
    try:
        topic = consumer.list_topics(command["topic"], timeout=TIMEOUT).topics[command["topic"]]
        if topic.error is not None:
            raise ck.KafkaException(topic.error)
        consumer.assign([
            ck.TopicPartition(topic.topic, p, ck.OFFSET_BEGINNING) for p in topic.partitions])
        left = set(topic.partitions)
        while left:
            message = consumer.poll(TIMEOUT)
            if message is None:
                raise TimeoutError(f"nothing for {TIMEOUT} s; partitions {left} not at their end")
            if message.error() is None:
                loop.record_row(message.topic(), message.partition(), message.offset(),
                                message.timestamp()[1], message.key(), message.value(),
                                message.headers())
            elif message.error().code() == ck.KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                raise ck.KafkaException(message.error())
    finally:
        consumer.close()


def produce(command):
    """Write records in their order and answer with each one's outcome."""
    config = {"bootstrap.servers": command["bootstrap"], **command["config"]}
    producer = ck.Producer(config)
    transactional = "transactional.id" in config
    if transactional:
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
    outcomes = [None] * len(command["records"])
    for i, r in enumerate(command["records"]):
        def done(error, message, i=i):
            outcomes[i] = (message.partition(), message.offset(), error)
        more = {"partition": r["partition"]} if r["partition"] >= 0 else {}
        if r.get("headers"):
            more["headers"] = [(name, loop.decode(v)) for name, v in r["headers"]]
        producer.produce(r["topic"], key=loop.decode(r["key"]), value=loop.decode(r["value"]),
                         timestamp=r["timestamp"], on_delivery=done, **more)
    if producer.flush(2 * TIMEOUT) > 0:
        raise TimeoutError("not everything was delivered")
    if transactional and command.get("abort"):
        producer.abort_transaction(TIMEOUT)
    elif transactional:
        producer.commit_transaction(TIMEOUT)
    for partition, offset, error in outcomes:
        loop.outcome_row(partition, -1 if offset is None or offset < 0 else offset, error)


def transform(command):
    """Copy records from one topic to another, offsets in the same transactions.

    Every third transaction is aborted; ends when so many records are committed.
    """
    consumer = ck.Consumer({
        "bootstrap.servers": command["bootstrap"], "group.id": command["group"],
        "isolation.level": "read_committed", "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
    })
    producer = ck.Producer({"bootstrap.servers": command["bootstrap"], **command["config"]})
    producer.init_transactions(TIMEOUT)
    consumer.subscribe([command["from"]])
    try:
        left, turn = command["count"], 0
        while left > 0:
            messages = [m for m in consumer.consume(10, 0.2) if m.error() is None]
            if not messages:
                continue  # the test bounds this
            producer.begin_transaction()
            first, after = {}, {}
            for m in messages:
                producer.produce(command["to"], key=m.key(), value=m.value())
                first.setdefault((m.topic(), m.partition()), m.offset())
                after[m.topic(), m.partition()] = m.offset() + 1
            producer.send_offsets_to_transaction(
                [ck.TopicPartition(t, p, o) for (t, p), o in after.items()],
                consumer.consumer_group_metadata(), TIMEOUT)
            turn += 1
            if turn % 3 != 0:
                producer.commit_transaction(TIMEOUT)
                left -= len(messages)
                continue
            producer.abort_transaction(TIMEOUT)
            for (t, p), o in first.items():
                consumer.seek(ck.TopicPartition(t, p, o))
    finally:
        consumer.close()


if __name__ == "__main__":
    loop.run({"consume": consume, "produce": produce, "transform": transform})
