import com.google.protobuf.DynamicMessage;
import com.google.protobuf.Message;
import io.confluent.kafka.schemaregistry.ParsedSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.avro.AvroSchemaProvider;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.SchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchema;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchemaProvider;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufDeserializer;
import io.confluent.kafka.serializers.protobuf.KafkaProtobufSerializer;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;

/** Does with the registry at args[0] what Confluent's client for Java can; a line each step. */
public class Client {
  private static final String RECORD =
      "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"x\",\"type\":\"int\"}]}";

  public static void main(String[] args) throws Exception {
    SchemaRegistryClient client = new CachedSchemaRegistryClient(List.of(args[0]), 100,
        List.of(new AvroSchemaProvider(), new ProtobufSchemaProvider()), Map.of());
    ParsedSchema record = new AvroSchema(RECORD);
    say("subjects", client.getAllSubjects());
    say("register", client.register("a-value", record));
    say("id", client.getId("a-value", record));
    say("version", client.getVersion("a-value", record));
    client.reset();
    say("by id", client.getSchemaById(1).canonicalString());
    say("compatible", client.testCompatibility("a-value", new AvroSchema("\"int\"")));
    say("why not", client.testCompatibilityVerbose("a-value", new AvroSchema("\"int\"")).get(0)
        .startsWith("{errorType:'TYPE_MISMATCH'"));
    try {
      client.register("a-value", new AvroSchema("\"int\""));
    } catch (RestClientException e) {
      say("incompatible", e.getStatus() + " " + e.getErrorCode());
    }
    try {
      client.getLatestSchemaMetadata("none");
    } catch (RestClientException e) {
      say("no subject", e.getStatus() + " " + e.getErrorCode());
    }
    say("set level", client.updateCompatibility("a-value", "FULL"));
    say("level", client.getCompatibility("a-value"));
    say("mode", client.getMode());
    avro(client, args[0]);
    protobuf(client, args[0]);
    say("versions", client.getAllVersions("a-value"));
    say("delete", client.deleteSubject("a-value"));
    say("subjects left", client.getAllSubjects());
  }

  private static void avro(SchemaRegistryClient client, String url) {
    Map<String, String> config = Map.of("schema.registry.url", url);
    try (KafkaAvroSerializer s = new KafkaAvroSerializer(client, config);
        KafkaAvroDeserializer d = new KafkaAvroDeserializer(client, config)) {
      GenericData.Record r = new GenericData.Record(new Schema.Parser().parse(RECORD));
      r.put("x", 7);
      say("avro", d.deserialize("t", s.serialize("t", r)));
    }
  }

  private static void protobuf(SchemaRegistryClient client, String url) {
    ProtobufSchema schema = new ProtobufSchema("syntax = \"proto3\"; message P { int32 x = 1; }");
    Map<String, String> config = Map.of("schema.registry.url", url);
    try (KafkaProtobufSerializer<Message> s = new KafkaProtobufSerializer<>(client, config);
        KafkaProtobufDeserializer<Message> d = new KafkaProtobufDeserializer<>(client, config)) {
      DynamicMessage.Builder m = DynamicMessage.newBuilder(schema.toDescriptor());
      m.setField(schema.toDescriptor().findFieldByName("x"), 7);
      say("protobuf", d.deserialize("p", s.serialize("p", m.build())).toString().trim());
    }
  }

  private static void say(String step, Object result) {
    System.out.println(step + ": " + result);
  }
}
