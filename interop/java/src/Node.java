import java.util.Arrays;

/**
 * Formats a node's storage if asked to, then runs the node, in one JVM: {@code Node FILE [FORMAT
 * ARGUMENT…]}, where the arguments are those of Kafka's storage tool. It ends at once when its
 * standard input does, so that no node outlives the test that started it.
 */
public final class Node {
  public static void main(String[] args) {
    Thread watch = new Thread(Node::haltWithStandardInput, "standard-input");
    watch.setDaemon(true);
    watch.start();
    if (args.length > 1) {
      String[] format = Arrays.copyOfRange(args, 1, args.length);
      int code = kafka.tools.StorageTool.execute(format, System.err);
      if (code != 0) {
        System.exit(code);
      }
    }
    kafka.Kafka.main(new String[] {args[0]});
  }

  private static void haltWithStandardInput() {
    try {
      while (System.in.read() != -1) {}
    } catch (java.io.IOException e) {
      System.err.println("standard input: " + e);
    }
    Runtime.getRuntime().halt(3);
  }
}
