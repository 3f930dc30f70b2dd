// Says what java.util.Properties makes of texts drawn at random:
//   java Load.java 1500 > load.json
// Row: text; and the entries in the order of their keys, or "refused": true.

import java.io.StringReader;
import java.util.*;

public class Load {
    static final String[] PIECES = {
        "a", "b", "key", "linger.ms", "=", ":", " ", "\t", "\f", "\n", "\r", "\r\n", "\\", "\\\n",
        "\\\r\n", "\\\r", "#", "!", "\\u0041", "\\u00e9", "\\uD83D\\uDE00", "\\u12", "\\U0041",
        "\\t", "\\n", "\\:", "\\=", "\\ ", "\\#", "\\\\", "é", "\ud83d\ude00", "1", "x y", "\\z",
        "\u00a0", "\\uu0041", "\u0085", "\u2028"};

    static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') b.append('\\').append(c);
            else if (c < 0x20 || c > 0x7e) b.append(String.format("\\u%04x", (int) c));
            else b.append(c);
        }
        return b.append('"').toString();
    }

    public static void main(String[] args) throws Exception {
        Random random = new Random(17);
        StringJoiner rows = new StringJoiner(",\n");
        for (int n = Integer.parseInt(args[0]); n > 0; n--) {
            StringBuilder text = new StringBuilder();
            for (int k = 1 + random.nextInt(14); k > 0; k--) {
                text.append(PIECES[random.nextInt(PIECES.length)]);
            }
            String row = "{\"text\": " + quote(text.toString());
            try {
                Properties p = new Properties();
                p.load(new StringReader(text.toString()));
                StringJoiner entries = new StringJoiner(", ", "{", "}");
                for (String key : new TreeSet<>(p.stringPropertyNames())) {
                    entries.add(quote(key) + ": " + quote(p.getProperty(key)));
                }
                rows.add(row + ", \"entries\": " + entries + "}");
            } catch (IllegalArgumentException e) {
                rows.add(row + ", \"refused\": true}");
            }
        }
        System.out.println("{\"source\": \"java.util.Properties of OpenJDK 17\",\n\"rows\": [\n"
            + rows + "\n]}");
    }
}
