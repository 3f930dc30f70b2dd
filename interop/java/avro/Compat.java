import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/** Reads pairs of lines, a reader's schema and a writer's; prints a line for each pair. */
public class Compat {
  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String reader = in.readLine(); reader != null; reader = in.readLine()) {
      out.println(compare(reader, in.readLine()));
    }
    out.flush();
  }

  private static String compare(String reader, String writer) {
    Schema r;
    Schema w;
    try {
      r = new Schema.Parser().parse(reader);
      w = new Schema.Parser().parse(writer);
    } catch (RuntimeException e) {
      return "illegal\t" + e.getClass().getSimpleName() + "\t";
    }
    String text = r.toString();
    try {
      return SchemaCompatibility.checkReaderWriterCompatibility(r, w).getResult().getIncompatibilities()
          .stream().map(i -> i.getType() + " " + i.getLocation() + " " + i.getMessage())
          .collect(Collectors.joining(";")) + "\t\t" + text;
    } catch (RuntimeException e) {
      return "error\t" + e.getClass().getSimpleName() + "\t" + text;
    }
  }
}
