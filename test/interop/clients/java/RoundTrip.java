// Kafka's own client against a broker: java -cp JARS RoundTrip.java HOST:PORT [CONFIG=VALUE]... Prints a line for each
// thing that it has seen to work and exits with 1 at the first that does not.
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class RoundTrip {
  static final int RECORDS = 5000;
  static final String TOPIC = "round-trip";
  static final Duration POLL = Duration.ofMillis(100);

  public static void main(String[] arguments) throws Exception {
    Properties common = new Properties();
    common.put("bootstrap.servers", arguments[0]);
    for (String config : List.of(arguments).subList(1, arguments.length)) {
      common.put(config.substring(0, config.indexOf('=')), config.substring(config.indexOf('=') + 1));
    }
    try (Admin admin = Admin.create(common)) {
      topics(admin);
      for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) produce(common, codec);
      Set<String> seen = new HashSet<>();
      consume(common, admin, seen);
      check(seen.size() == 5 * RECORDS, "five codecs: " + seen.size() + " records, each once");
      administer(admin);
    }
  }

  static void topics(Admin admin) throws Exception {
    check(admin.describeCluster().nodes().get().size() == 1, "a cluster of one broker");
    NewTopic wanted = new NewTopic(TOPIC, 3, (short) 1).configs(Map.of("segment.bytes", "1048576"));
    admin.createTopics(List.of(wanted)).all().get();
    check(failsWith(TopicExistsException.class, () -> admin.createTopics(List.of(wanted)).all().get()), "a topic is made once");
    check(admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().size() == 3, "three partitions");
  }

  /** Idempotent, as producers are by default. */
  static void produce(Properties common, String codec) throws Exception {
    Properties properties = new Properties();
    properties.putAll(common);
    properties.put("key.serializer", StringSerializer.class.getName());
    properties.put("value.serializer", StringSerializer.class.getName());
    properties.put("compression.type", codec);
    properties.put("linger.ms", "5");
    AtomicReference<Exception> failure = new AtomicReference<>();
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
      for (int n = 0; n < RECORDS; n++) {
        ProducerRecord<String, String> record = new ProducerRecord<>(TOPIC, null, 1000L + n, "key-" + n % 100, codec + "-" + n);
        record.headers().add("codec", codec.getBytes());
        producer.send(record, (metadata, exception) -> failure.compareAndSet(null, exception));
      }
    }
    check(failure.get() == null, "produced with " + codec + (failure.get() == null ? "" : ": " + failure.get()));
  }

  static void consume(Properties common, Admin admin, Set<String> seen) throws Exception {
    Properties properties = new Properties();
    properties.putAll(common);
    properties.put("group.id", "round-trip");
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("key.deserializer", StringDeserializer.class.getName());
    properties.put("value.deserializer", StringDeserializer.class.getName());
    Map<Integer, TreeMap<Long, String>> stored = new HashMap<>();
    // Two members, and the second one leaves half-way: what it has not committed comes again, to the first.
    try (KafkaConsumer<String, String> one = new KafkaConsumer<>(properties)) {
      one.subscribe(List.of(TOPIC));
      try (KafkaConsumer<String, String> two = new KafkaConsumer<>(properties)) {
        two.subscribe(List.of(TOPIC));
        long deadline = System.currentTimeMillis() + 30_000;
        while (System.currentTimeMillis() < deadline && (one.assignment().isEmpty() || two.assignment().isEmpty() || one.assignment().size() + two.assignment().size() != 3)) {
          for (ConsumerRecord<String, String> record : one.poll(POLL)) note(record, stored, seen);
          one.commitSync();
          two.poll(POLL);
        }
        check(one.assignment().size() + two.assignment().size() == 3, "two members share three partitions");
        check(admin.describeConsumerGroups(List.of("round-trip")).all().get().get("round-trip").members().size() == 2, "two members are described");
      }
      long deadline = System.currentTimeMillis() + 60_000;
      while (seen.size() < 5 * RECORDS && System.currentTimeMillis() < deadline) {
        for (ConsumerRecord<String, String> record : one.poll(POLL)) {
          note(record, stored, seen);
        }
      }
      check(inOrder(stored), "the records of a key in order, with their headers and timestamps");
      Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
      for (TopicPartition partition : one.assignment()) offsets.put(partition, new OffsetAndMetadata(one.position(partition), "noted"));
      one.commitSync(offsets);
      check(one.committed(one.assignment()).equals(offsets) || metadataOf(one.committed(one.assignment())).equals(Set.of("noted")), "committed, with a note");
    }
    check(!admin.listConsumerGroups().all().get().isEmpty(), "groups are listed");
    check(admin.listConsumerGroupOffsets("round-trip").partitionsToOffsetAndMetadata().get().size() == 3, "their offsets, too");
  }

  /** Some come twice, when partitions change hands. */
  static void note(ConsumerRecord<String, String> record, Map<Integer, TreeMap<Long, String>> stored, Set<String> seen) {
    String[] parts = record.value().split("-");
    check(new String(record.headers().lastHeader("codec").value()).equals(parts[0]), null);
    check(record.timestamp() == 1000L + Integer.parseInt(parts[1]), null);
    stored.computeIfAbsent(record.partition(), n -> new TreeMap<>()).put(record.offset(), record.key() + "-" + record.value());
    seen.add(record.value());
  }

  static boolean inOrder(Map<Integer, TreeMap<Long, String>> stored) {
    Map<String, Integer> last = new HashMap<>();
    for (TreeMap<Long, String> partition : stored.values()) {
      for (String text : partition.values()) {
        int at = text.lastIndexOf('-');
        int number = Integer.parseInt(text.substring(at + 1));
        Integer before = last.put(text.substring(0, at), number);
        if (before != null && before >= number) return false;
      }
    }
    return true;
  }

  static Set<String> metadataOf(Map<TopicPartition, OffsetAndMetadata> committed) {
    Set<String> all = new HashSet<>();
    for (OffsetAndMetadata each : committed.values()) all.add(each.metadata());
    return all;
  }

  static void administer(Admin admin) throws Exception {
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
    admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "86400000"), AlterConfigOp.OpType.SET)))).all().get();
    check(admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.ms").value().equals("86400000"), "a config is altered and described");
    TopicPartition first = new TopicPartition(TOPIC, 0);
    long end = admin.listOffsets(Map.of(first, OffsetSpec.latest())).all().get().get(first).offset();
    check(admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(end / 2))).all().get() == null, "records are deleted");
    check(admin.listOffsets(Map.of(first, OffsetSpec.earliest())).all().get().get(first).offset() == end / 2, "and the log begins behind them");
    check(admin.listOffsets(Map.of(first, OffsetSpec.maxTimestamp())).all().get().get(first).timestamp() > 1000L, "the highest timestamp is found");
    admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(5))).all().get();
    check(admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC).partitions().size() == 5, "partitions are added");
    admin.deleteConsumerGroups(List.of("round-trip")).all().get();
    check(admin.listConsumerGroups().all().get().isEmpty(), "a group is deleted");
    admin.deleteTopics(new ArrayList<>(List.of(TOPIC))).all().get();
    check(admin.listTopics().names().get().isEmpty(), "a topic is deleted");
  }

  interface Action {
    void run() throws Exception;
  }

  static boolean failsWith(Class<? extends Exception> kind, Action action) throws Exception {
    try {
      action.run();
      return false;
    } catch (ExecutionException exception) {
      return kind.isInstance(exception.getCause());
    }
  }

  static void check(boolean holds, String what) {
    if (!holds) {
      System.out.println("not ok: " + (what == null ? "a record is not what was sent" : what));
      System.exit(1);
    }
    if (what != null) System.out.println("ok: " + what);
  }
}
