import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The load of a chaos run, sent by Apache Kafka's own producer; see Go package load. */
public final class Load {
  private final JsonNode spec;
  private final BufferedWriter out;
  private final Properties settings = new Properties();
  private KafkaProducer<byte[], byte[]> producer;
  private final long[] numbers; // next of each key
  private long state; // of splitmix64
  private long written; // guarded by out
  private volatile boolean stopped;
  private long last = System.nanoTime();
  private double spare;

  public static void main(String[] args) throws Exception {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Load load = new Load(new ObjectMapper().readTree(in.readLine()));
    Thread obey = new Thread(() -> load.obey(in), "standard-input");
    obey.setDaemon(true);
    obey.start();
    System.out.println("sending");
    if (load.spec.path("txn_records").asInt() > 0) {
      load.sendTransactions();
    } else {
      load.send();
    }
    load.producer.flush();
    load.producer.close();
    synchronized (load.out) {
      load.out.close();
      System.out.println("sent " + load.written);
    }
    Runtime.getRuntime().halt(0);
  }

  private Load(JsonNode spec) throws IOException {
    this.spec = spec;
    out = Files.newBufferedWriter(Path.of(spec.get("outcomes").asText()));
    numbers = new long[spec.get("keys").asInt()];
    state = spec.get("seed").asLong();
    Properties p = settings;
    p.put("bootstrap.servers", spec.get("bootstrap").asText());
    p.put("client.id", "load");
    p.put("acks", "all");
    p.put("enable.idempotence", "true");
    p.put("linger.ms", "5");
    if (spec.path("txn_records").asInt() > 0) {
      p.put("transactional.id", "load");
    }
    open();
  }

  private void open() {
    producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
  }

  private void obey(BufferedReader in) {
    try {
      if ("stop".equals(in.readLine())) {
        stopped = true;
        while (in.read() != -1) {}
      }
    } catch (IOException e) {
      System.err.println("standard input: " + e);
    }
    Runtime.getRuntime().halt(3); // whoever started this is gone
  }

  private void send() throws Exception {
    while (!stopped) {
      for (int n = due(); n > 0; n--) {
        sendOne(0);
      }
      Thread.sleep(2);
    }
  }

  private int due() {
    long now = System.nanoTime();
    spare += Math.min((now - last) / 1e9, 0.1) * spec.get("rate").asInt();
    last = now;
    int due = (int) spare;
    spare -= due;
    return due;
  }

  private long draw() {
    state += 0x9e3779b97f4a7c15L;
    long z = state;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  private void sendOne(int txn) {
    long h = draw();
    int key = (int) Long.remainderUnsigned(h, numbers.length);
    long number = numbers[key]++;
    byte[] value = new byte[16 + (int) ((h >>> 32) % 184)];
    Arrays.fill(value, (byte) 'x');
    ByteBuffer.wrap(value).putInt(key).putInt(txn).putLong(number);
    byte[] keyBytes = ("key-" + key).getBytes(StandardCharsets.UTF_8);
    try {
      producer.send(new ProducerRecord<>(spec.get("topic").asText(), keyBytes, value),
          (m, e) -> {
            if (e == null) {
              write(key + " " + number + " acked " + m.partition() + " "
                  + (m.hasOffset() ? m.offset() : -1), "");
            } else {
              write(key + " " + number + " failed -1 -1", " " + e);
            }
          });
    } catch (KafkaException e) { // the callback is not called
      write(key + " " + number + " refused -1 -1", " " + e);
    }
  }

  private void write(String outcome, String why) {
    long micros = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    synchronized (out) {
      try {
        out.write(outcome + " " + micros + why.replace('\n', ' ') + "\n");
        if (!outcome.startsWith("txn")) {
          written++;
        }
      } catch (IOException e) {
        System.err.println("outcomes: " + e);
        Runtime.getRuntime().halt(1);
      }
    }
  }

  private void sendTransactions() throws Exception {
    producer.initTransactions();
    int mean = spec.get("txn_records").asInt();
    for (int txn = 1; !stopped; txn++) {
      producer.beginTransaction();
      long h = draw();
      int left = (int) Math.max(1, mean / 5 + Long.remainderUnsigned(h, mean * 8 / 5 + 1));
      boolean abort = (h >>> 40) % 5 == 0;
      while (left > 0) {
        int n = Math.min(left, due());
        for (int i = 0; i < n; i++) {
          sendOne(txn);
        }
        left -= n;
        Thread.sleep(2);
      }
      end(txn, !abort);
    }
  }

  /** Commits or aborts; asks again when no answer came, as KafkaProducer's documentation says. */
  private void end(int txn, boolean commit) {
    String why = "";
    while (commit) {
      try {
        producer.commitTransaction();
        write("txn " + txn + " committed", "");
        return;
      } catch (TimeoutException e) {
        why = " " + e;
      } catch (KafkaException e) {
        why = " " + e;
        commit = false;
      }
    }
    while (true) {
      try {
        producer.abortTransaction();
        write("txn " + txn + " aborted", why);
        return;
      } catch (TimeoutException e) {
        why += " " + e;
      } catch (KafkaException e) { // fatal: a new producer settles what this one left open
        write("txn " + txn + " unknown", why + " " + e);
        producer.close();
        open();
        producer.initTransactions();
        return;
      }
    }
  }
}
