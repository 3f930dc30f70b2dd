"""confluent-kafka's own serializers and deserializers, with a schema registry."""

import base64
import datetime

import confluent_kafka as ck
from confluent_kafka import schema_registry as sr
from confluent_kafka.schema_registry import avro, json_schema, protobuf
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

import librdkafka
import loop

TIMEOUT = 30.0


def message_class(command):
    """The class of a message whose file is given as a base64 descriptor."""
    pool = descriptor_pool.Default()  # has google/protobuf/*.proto
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(command["descriptor"]))
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(command["message"]))


def client(command):
    return sr.SchemaRegistryClient({"url": command["registry"]})


def plain(value):
    """A value as JSON has it: times are milliseconds since 1970, local ones text."""
    if isinstance(value, datetime.datetime) and value.tzinfo is None:
        return value.isoformat()
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def fields(message):
    """A message as JSON, 64-bit numbers too: json_format makes text of those."""
    out = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    for field in message.DESCRIPTOR.fields:
        if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) and field.name in out:
            out[field.name] = int(out[field.name])
    return out


def deserializer(command):
    """A function of bytes and context that makes a plain value."""
    if command["format"] == "avro":
        d = avro.AvroDeserializer(client(command))
        return lambda data, ctx: plain(d(data, ctx))
    if command["format"] == "jsonschema":
        return json_schema.JSONDeserializer(None, schema_registry_client=client(command))
    d = protobuf.ProtobufDeserializer(
        message_class(command), {"use.deprecated.format": False}, client(command))
    return lambda data, ctx: fields(d(data, ctx))


def serializer(command):
    """A function of a plain value and context that makes bytes."""
    conf = {}
    if command["header"]:
        conf["schema.id.serializer"] = sr.header_schema_id_serializer
    if command["format"] == "avro":
        s = avro.AvroSerializer(client(command), command["schema"], conf=conf)
        return s
    if command["format"] == "jsonschema":
        return json_schema.JSONSerializer(command["schema"], client(command), conf=conf)
    cls = message_class(command)
    conf["use.deprecated.format"] = False
    s = protobuf.ProtobufSerializer(cls, client(command), conf)
    return lambda value, ctx: s(json_format.ParseDict(value, cls()), ctx)


def read(command):
    """Read a topic to its end and answer with its values."""
    d = deserializer(command)
    records = []
    answer, loop.record_row = loop.record_row, lambda *r: records.append(r)
    try:
        librdkafka.consume({**command, "config": {}})
    finally:
        loop.record_row = answer
    for topic, _, _, _, _, value, headers in records:
        loop.row(d(value, SerializationContext(topic, MessageField.VALUE, headers)))


def write(command):
    """Write values in their order."""
    s = serializer(command)
    producer = ck.Producer({"bootstrap.servers": command["bootstrap"]})
    for value in command["values"]:
        headers = []
        data = s(value, SerializationContext(command["topic"], MessageField.VALUE, headers))
        producer.produce(command["topic"], value=data, headers=headers, partition=0)
    if producer.flush(TIMEOUT) > 0:
        raise TimeoutError("records are left")
    loop.row(len(command["values"]))


if __name__ == "__main__":
    loop.run({"read": read, "write": write})
