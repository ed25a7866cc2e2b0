// Kafka's own idempotent producer as load: java -cp JARS IdempotentLoad.java HOST:PORT TOPIC PARTITIONS. Sends what the
// first line on its standard input tells the values of, until that ends; prints "ack PARTITION OFFSET N" for the nth
// record, and in the end "sent COUNT". Whatever fails is printed and ends it with exit code 1.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

public class IdempotentLoad {
  static final int FILLER_MAX = 300;

  public static void main(String[] arguments) throws Exception {
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    String filler = input.readLine();
    AtomicBoolean isOver = new AtomicBoolean();
    Thread waiting = new Thread(() -> {
      try {
        while (input.readLine() != null) continue;
      } catch (Exception exception) {
        // It is over all the same.
      }
      isOver.set(true);
    });
    waiting.setDaemon(true);
    waiting.start();

    Properties properties = new Properties();
    properties.put("bootstrap.servers", arguments[0]);
    properties.put("key.serializer", StringSerializer.class.getName());
    properties.put("value.serializer", StringSerializer.class.getName());
    properties.put("enable.idempotence", "true");
    properties.put("linger.ms", "2");
    properties.put("retry.backoff.ms", "20");
    properties.put("reconnect.backoff.ms", "20");
    properties.put("reconnect.backoff.max.ms", "150");
    properties.put("request.timeout.ms", "5000");
    properties.put("max.block.ms", "600000");
    properties.put("delivery.timeout.ms", "600000");
    String topic = arguments[1];
    int partitions = Integer.parseInt(arguments[2]);
    int sent = 0;
    PrintStream output = System.out;
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
      while (!isOver.get()) {
        for (int last = sent + 20; sent < last; sent++) {
          int n = sent;
          String value = "java " + n + " " + filler.substring(0, (int) ((n * 7919L) % FILLER_MAX));
          producer.send(new ProducerRecord<>(topic, n % partitions, null, value), (metadata, exception) -> {
            if (exception == null) output.println("ack " + metadata.partition() + " " + metadata.offset() + " " + n);
            else {
              output.println("failed " + n + " " + exception);
              output.flush();
              Runtime.getRuntime().halt(1);
            }
          });
        }
        Thread.sleep(10);
      }
    }
    output.println("sent " + sent);
  }
}
