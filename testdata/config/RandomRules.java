// Builds Kafka producers from settings drawn at random and says what came of each:
//   java -cp kafka-clients-4.4.0.jar:slf4j-api-1.7.36.jar:lz4-java.jar:… RandomRules.java 600 \
//     > random-rules.json
// Row: given settings; and either what is in force, or "refused": true.

import java.lang.reflect.Field;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;

public class RandomRules {
    static final String[][] POOL = {
        {"acks", "all", "-1", "0", "1"},
        {"enable.idempotence", "true", "false", "TRUE"},
        {"retries", "0", "1", "2147483647"},
        {"max.in.flight.requests.per.connection", "1", "5", "6"},
        {"transactional.id", "tx"},
        {"transaction.timeout.ms", "60000", "-1", "1000"},
        {"transaction.two.phase.commit.enable", "true", "false"},
        {"delivery.timeout.ms", "120000", "1000", "30000", "2147483647", "0"},
        {"linger.ms", "0", "5", "1000", "2147483648", "9223372036854775807"},
        {"request.timeout.ms", "0", "1000", "30000", "2147483647"},
        {"reconnect.backoff.ms", "0", "50", "10", "4000", "9223372036854775807"},
        {"reconnect.backoff.max.ms", "0", "1000", "2000"},
        {"retry.backoff.ms", "0", "100", "5000"},
        {"retry.backoff.max.ms", "0", "1000", "50"},
        {"socket.connection.setup.timeout.ms", "10000", "60000", "0"},
        {"socket.connection.setup.timeout.max.ms", "30000", "5000"},
        {"client.id", "", "c"},
        {"partitioner.rack.aware", "true", "false"},
        {"client.rack", "", "r"},
        {"batch.size", "0", "16384"},
        {"security.protocol", "plaintext", "SASL_PLAINTEXT", "sasl_plaintext"},
        {"sasl.mechanism", "", "PLAIN"},
        {"sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required "
            + "username=\"u\" password=\"p\";"},
        {"bootstrap.servers", "", ":1", "h", "[::1]:1,127.0.0.1:2", "127.0.0.1:65536", "a b:1",
            "127.0.0.1:1,", "x://127.0.0.1:1", "127.0.0.1:-1", "127.0.0.1:01", "127.0.0.1"},
        {"compression.type", "none", "gzip", "zstd"},
        {"compression.gzip.level", "-1", "0", "9"},
    };

    static Object get(Object from, String name) throws Exception {
        Field f = from.getClass().getDeclaredField(name);
        f.setAccessible(true);
        return f.get(from);
    }

    static String quote(String s) {
        return "\"" + s.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    public static void main(String[] args) throws Exception {
        Random random = new Random(4400);
        List<String> rows = new ArrayList<>();
        for (int n = Integer.parseInt(args[0]); n > 0; n--) {
            Map<String, Object> given = new TreeMap<>();
            given.put("bootstrap.servers", "127.0.0.1:1");
            for (int k = 1 + random.nextInt(6); k > 0; k--) {
                String[] setting = POOL[random.nextInt(POOL.length)];
                given.put(setting[0], setting[1 + random.nextInt(setting.length - 1)]);
            }
            StringJoiner text = new StringJoiner(", ", "{", "}");
            given.forEach((k, v) -> text.add(quote(k) + ": " + quote((String) v)));
            Map<String, Object> all = new HashMap<>(given);
            String bytes = "org.apache.kafka.common.serialization.ByteArraySerializer";
            all.put("key.serializer", bytes);
            all.put("value.serializer", bytes);
            all.put("metric.reporters", "");
            all.put("enable.metrics.push", "false");
            KafkaProducer<byte[], byte[]> p = null;
            try {
                p = new KafkaProducer<>(all);
                ProducerConfig c = (ProducerConfig) get(p, "producerConfig");
                Object accumulator = get(p, "accumulator");
                rows.add("{\"given\": " + text
                    + ", \"idempotence\": " + c.getBoolean("enable.idempotence")
                    + ", \"acks\": " + c.getString("acks")
                    + ", \"deliveryTimeoutMs\": " + get(accumulator, "deliveryTimeoutMs")
                    + ", \"lingerMs\": " + get(accumulator, "lingerMs")
                    + ", \"batchSize\": " + get(accumulator, "batchSize")
                    + ", \"reconnectBackoffMaxMs\": " + c.getLong("reconnect.backoff.max.ms")
                    + ", \"clientId\": "
                    + quote(c.getString("client.id").replaceAll("^producer-\\d+$", "producer-<n>"))
                    + "}");
            } catch (Exception e) {
                rows.add("{\"given\": " + text + ", \"refused\": true}");
            } finally {
                if (p != null) p.close(Duration.ZERO);
            }
        }
        System.out.println("{\"source\": \"new KafkaProducer(Map) of"
            + " org.apache.kafka:kafka-clients:4.4.0\",\n\"rows\": [\n"
            + String.join(",\n", rows) + "\n]}");
    }
}
