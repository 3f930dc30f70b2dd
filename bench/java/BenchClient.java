import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Times Apache Kafka's own producer with the flags, the workload and the result of the other bench
 * clients; see internal/run, whose loops these are.
 */
public final class BenchClient {
  private static final int DISTINCT_VALUES = 1024;
  private static final long KEY_MULTIPLIER = 2654435761L;
  private static final int SAMPLE_EVERY = 64;

  private final Map<String, String> flags;
  private final KafkaProducer<byte[], byte[]> producer;
  private final String topic;
  private final byte[][] values;
  private final byte[][] keys;
  private final int threads;
  private final boolean sync;
  private final double rate;

  // Callbacks come from the producer's one I/O thread; Histogram is guarded by itself.
  private final AtomicLong failed = new AtomicLong();
  private final Histogram latency = new Histogram(1_000, 120_000_000_000L, 3);

  private BenchClient(Map<String, String> flags) throws IOException {
    this.flags = flags;
    topic = text("topic", "bench");
    threads = (int) number("threads", 1);
    sync = Boolean.parseBoolean(text("sync", "false"));
    rate = number("rate", 0);
    keys = distinctKeys(text("key", "none"));
    values =
        flags.containsKey("data") && !flags.get("data").isEmpty()
            ? lines(flags.get("data"))
            : randomValues((int) number("value-size", 100));
    producer = new KafkaProducer<>(settings());
  }

  public static void main(String[] args) throws Exception {
    BenchClient client = new BenchClient(parse(args));
    String result = client.run();
    client.producer.close();
    System.out.println(result);
  }

  /** Flags are --name=value, --name value, or --name alone for true. */
  private static Map<String, String> parse(String[] args) {
    Map<String, String> flags = new HashMap<>();
    for (int i = 0; i < args.length; i++) {
      if (!args[i].startsWith("-")) {
        throw new IllegalArgumentException("unexpected argument " + args[i]);
      }
      String flag = args[i].replaceFirst("^--?", "");
      int equals = flag.indexOf('=');
      if (equals >= 0) {
        flags.put(flag.substring(0, equals), flag.substring(equals + 1));
      } else if (i + 1 < args.length && !args[i + 1].startsWith("--")) {
        flags.put(flag, args[++i]);
      } else {
        flags.put(flag, "true");
      }
    }
    return flags;
  }

  private String text(String name, String otherwise) {
    return flags.getOrDefault(name, otherwise);
  }

  private double number(String name, double otherwise) {
    return flags.containsKey(name) ? Double.parseDouble(flags.get(name)) : otherwise;
  }

  private Properties settings() {
    Properties p = new Properties();
    p.put("bootstrap.servers", text("bootstrap", "127.0.0.1:9092"));
    p.put("key.serializer", ByteArraySerializer.class.getName());
    p.put("value.serializer", ByteArraySerializer.class.getName());
    p.put("acks", text("acks", "all"));
    p.put("enable.idempotence", text("idempotent", "true"));
    p.put("compression.type", text("compression", "none"));
    p.put("linger.ms", Long.toString((long) number("linger-ms", 5)));
    p.put("batch.size", Long.toString((long) number("batch-bytes", 16384)));
    p.put("buffer.memory", Long.toString((long) number("buffer-bytes", 33554432)));
    p.put("max.in.flight.requests.per.connection", Long.toString((long) number("inflight", 5)));
    if (number("batch-bytes", 16384) + 1024 > 1048576) {
      p.put("max.request.size", Long.toString(8 * (long) number("batch-bytes", 16384)));
    }
    if (text("partitioner", "default").equals("roundrobin")) {
      p.put("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner");
    }
    return p;
  }

  private static byte[][] distinctKeys(String key) {
    if (!key.startsWith("distinct:")) {
      return new byte[0][];
    }
    byte[][] keys = new byte[Integer.parseInt(key.substring("distinct:".length()))][];
    for (int i = 0; i < keys.length; i++) {
      keys[i] = String.format("key-%06d", i).getBytes(StandardCharsets.US_ASCII);
    }
    return keys;
  }

  private static byte[][] randomValues(int size) {
    String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    Random random = new Random(1);
    byte[][] values = new byte[DISTINCT_VALUES][size];
    for (byte[] value : values) {
      for (int i = 0; i < size; i++) {
        value[i] = (byte) alphabet.charAt(random.nextInt(alphabet.length()));
      }
    }
    return values;
  }

  private static byte[][] lines(String file) throws IOException {
    List<byte[]> lines = new ArrayList<>();
    for (String line : Files.readAllLines(Path.of(file))) {
      lines.add(line.getBytes(StandardCharsets.UTF_8));
    }
    return lines.toArray(new byte[0][]);
  }

  private static long cpuNanos() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
        .getProcessCpuTime();
  }

  private static long collections() {
    long n = 0;
    for (GarbageCollectorMXBean gc : ManagementFactory.getGarbageCollectorMXBeans()) {
      n += Math.max(gc.getCollectionCount(), 0);
    }
    return n;
  }

  private static double peakRSS() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) * 1024 / 1e6;
      }
    }
    return 0;
  }

  private String run() throws Exception {
    double maxSeconds = number("max-seconds", 0);
    Totals warmup = phase((long) number("warmup", 100_000), maxSeconds / 2);
    synchronized (latency) {
      latency.reset();
    }
    failed.set(0);
    long gcBefore = collections();
    long cpuBefore = cpuNanos();
    long start = System.nanoTime();
    Totals sent = phase((long) number("records", 1_000_000), maxSeconds);
    double wall = (System.nanoTime() - start) / 1e9;
    double cpu = (cpuNanos() - cpuBefore) / 1e9;
    long acked = sent.records - failed.get();
    StringBuilder out = new StringBuilder("{");
    field(out, "client", "java");
    field(out, "version", version());
    field(out, "scenario", text("scenario", "adhoc"));
    field(out, "note", "Java " + Runtime.version().feature());
    field(out, "records", acked);
    field(out, "errors", failed.get());
    field(out, "warmup_records", warmup.records);
    field(out, "wall_s", wall);
    field(out, "rec_per_s", acked / wall);
    field(out, "mb_per_s", sent.bytes / 1e6 / wall);
    field(out, "cpu_s", cpu);
    field(out, "cpu_s_per_mrec", acked == 0 ? 0 : cpu / acked * 1e6);
    field(out, "max_rss_mb", peakRSS());
    field(out, "gc_cycles", collections() - gcBefore);
    synchronized (latency) {
      field(out, "p50_us", micros(50));
      field(out, "p95_us", micros(95));
      field(out, "p99_us", micros(99));
      field(out, "p999_us", micros(99.9));
      field(out, "max_us", latency.getMaxValue() / 1e3);
      field(out, "lat_samples", latency.getTotalCount());
    }
    field(out, "pace_lag_max_us", sent.maxLag / 1e3);
    out.setCharAt(out.length() - 1, '}');
    return out.toString();
  }

  private static String version() throws IOException {
    Properties p = new Properties();
    try (InputStream in =
        KafkaProducer.class.getResourceAsStream("/kafka/kafka-version.properties")) {
      p.load(in);
    }
    return p.getProperty("version");
  }

  private double micros(double percentile) {
    return latency.getTotalCount() == 0 ? 0 : latency.getValueAtPercentile(percentile) / 1e3;
  }

  private static void field(StringBuilder out, String name, Object value) {
    String text = value instanceof String ? "\"" + value + "\"" : value.toString();
    if (value instanceof Double) {
      text = String.format(Locale.ROOT, "%.9f", (Double) value);
    }
    out.append('"').append(name).append("\":").append(text).append(',');
  }

  private static final class Totals {
    long records;
    long bytes;
    long maxLag;
  }

  private Totals phase(long n, double maxSeconds) throws Exception {
    long start = System.nanoTime();
    long stopAt = maxSeconds > 0 ? start + (long) (maxSeconds * 1e9) : Long.MAX_VALUE;
    Sender[] senders = new Sender[threads];
    for (int i = 0; i < threads; i++) {
      long records = n / threads + (i < n % threads ? 1 : 0);
      senders[i] = new Sender(i, records, start, stopAt);
      senders[i].start();
    }
    Totals sum = new Totals();
    for (Sender sender : senders) {
      sender.join();
      if (sender.error != null) {
        throw sender.error;
      }
      sum.records += sender.totals.records;
      sum.bytes += sender.totals.bytes;
      sum.maxLag = Math.max(sum.maxLag, sender.totals.maxLag);
    }
    producer.flush();
    return sum;
  }

  private final class Sender extends Thread {
    private final int first;
    private final long records;
    private final long start;
    private final long stopAt;
    private final Totals totals = new Totals();
    private Exception error;

    Sender(int first, long records, long start, long stopAt) {
      this.first = first;
      this.records = records;
      this.start = start;
      this.stopAt = stopAt;
    }

    @Override
    public void run() {
      try {
        send();
      } catch (Exception e) {
        error = e;
      }
    }

    private void send() throws Exception {
      boolean timed = sync || rate > 0;
      for (long i = 0; i < records; i++) {
        long number = first + i * threads;
        long now = 0;
        if (rate > 0) {
          now = awaitTurn(number);
        } else if (timed || i % SAMPLE_EVERY == 0) {
          now = System.nanoTime();
        }
        if (now != 0 && now >= stopAt) {
          return;
        }
        byte[] key = keys.length == 0 ? null : keys[(int) (number * KEY_MULTIPLIER % keys.length)];
        byte[] value = values[(int) (number % values.length)];
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, key, value);
        totals.records++;
        totals.bytes += (key == null ? 0 : key.length) + value.length;
        if (sync) {
          sendAndWait(record, now);
        } else if (now != 0) {
          final long sentAt = now;
          producer.send(record, (metadata, e) -> done(sentAt, e));
        } else {
          producer.send(record, (metadata, e) -> count(e));
        }
      }
    }

    private void sendAndWait(ProducerRecord<byte[], byte[]> record, long now) throws Exception {
      try {
        producer.send(record).get();
        done(now, null);
      } catch (java.util.concurrent.ExecutionException e) {
        count(e);
      }
    }

    /** Sleeps until a record is due; one that is late is sent at once and none is skipped. */
    private long awaitTurn(long number) {
      long due = start + (long) (number / rate * 1e9);
      long now = System.nanoTime();
      while (now < due) {
        LockSupport.parkNanos(due - now);
        now = System.nanoTime();
      }
      totals.maxLag = Math.max(totals.maxLag, now - due);
      return now;
    }
  }

  private void done(long sentAt, Exception e) {
    long elapsed = System.nanoTime() - sentAt;
    synchronized (latency) {
      latency.recordValue(Math.min(elapsed, 120_000_000_000L));
    }
    count(e);
  }

  private void count(Exception e) {
    if (e != null && failed.getAndIncrement() == 0) {
      System.err.println("java: first failed record: " + e);
    }
  }
}
