// Who is let in, changed by Kafka's own client: java -cp JARS Users.java HOST:PORT SASL_HOST:PORT. Prints a line for each
// thing that it has seen to work and exits with 1 at the first that does not.
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.admin.UserScramCredentialsDescription;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.SaslAuthenticationException;

public class Users {
  static String asking;

  public static void main(String[] arguments) throws Exception {
    asking = arguments[1];
    Properties common = new Properties();
    common.put("bootstrap.servers", arguments[0]);
    try (Admin admin = Admin.create(common)) {
      set(admin, "alice", ScramMechanism.SCRAM_SHA_256, "first");
      set(admin, "alice", ScramMechanism.SCRAM_SHA_512, "other");
      set(admin, "bob", ScramMechanism.SCRAM_SHA_512, "bobs");
      Map<String, UserScramCredentialsDescription> all = admin.describeUserScramCredentials().all().get();
      check(all.get("alice").credentialInfos().size() == 2 && all.get("bob").credentialInfos().size() == 1, "users are described");
      check(all.get("bob").credentialInfos().get(0).iterations() == 8192, "iterations are described");

      check(isLetIn("alice", "SCRAM-SHA-256", "first") && isLetIn("alice", "SCRAM-SHA-512", "other"), "each mechanism has its password");
      check(!isLetIn("alice", "SCRAM-SHA-256", "other"), "and no other");
      check(isLetIn("alice", "PLAIN", "first") && !isLetIn("alice", "PLAIN", "other"), "PLAIN takes that of SCRAM-SHA-256");
      check(isLetIn("bob", "PLAIN", "bobs") && !isLetIn("bob", "SCRAM-SHA-256", "bobs"), "or the only one that there is");

      try (Admin alice = as("alice", "SCRAM-SHA-256", "first")) {
        set(alice, "alice", ScramMechanism.SCRAM_SHA_256, "second");
        check(failsWith(ClusterAuthorizationException.class, () -> set(alice, "bob", ScramMechanism.SCRAM_SHA_256, "alices")), "a user does not change another");
        check(failsWith(ClusterAuthorizationException.class, () -> alice.describeUserScramCredentials().all().get()), "nor look at others");
        check(alice.describeUserScramCredentials(List.of("alice")).all().get().size() == 1, "but at itself");
      }
      check(isLetIn("alice", "SCRAM-SHA-256", "second") && !isLetIn("alice", "SCRAM-SHA-256", "first"), "a user changes its own password");

      delete(admin, "alice", ScramMechanism.SCRAM_SHA_256);
      check(!isLetIn("alice", "SCRAM-SHA-256", "second") && isLetIn("alice", "SCRAM-SHA-512", "other"), "a mechanism is deleted");
      check(failsWith(ResourceNotFoundException.class, () -> delete(admin, "alice", ScramMechanism.SCRAM_SHA_256)), "once");
      delete(admin, "alice", ScramMechanism.SCRAM_SHA_512);
      check(!admin.describeUserScramCredentials().all().get().containsKey("alice"), "a user is gone with the last one");
    }
  }

  static void set(Admin admin, String user, ScramMechanism mechanism, String password) throws Exception {
    ScramCredentialInfo info = new ScramCredentialInfo(mechanism, 8192);
    admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, info, password))).all().get();
  }

  static void delete(Admin admin, String user, ScramMechanism mechanism) throws Exception {
    admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, mechanism))).all().get();
  }

  static Admin as(String user, String mechanism, String password) {
    String kind = mechanism.equals("PLAIN") ? "plain.Plain" : "scram.Scram";
    Properties common = new Properties();
    common.put("bootstrap.servers", asking);
    common.put("security.protocol", "SASL_PLAINTEXT");
    common.put("sasl.mechanism", mechanism);
    common.put("sasl.jaas.config", "org.apache.kafka.common.security." + kind + "LoginModule required username=\"" + user + "\" password=\"" + password + "\";");
    return Admin.create(common);
  }

  static boolean isLetIn(String user, String mechanism, String password) throws Exception {
    try (Admin admin = as(user, mechanism, password)) {
      return !failsWith(SaslAuthenticationException.class, () -> admin.describeCluster().nodes().get());
    }
  }

  interface Action {
    void run() throws Exception;
  }

  static boolean failsWith(Class<? extends Exception> cause, Action action) throws Exception {
    try {
      action.run();
      return false;
    } catch (ExecutionException error) {
      if (cause.isInstance(error.getCause())) return true;
      throw error;
    }
  }

  static void check(boolean isSo, String what) {
    if (!isSo) {
      System.out.println("FAILED: " + what);
      System.exit(1);
    }
    System.out.println("ok: " + what);
  }
}
