"""The client of confluent-kafka, unmodified, against a schema registry.

Prints one JSON line for each step: its name and what came of it.
"""
import json
import sys
import warnings

warnings.simplefilter("ignore")

from confluent_kafka.schema_registry import (  # noqa: E402
    ConfigCompatibilityLevel, Schema, SchemaReference, SchemaRegistryClient, ServerConfig)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer  # noqa: E402
from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: E402
from confluent_kafka.schema_registry.json_schema import (  # noqa: E402
    JSONDeserializer, JSONSerializer)
from confluent_kafka.schema_registry.protobuf import (  # noqa: E402
    ProtobufDeserializer, ProtobufSerializer)
from confluent_kafka.serialization import MessageField, SerializationContext  # noqa: E402
from google.protobuf.timestamp_pb2 import Timestamp  # noqa: E402

url = sys.argv[1]


def client():
    """A client without anything in its caches."""
    return SchemaRegistryClient({"url": url})


def step(name, call):
    try:
        result = call(client())
    except SchemaRegistryError as e:
        result = "error %s %s" % (e.http_status_code, e.error_code)
    print(json.dumps([name, result], default=str), flush=True)


def avro(*fields):
    return Schema(json.dumps({"type": "record", "name": "R", "fields": [
        {"name": f, "type": "int"} for f in fields]}), "AVRO")


def level(config):
    return config.compatibility_level.value


S = "a-value"
step("types", lambda c: sorted(c.get_schema_types()))
step("no subjects", lambda c: c.get_subjects())
step("no such subject", lambda c: c.get_latest_version(S).version)
step("no such schema", lambda c: c.get_schema(99).schema_str)
step("register", lambda c: c.register_schema(S, avro("x")))
step("register again", lambda c: c.register_schema(S, avro("x")))
step("under another subject", lambda c: c.register_schema("b-value", avro("x")))
step("by id", lambda c: c.get_schema(1).schema_str)
step("by guid", lambda c: c.get_schema_by_guid(
    c.register_schema_full_response(S, avro("x")).guid).schema_str)
step("lookup", lambda c: c.lookup_schema(S, avro("x")).version)
step("lookup of another", lambda c: c.lookup_schema(S, avro("y")).version)
step("compatible", lambda c: c.test_compatibility(S, avro()))
step("incompatible", lambda c: c.test_compatibility(S, avro("x", "y")))
step("register incompatible", lambda c: c.register_schema(S, avro("x", "y")))
step("not a schema", lambda c: c.register_schema(S, Schema("{", "AVRO")))
step("global level", lambda c: level(c.get_config()))
step("set level", lambda c: c.set_compatibility(S, "FORWARD"))
step("level", lambda c: c.get_compatibility(S))
step("set config", lambda c: c.set_config(
    S, ServerConfig(compatibility=ConfigCompatibilityLevel.NONE)))
step("config", lambda c: level(c.get_config(S)))
step("register at NONE", lambda c: c.register_schema(S, avro("x", "y")))
step("delete config", lambda c: level(c.delete_config(S)))
step("no config", lambda c: c.get_compatibility("c-value"))
step("global mode", lambda c: c.get_global_mode())
step("read-only", lambda c: c.update_mode(S, "READONLY"))
step("register read-only", lambda c: c.register_schema(S, avro("z")))
step("delete mode", lambda c: c.delete_mode(S))
step("versions", lambda c: c.get_versions(S))
step("latest", lambda c: c.get_latest_version(S).schema_id)
step("subjects of an id", lambda c: sorted(c.get_subjects_by_schema_id(1)))
step("versions of an id", lambda c: sorted(
    [v.subject, v.version] for v in c.get_schema_versions(1)))
step("contexts", lambda c: c.get_contexts())
step("delete version", lambda c: c.delete_version(S, 1))
step("versions left", lambda c: c.get_versions(S))
step("versions, deleted too", lambda c: c.get_versions(S, deleted=True))
step("delete for good what is not deleted", lambda c: c.delete_version(S, 2, permanent=True))
step("delete for good", lambda c: c.delete_version(S, 1, permanent=True))
step("delete subject", lambda c: c.delete_subject(S))
step("subjects left", lambda c: c.get_subjects())
step("subjects, deleted too", lambda c: c.get_subjects(deleted=True))
step("delete subject for good", lambda c: c.delete_subject(S, permanent=True))

P = Schema('syntax = "proto3"; package p; message M { int32 a = 1; }', "PROTOBUF")
Q = Schema('syntax = "proto3"; import "p.proto"; message N { p.M m = 1; }', "PROTOBUF",
           [SchemaReference("p.proto", "p-value", 1)])
step("protobuf", lambda c: c.register_schema("p-value", P))
step("protobuf with a reference", lambda c: c.register_schema("q-value", Q))
step("referenced by", lambda c: c.get_referenced_by("p-value", 1))
step("delete what is referred to", lambda c: c.delete_subject("p-value"))

J = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "J", "type": "object",
     "properties": {"a": {"type": "string"}}, "additionalProperties": False}
step("json", lambda c: c.register_schema("j-value", Schema(json.dumps(J), "JSON")))
J["properties"]["b"] = {"type": "integer"}
step("json, compatible", lambda c: c.test_compatibility("j-value", Schema(json.dumps(J), "JSON")))
J["properties"]["a"] = {"type": "integer"}
step("json, incompatible", lambda c: c.test_compatibility(
    "j-value", Schema(json.dumps(J), "JSON")))


def there_and_back(serializer, deserializer, value, topic):
    at = SerializationContext(topic, MessageField.VALUE)
    return deserializer(serializer(value, at), at)


step("avro serializer", lambda c: there_and_back(
    AvroSerializer(c, avro("x").schema_str), AvroDeserializer(client()), {"x": 7}, "sa"))
step("json serializer", lambda c: there_and_back(
    JSONSerializer(json.dumps(J), c), JSONDeserializer(json.dumps(J)), {"a": 7}, "sj"))
step("protobuf serializer", lambda c: there_and_back(
    ProtobufSerializer(Timestamp, c, {"use.deprecated.format": False}),
    ProtobufDeserializer(Timestamp, {"use.deprecated.format": False}),
    Timestamp(seconds=7), "sp").seconds)
step("protobuf text", lambda c: "message Timestamp {" in c.get_latest_version("sp-value").schema.schema_str)
