import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Exit;

/** Apache Kafka's own clients, driven by commands on standard input: see Go package driver. */
public final class Driver {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT =
      new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false,
          StandardCharsets.UTF_8);

  public static void main(String[] args) throws IOException {
    System.setOut(System.err); // what libraries print must not mix with the answers
    JSON.getFactory().setStreamReadConstraints(
        StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build());
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null; ) {
      ObjectNode end = JSON.createObjectNode();
      try {
        run(JSON.readTree(line));
        end.put("done", true);
      } catch (Exception e) {
        e.printStackTrace();
        end.put("failed", e.toString());
      }
      OUT.println(end);
      OUT.flush();
    }
    Runtime.getRuntime().halt(0);
  }

  private static void run(JsonNode command) throws Exception {
    switch (command.get("op").asText()) {
      case "consume":
        consume(command);
        return;
      case "produce":
        produce(command);
        return;
      case "transform":
        transform(command);
        return;
      case "commits":
        commits(command);
        return;
      case "partitions":
        partitions(command);
        return;
      case "tool":
        tool(command);
        return;
      default:
        throw new IllegalArgumentException("unknown op in " + command);
    }
  }

  private static Properties settings(JsonNode command) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", command.get("bootstrap").asText());
    for (Map.Entry<String, JsonNode> e : command.get("config").properties()) {
      properties.put(e.getKey(), e.getValue().asText());
    }
    return properties;
  }

  private static void consume(JsonNode command) {
    Properties properties = settings(command);
    properties.putIfAbsent("fetch.max.wait.ms", "50"); // at the end nothing more will come
    properties.put("isolation.level",
        command.path("read_committed").asBoolean() ? "read_committed" : "read_uncommitted");
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(command.get("topic").asText())
          .forEach(p -> partitions.add(new TopicPartition(p.topic(), p.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
          if (r.offset() < ends.get(new TopicPartition(r.topic(), r.partition()))) {
            row(json(r));
          }
        }
      }
    }
  }

  private static ObjectNode json(ConsumerRecord<byte[], byte[]> r) {
    ObjectNode o = JSON.createObjectNode();
    o.put("topic", r.topic()).put("partition", r.partition()).put("offset", r.offset());
    o.put("timestamp", r.timestamp()).put("key", r.key()).put("value", r.value());
    ArrayNode headers = o.putArray("headers");
    for (Header h : r.headers()) {
      headers.addArray().add(h.key()).add(h.value());
    }
    return o;
  }

  private static void produce(JsonNode command) throws Exception {
    Properties properties = settings(command);
    ByteArraySerializer bytes = new ByteArraySerializer();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, bytes, bytes)) {
      boolean transactional = properties.containsKey("transactional.id");
      if (transactional) {
        producer.initTransactions();
        producer.beginTransaction();
      }
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (JsonNode r : command.get("records")) {
        sent.add(producer.send(parse(r)));
      }
      producer.flush();
      if (transactional && command.path("abort").asBoolean()) {
        producer.abortTransaction();
      } else if (transactional) {
        producer.commitTransaction();
      }
      report(sent);
    }
  }

  /**
   * Copies records from one topic to another, offsets in the same transactions, every third of
   * which it aborts, until so many are committed.
   */
  private static void transform(JsonNode command) {
    Properties reading = new Properties();
    reading.put("bootstrap.servers", command.get("bootstrap").asText());
    reading.put("group.id", command.get("group").asText());
    reading.put("isolation.level", "read_committed");
    reading.put("enable.auto.commit", "false");
    reading.put("auto.offset.reset", "earliest");
    reading.put("max.poll.records", "10");
    ByteArrayDeserializer in = new ByteArrayDeserializer();
    ByteArraySerializer out = new ByteArraySerializer();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(reading, in, in);
        KafkaProducer<byte[], byte[]> producer =
            new KafkaProducer<>(settings(command), out, out)) {
      producer.initTransactions();
      consumer.subscribe(List.of(command.get("from").asText()));
      int left = command.get("count").asInt();
      for (int round = 1; left > 0; ) {
        ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
        if (records.isEmpty()) {
          continue; // the test bounds this
        }
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> r : records) {
          producer.send(new ProducerRecord<>(command.get("to").asText(), r.key(), r.value()));
          offsets.put(new TopicPartition(r.topic(), r.partition()),
              new OffsetAndMetadata(r.offset() + 1));
        }
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        if (round++ % 3 != 0) {
          producer.commitTransaction();
          left -= records.count();
          continue;
        }
        producer.abortTransaction();
        for (TopicPartition p : records.partitions()) {
          consumer.seek(p, records.records(p).get(0).offset());
        }
      }
    }
  }

  /** How long each commit takes, in nanoseconds, of transactions of so many records. */
  private static void commits(JsonNode command) throws Exception {
    ByteArraySerializer bytes = new ByteArraySerializer();
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings(command), bytes, bytes)) {
      producer.initTransactions();
      byte[] value = new byte[100];
      for (int i = 0; i < command.get("transactions").asInt(); i++) {
        producer.beginTransaction();
        for (int n = 0; n < command.get("records").asInt(); n++) {
          producer.send(new ProducerRecord<>(command.get("topic").asText(), value));
        }
        producer.flush();
        long began = System.nanoTime();
        producer.commitTransaction();
        OUT.println(JSON.createObjectNode().put("row", System.nanoTime() - began));
      }
    }
  }

  private static ProducerRecord<byte[], byte[]> parse(JsonNode r) throws IOException {
    int partition = r.get("partition").asInt();
    long timestamp = r.get("timestamp").asLong();
    ProducerRecord<byte[], byte[]> out =
        new ProducerRecord<>(r.get("topic").asText(), partition < 0 ? null : partition,
            timestamp == 0 ? null : timestamp, bytes(r.get("key")), bytes(r.get("value")));
    for (JsonNode h : r.path("headers")) {
      out.headers().add(h.get(0).asText(), bytes(h.get(1)));
    }
    return out;
  }

  private static byte[] bytes(JsonNode n) throws IOException {
    return n.isNull() ? null : n.binaryValue();
  }

  private static void report(Collection<Future<RecordMetadata>> sent) throws Exception {
    for (Future<RecordMetadata> f : sent) {
      ObjectNode o = JSON.createObjectNode();
      try {
        RecordMetadata m = f.get();
        o.put("partition", m.partition()).put("offset", m.hasOffset() ? m.offset() : -1);
      } catch (ExecutionException e) {
        o.put("partition", -1).put("offset", -1).put("error", e.getCause().toString());
      }
      row(o);
    }
  }

  private static void partitions(JsonNode command) throws IOException {
    int count = command.get("count").asInt();
    for (JsonNode key : command.get("keys")) {
      int partition = BuiltInPartitioner.partitionForKey(bytes(key), count);
      OUT.println(JSON.createObjectNode().put("row", partition));
    }
  }

  /** What a tool ends with in place of ending this JVM. Some catch it and exit once more. */
  private static final class Ended extends Error {
    Ended(int code) {
      super("exit " + code, null, false, false);
    }
  }

  /** Runs a command line tool's main method with standard input and output of its own. */
  private static void tool(JsonNode command) throws Exception {
    List<String> args = new ArrayList<>();
    command.get("args").forEach(a -> args.add(a.asText()));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    InputStream in = System.in;
    PrintStream oldOut = System.out;
    PrintStream oldErr = System.err;
    List<Integer> codes = new ArrayList<>();
    Exit.setExitProcedure((code, message) -> {
      codes.add(code);
      throw new Ended(code);
    });
    List<Runnable> hooks = new ArrayList<>(); // some tools close their clients in one
    Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
    try {
      System.setIn(new ByteArrayInputStream(
          command.path("stdin").asText("").getBytes(StandardCharsets.UTF_8)));
      System.setOut(new PrintStream(out, false, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(err, false, StandardCharsets.UTF_8));
      Class.forName(command.get("class").asText()).getMethod("main", String[].class)
          .invoke(null, (Object) args.toArray(new String[0]));
    } catch (InvocationTargetException e) {
      if (codes.isEmpty()) {
        throw e;
      }
    } finally {
      hooks.forEach(Runnable::run);
      System.out.flush();
      System.err.flush();
      System.setIn(in);
      System.setOut(oldOut);
      System.setErr(oldErr);
      Exit.resetExitProcedure();
      Exit.resetShutdownHookAdder();
    }
    int code = codes.isEmpty() ? 0 : codes.get(0);
    row(JSON.createObjectNode().put("code", code).put("stdout", out.toString("UTF-8"))
        .put("stderr", err.toString("UTF-8")));
  }

  private static void row(ObjectNode o) {
    ObjectNode line = JSON.createObjectNode();
    line.set("row", o);
    OUT.println(line);
  }
}
