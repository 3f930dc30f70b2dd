"""The command loop of the Python drivers; the protocol is that of Go package driver."""

import base64
import json
import os
import sys
import traceback

OUT = os.fdopen(os.dup(1), "w", buffering=1 << 20)
os.dup2(2, 1)  # what libraries print must not mix with the answers


def encode(value):
    """Bytes as base64 text; None stays None."""
    return None if value is None else base64.b64encode(value).decode()


def decode(text):
    """The inverse of encode."""
    return None if text is None else base64.b64decode(text)


def row(value):
    """Answer with one row."""
    OUT.write(json.dumps({"row": value}) + "\n")


def record_row(topic, partition, offset, timestamp, key, value, headers):
    """Answer with one record that was read."""
    row({
        "topic": topic, "partition": partition, "offset": offset, "timestamp": timestamp,
        "key": encode(key), "value": encode(value),
        "headers": [[name, encode(v)] for name, v in headers or []],
    })


def outcome_row(partition, offset, error=None):
    """Answer with what became of one produced record."""
    answer = {"partition": partition, "offset": offset}
    if error is not None:
        answer["error"] = str(error)
    row(answer)


def run(operations):
    """Carry out commands until standard input ends; operations maps op to a function."""
    for line in sys.stdin:
        command = json.loads(line)
        try:
            operations[command["op"]](command)
            end = {"done": True}
        except Exception as e:
            traceback.print_exc()
            end = {"failed": f"{type(e).__name__}: {e}"}
        OUT.write(json.dumps(end) + "\n")
        OUT.flush()
