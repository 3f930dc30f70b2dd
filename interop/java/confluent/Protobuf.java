import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.confluent.kafka.schemaregistry.CompatibilityLevel;
import io.confluent.kafka.schemaregistry.ParsedSchemaHolder;
import io.confluent.kafka.schemaregistry.SimpleParsedSchemaHolder;
import io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import io.confluent.kafka.schemaregistry.protobuf.ProtobufSchema;
import io.confluent.kafka.schemaregistry.protobuf.diff.Difference;
import io.confluent.kafka.schemaregistry.protobuf.diff.SchemaDiff;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Reads a subject's versions, a line of JSON each, the oldest first: [{"text":…,"imports":{name:
 * text}},…]; prints what Confluent's registry thinks of them.
 */
public class Protobuf {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      out.println(JSON.writeValueAsString(judge(JSON.readTree(line))));
    }
    out.flush();
  }

  private static ObjectNode judge(JsonNode versions) {
    ObjectNode answer = JSON.createObjectNode();
    ArrayNode texts = answer.putArray("texts");
    List<ProtobufSchema> schemas = new ArrayList<>();
    for (JsonNode version : versions) {
      ProtobufSchema schema = parse(version, schemas.size() + 1);
      schemas.add(schema);
      texts.add(schema.canonicalString());
    }
    ObjectNode pairs = answer.putObject("reasons");
    for (int reader = 0; reader < schemas.size(); reader++) {
      for (int writer = 0; writer < schemas.size(); writer++) {
        ArrayNode reasons = pairs.putArray(reader + "<" + writer);
        for (Difference d : SchemaDiff.compare(schemas.get(writer), schemas.get(reader))) {
          if (!SchemaDiff.COMPATIBLE_CHANGES.contains(d.getType())) {
            reasons.add(d.getType() + " " + d.getFullPath());
          }
        }
      }
    }
    ObjectNode levels = answer.putObject("levels");
    for (CompatibilityLevel level : CompatibilityLevel.values()) {
      List<ParsedSchemaHolder> earlier = new ArrayList<>();
      for (ProtobufSchema s : schemas.subList(0, schemas.size() - 1)) {
        earlier.add(new SimpleParsedSchemaHolder(s));
      }
      levels.put(level.name(),
          schemas.get(schemas.size() - 1).isCompatible(level, earlier).isEmpty());
    }
    return answer;
  }

  private static ProtobufSchema parse(JsonNode version, int number) {
    Map<String, String> imports = new TreeMap<>();
    List<SchemaReference> references = new ArrayList<>();
    version.path("imports").fields().forEachRemaining(e -> {
      imports.put(e.getKey(), e.getValue().asText());
      references.add(new SchemaReference(e.getKey(), e.getKey(), number));
    });
    return new ProtobufSchema(version.get("text").asText(), references, imports, null, null);
  }
}
