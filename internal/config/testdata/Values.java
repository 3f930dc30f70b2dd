// Asks Apache Kafka's own ConfigDef what it makes of texts, one JSON row each:
//   java -cp kafka-clients-4.4.0.jar:slf4j-api-1.7.36.jar Values.java > values.json
// Row: setting, text, and either "value" as Kafka parsed it or "refused": true.

import java.util.*;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.types.Password;

public class Values {
    static final String[] NUMBERS = {
        "0", "1", "-1", "-2", "+7", " 12 ", "\t9\n", "007", "1.0", "1e3", "0x10", "1_000", "",
        " ", "12 3", "2147483647", "2147483648", "-2147483648", "-2147483649", "32767", "32768",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "4999", "5000",
        "3600", "3601", "900", "901", "86400", "86401", "22", "23", "17", "18", "9", "10",
        "-131072", "-131073", "true", "null", "٣"};
    static final String[] DOUBLES = {
        "0", "0.5", ".5", "5.", "1", "1.0", "1.01", "0.25", "0.26", "0.49", "-0.0", "-1", "1e-1",
        "1E-1", "+0.6", " 0.7 ", "0.8f", "0.8d", "0.8D", "0x1p-1", "0x1", "1_0", "", "abc", "inf",
        "Infinity", "-Infinity", "+Infinity", "0.1e", "1e400"};
    static final String[] BOOLEANS = {
        "true", "false", "TRUE", "False", " true ", "\tfalse", "1", "0", "yes", "on", "", "t", "tru e"};
    static final String[] LISTS = {
        "", " ", "a", " a ", "a,b", "a , b", "a,b,", ",a", "a,,b", ",", "a,a", "a, a ,b", "a;b",
        "a\t,\tb", "[a]", "host:1,host:2"};
    static final String[] STRINGS = {
        "", " ", "x", " x ", "all", "ALL", "-1", "0", "1", "2", " 1 ", "none", "gzip", "GZIP",
        "snappy", "lz4", "zstd", "use_all_dns_ips", "USE_ALL_DNS_IPS", "default",
        "resolve_canonical_bootstrap_servers_only", "rebootstrap", "REBOOTSTRAP", "None",
        "INFO", "info", "DEBUG", "TRACE", "WARN", "full", "FULL", "Incremental", "PLAINTEXT",
        "plaintext", "SSL", "sasl_ssl", "SASL_PLAINTEXT", "TLS", "rs256", "ES256", "HS256",
        "\u00a0x\u00a0", "\u0001x\u0001", "é"};

    static final String[] FREE = {"", " ", "x", " x ", "\u00a0x\u00a0", "\u0001x\u0001", "é"};

    static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') b.append('\\').append(c);
            else if (c < 0x20 || c > 0x7e) b.append(String.format("\\u%04x", (int) c));
            else b.append(c);
        }
        return b.append('"').toString();
    }

    static String json(Object v) {
        if (v == null || v instanceof Boolean || v instanceof Integer || v instanceof Long
            || v instanceof Short) return String.valueOf(v);
        if (v instanceof Password) return quote(((Password) v).value());
        if (v instanceof List) {
            StringJoiner j = new StringJoiner(", ", "[", "]");
            for (Object o : (List<?>) v) j.add(quote(String.valueOf(o)));
            return j.toString();
        }
        return quote(String.valueOf(v)); // doubles as text: JSON has no infinity
    }

    public static void main(String[] args) {
        ConfigDef def = ProducerConfig.configDef();
        List<String> rows = new ArrayList<>();
        for (String name : new TreeSet<>(def.names())) {
            ConfigDef.ConfigKey key = def.configKeys().get(name);
            String[] texts;
            switch (key.type) {
                case INT: case LONG: case SHORT: texts = NUMBERS; break;
                case DOUBLE: texts = DOUBLES; break;
                case BOOLEAN: texts = BOOLEANS; break;
                case LIST: texts = LISTS; break;
                case CLASS: continue; // Java's class path decides
                default: texts = key.validator == null ? FREE : STRINGS;
            }
            for (String text : texts) {
                Map<String, String> given = new HashMap<>();
                given.put("bootstrap.servers", "h:1");
                given.put("key.serializer", "java.lang.String");
                given.put("value.serializer", "java.lang.String");
                given.put(name, text);
                String row = "{\"setting\": " + quote(name) + ", \"text\": " + quote(text);
                try {
                    rows.add(row + ", \"value\": " + json(def.parse(given).get(name)) + "}");
                } catch (ConfigException e) {
                    rows.add(row + ", \"refused\": true}");
                }
            }
        }
        System.out.println("{\"source\": \"ProducerConfig.configDef().parse of"
            + " org.apache.kafka:kafka-clients:4.4.0\",\n\"rows\": [\n"
            + String.join(",\n", rows) + "\n]}");
    }
}
