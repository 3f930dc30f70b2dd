"""The load of a chaos run, sent by librdkafka through confluent-kafka; see Go package load."""

import json
import os
import struct
import sys
import threading
import time

import confluent_kafka as ck

LINGER = 5  # milliseconds, as the other clients of a run
MASK = (1 << 64) - 1


class Generator:
    """Makes the records of a run, the same in every language."""

    def __init__(self, seed, keys):
        self.state = seed
        self.numbers = [0] * keys

    def draw(self):
        """splitmix64"""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def next(self):
        """Key, number and size of value of the next record."""
        h = self.draw()
        key = h % len(self.numbers)
        number = self.numbers[key]
        self.numbers[key] += 1
        return key, number, 16 + (h >> 32) % 184

    def txn_size(self, mean):
        """Size of the next transaction, and whether it is to be aborted."""
        h = self.draw()
        return max(1, mean // 5 + h % (mean * 8 // 5 + 1)), (h >> 40) % 5 == 0


class Sender:
    """Sends a run's records at its pace and writes down their outcomes."""

    def __init__(self, spec):
        self.spec = spec
        self.out = open(spec["outcomes"], "w", buffering=1 << 18)
        self.written = 0
        self.records = Generator(spec["seed"], spec["keys"])
        self.stop = threading.Event()
        config = {
            "bootstrap.servers": spec["bootstrap"], "client.id": "load", "acks": "all",
            "enable.idempotence": True, "linger.ms": LINGER,
            "queue.buffering.max.messages": 0,  # bytes are the bound, as elsewhere
            "queue.buffering.max.kbytes": 32 << 10,
            "partitioner": "murmur2_random",
        }
        if spec["txn_records"] > 0:
            config["transactional.id"] = "load"
        self.config = config
        self.producer = ck.Producer(config)
        self.last = time.monotonic()
        self.spare = 0.0

    def due(self):
        """The number of records due now."""
        now = time.monotonic()
        self.spare += min(now - self.last, 0.1) * self.spec["rate"]
        self.last = now
        due = int(self.spare)
        self.spare -= due
        return due

    def send(self, txn):
        """Send the next record."""
        key, number, size = self.records.next()

        def done(error, message):
            what, why = ("acked", "") if error is None else ("failed", f" {error}")
            offset = message.offset()
            self.out.write(f"{key} {number} {what} {message.partition()} "
                           f"{-1 if offset is None else offset} {time.time_ns() // 1000}{why}\n")
            self.written += 1

        value = struct.pack(">IIQ", key, txn, number).ljust(size, b"x")
        while True:
            try:
                self.producer.produce(self.spec["topic"], key=f"key-{key}", value=value,
                                      on_delivery=done)
                return
            except BufferError:  # full: wait, as the others do
                self.producer.poll(0.01)

    def run(self):
        """Send until stopped."""
        while not self.stop.is_set():
            for _ in range(self.due()):
                self.send(0)
            self.wait()

    def wait(self):
        """Run callbacks for two milliseconds."""
        until = time.monotonic() + 0.002
        while (left := until - time.monotonic()) > 0:
            self.producer.poll(left)

    def run_transactions(self):
        """Send transaction after transaction until stopped."""
        self.producer.init_transactions()
        txn = 0
        while not self.stop.is_set():
            txn += 1
            self.producer.begin_transaction()
            left, abort = self.records.txn_size(self.spec["txn_records"])
            while left > 0:
                n = min(left, self.due())
                for _ in range(n):
                    self.send(txn)
                left -= n
                self.wait()
            try:
                what, why = self.end(not abort)
            except ck.KafkaException as e:  # fatal: a new one settles what this one left open
                what, why = "unknown", f" {e}"
                self.producer.flush(30)
                self.producer = ck.Producer(self.config)
                self.producer.init_transactions()
            self.out.write(f"txn {txn} {what} {time.time_ns() // 1000}{why}\n")

    def end(self, commit):
        """Commit or abort; what became of the transaction, and why."""
        why = ""
        call = self.producer.commit_transaction if commit else self.producer.abort_transaction
        while True:
            try:
                call()
                return ("committed" if call == self.producer.commit_transaction
                        else "aborted"), why
            except ck.KafkaException as e:
                why = f" {e}"
                if e.args[0].retriable():
                    continue
                if not e.args[0].txn_requires_abort():
                    raise
                call = self.producer.abort_transaction


def main():
    """Obey standard input."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    sender = Sender(json.loads(sys.stdin.readline()))

    def obey():
        if sys.stdin.readline() == "stop\n":
            sender.stop.set()
            sys.stdin.read()
        os._exit(3)  # whoever started this is gone

    threading.Thread(target=obey, daemon=True).start()
    print("sending", file=report)
    if sender.spec["txn_records"] > 0:
        sender.run_transactions()
    else:
        sender.run()
    left = sender.producer.flush(300)
    sender.out.close()
    print("sent", sender.written, file=report)
    report.flush()
    os._exit(0 if left == 0 else 1)


if __name__ == "__main__":
    main()
