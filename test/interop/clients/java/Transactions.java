// Transactions of Kafka's own client against a broker: java -cp JARS Transactions.java HOST:PORT SOURCE, SOURCE being where
// this file is. Prints a line for each thing that it has seen to work and exits with 1 at the first that does not; skips
// where the broker has none.
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.InputStreamReader;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class Transactions {
  static final String SOURCE = "transactions-in";
  static final String TARGET = "transactions-out";
  static final int PARTITIONS = 3;
  static final int EACH = 200;
  static final int KILLS = 3;
  static final short ADD_PARTITIONS_TO_TXN = 24;
  static final Duration POLL = Duration.ofMillis(100);
  static final long PATIENCE_MS = 60_000;

  static Properties common;

  public static void main(String[] arguments) {
    try {
      run(arguments);
    } catch (Throwable failure) {
      failure.printStackTrace(System.out);
      System.exit(1);
    }
  }

  static void run(String[] arguments) throws Exception {
    common = new Properties();
    common.put("bootstrap.servers", arguments[0]);
    if (arguments.length > 2) {
      transform();
      return;
    }
    if (!hasTransactions(arguments[0])) {
      System.out.println("skipped: transactions, which the broker does not advertise");
      return;
    }
    try (Admin admin = Admin.create(common)) {
      List<NewTopic> topics = List.of(new NewTopic(SOURCE, PARTITIONS, (short) 1), new NewTopic(TARGET, PARTITIONS, (short) 1));
      admin.createTopics(topics).all().get();
      endEither();
      offsets(admin);
      fence();
      transformAndDie(arguments[0], arguments[1]);
    }
  }

  /** Asks in the oldest words there are: an ApiVersions request of version 0. */
  static boolean hasTransactions(String broker) throws Exception {
    int colon = broker.lastIndexOf(':');
    try (Socket socket = new Socket(broker.substring(0, colon), Integer.parseInt(broker.substring(colon + 1)))) {
      DataOutputStream output = new DataOutputStream(socket.getOutputStream());
      output.writeInt(10);
      output.writeShort(18);
      output.writeShort(0);
      output.writeInt(1);
      output.writeShort(-1);
      output.flush();
      DataInputStream input = new DataInputStream(socket.getInputStream());
      input.readInt();
      input.readInt();
      input.readShort();
      for (int left = input.readInt(); left > 0; left--) {
        short key = input.readShort();
        input.readInt();
        if (key == ADD_PARTITIONS_TO_TXN) return true;
      }
      return false;
    }
  }

  /** Two transactions that are committed, and one between them that is aborted. */
  static void endEither() {
    try (KafkaProducer<String, String> producer = producer("either")) {
      for (String name : List.of("first", "aborted", "second")) {
        producer.beginTransaction();
        for (int n = 0; n < EACH; n++) producer.send(new ProducerRecord<>(SOURCE, name + " " + n, name + " " + n));
        if (name.equals("aborted")) {
          producer.flush();
          producer.abortTransaction();
        } else producer.commitTransaction();
      }
    }
    Map<String, Integer> committed = readAll(SOURCE, "read_committed", 2 * EACH);
    check(committed.size() == 2 * EACH && committed.keySet().stream().noneMatch(value -> value.startsWith("aborted")), "read_committed sees what was committed and not what was aborted");
    check(readAll(SOURCE, "read_uncommitted", 3 * EACH).size() == 3 * EACH, "read_uncommitted sees all");
    try (KafkaProducer<String, String> producer = producer("open")) {
      producer.beginTransaction();
      producer.send(new ProducerRecord<>(SOURCE, 0, null, "aborted while it was open"));
      producer.flush();
      check(readAll(SOURCE, "read_committed", 2 * EACH).size() == 2 * EACH, "a transaction is not seen while it is open");
      producer.abortTransaction();
    }
  }

  /** What a group has committed in a transaction counts when that is committed, and not when it is aborted. */
  static void offsets(Admin admin) throws Exception {
    TopicPartition first = new TopicPartition(SOURCE, 0);
    try (KafkaProducer<String, String> producer = producer("offsets"); KafkaConsumer<String, String> consumer = consumer("offsets", "read_committed")) {
      consumer.subscribe(List.of(SOURCE));
      long deadline = System.currentTimeMillis() + PATIENCE_MS;
      while (consumer.assignment().size() < PARTITIONS && System.currentTimeMillis() < deadline) consumer.poll(POLL);
      for (long offset : new long[] {7, 11}) {
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TARGET, "aborted", "offsets " + offset));
        producer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(offset)), consumer.groupMetadata());
        if (offset == 7) producer.commitTransaction();
        else producer.abortTransaction();
        OffsetAndMetadata there = admin.listConsumerGroupOffsets("offsets").partitionsToOffsetAndMetadata().get().get(first);
        check(there != null && there.offset() == 7, offset == 7 ? "offsets are committed with a transaction" : "and not with one that is aborted");
      }
    }
    check(readAll(TARGET, "read_committed", 1).size() == 1, "nor are its records seen");
  }

  /** A second producer takes over while the first is in the middle of its work. */
  static void fence() {
    KafkaProducer<String, String> older = producer("fenced");
    older.beginTransaction();
    older.send(new ProducerRecord<>(SOURCE, "key", "from the older"));
    older.flush();
    try (KafkaProducer<String, String> newer = producer("fenced")) {
      newer.beginTransaction();
      newer.send(new ProducerRecord<>(SOURCE, "key", "from the newer"));
      boolean isFenced = false;
      try {
        older.send(new ProducerRecord<>(SOURCE, "key", "from the older, late"));
        older.commitTransaction();
      } catch (KafkaException exception) {
        for (Throwable cause = exception; cause != null; cause = cause.getCause())
          isFenced |= cause instanceof ProducerFencedException || cause instanceof InvalidProducerEpochException;
      }
      check(isFenced, "the older of two producers is fenced");
      newer.commitTransaction();
    }
    older.close(Duration.ZERO);
    check(readAll(SOURCE, "read_committed", 2 * EACH + 1).size() == 2 * EACH + 1, "and nothing of it is seen");
  }

  /** The loop in a process of its own, killed in the middle of a transaction, over and over; the last one finishes. */
  static void transformAndDie(String broker, String source) throws Exception {
    for (int life = 0; life <= KILLS; life++) {
      List<String> command = new ArrayList<>(List.of(ProcessHandle.current().info().command().orElse("java")));
      command.addAll(List.of("-cp", System.getProperty("java.class.path"), source, broker, source, "transform"));
      Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      int transactions = 0;
      try (BufferedReader output = new BufferedReader(new InputStreamReader(process.getInputStream()))) {
        for (String line = output.readLine(); line != null; line = output.readLine()) {
          // What is sent and not committed is what must not be seen.
          if (line.equals("sent") && ++transactions > 2 * life + 1 && life < KILLS) break;
          check(!line.startsWith("failed"), line.startsWith("failed") ? line : null);
        }
      }
      if (life < KILLS) process.destroyForcibly();
      check(process.waitFor() == 0 || life < KILLS, null);
    }
    Map<String, Integer> seen = readAll(TARGET, "read_committed", 2 * EACH + 2);
    seen.remove("offsets 7");
    boolean isOnce = seen.values().stream().allMatch(count -> count == 1);
    check(seen.size() == 2 * EACH + 1 && isOnce, "consumed, transformed, produced: " + seen.size() + " records, each once, though the process was killed " + KILLS + " times");
  }

  static void transform() throws Exception {
    try (KafkaProducer<String, String> producer = producer("transform"); KafkaConsumer<String, String> consumer = consumer("transform", "read_committed")) {
      consumer.subscribe(List.of(SOURCE));
      long lastMs = System.currentTimeMillis();
      boolean hasBegun = false;
      while (System.currentTimeMillis() - lastMs < (hasBegun ? 3_000 : PATIENCE_MS / 2)) {
        ConsumerRecords<String, String> records = consumer.poll(POLL);
        if (records.isEmpty()) continue;
        hasBegun = true;
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (ConsumerRecord<String, String> record : records) {
          producer.send(new ProducerRecord<>(TARGET, record.key(), record.value()));
          offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        producer.flush();
        System.out.println("sent");
        producer.commitTransaction();
        lastMs = System.currentTimeMillis();
      }
    } catch (Exception exception) {
      System.out.println("failed: " + exception);
      throw exception;
    }
  }

  /** Counts of all values there are; waits for so many. */
  static Map<String, Integer> readAll(String topic, String level, int wanted) {
    Map<String, Integer> counts = new TreeMap<>();
    try (KafkaConsumer<String, String> consumer = consumer("reader", level)) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (int partition = 0; partition < PARTITIONS; partition++) partitions.add(new TopicPartition(topic, partition));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      long deadline = System.currentTimeMillis() + PATIENCE_MS;
      long quietSince = System.currentTimeMillis();
      int total = 0;
      while (System.currentTimeMillis() < deadline && (total < wanted || System.currentTimeMillis() - quietSince < 500)) {
        for (ConsumerRecord<String, String> record : consumer.poll(POLL)) {
          counts.merge(record.value(), 1, Integer::sum);
          total++;
          quietSince = System.currentTimeMillis();
        }
      }
    }
    return counts;
  }

  static KafkaProducer<String, String> producer(String id) {
    Properties properties = new Properties();
    properties.putAll(common);
    properties.put("key.serializer", StringSerializer.class.getName());
    properties.put("value.serializer", StringSerializer.class.getName());
    properties.put("transactional.id", id);
    properties.put("transaction.timeout.ms", "30000");
    KafkaProducer<String, String> producer = new KafkaProducer<>(properties);
    producer.initTransactions();
    return producer;
  }

  static KafkaConsumer<String, String> consumer(String group, String level) {
    Properties properties = new Properties();
    properties.putAll(common);
    properties.put("group.id", group);
    properties.put("isolation.level", level);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("max.poll.records", "20");
    properties.put("session.timeout.ms", "6000");
    properties.put("heartbeat.interval.ms", "300");
    // One that comes again under this name takes over at once from the one that was killed.
    properties.put("group.instance.id", group);
    properties.put("key.deserializer", StringDeserializer.class.getName());
    properties.put("value.deserializer", StringDeserializer.class.getName());
    return new KafkaConsumer<>(properties);
  }

  static void check(boolean holds, String what) {
    if (!holds) {
      System.out.println("not ok: " + (what == null ? "the loop came to grief" : what));
      System.exit(1);
    }
    if (what != null) System.out.println("ok: " + what);
  }
}
