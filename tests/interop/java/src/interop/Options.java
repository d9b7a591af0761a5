package interop;

import java.util.HashMap;
import java.util.Map;

/** {@code <scenario> --key value --key value}. */
public final class Options {
    private final Map<String, String> values = new HashMap<>();

    static Options parse(String[] arguments) {
        Options options = new Options();
        for (int i = 1; i < arguments.length; i += 2) {
            if (!arguments[i].startsWith("--") || i + 1 == arguments.length) {
                throw new Failure("usage: expected --key value pairs, saw " + arguments[i]);
            }
            options.values.put(arguments[i].substring(2), arguments[i + 1]);
        }
        return options;
    }

    public String text(String key) {
        String value = values.get(key);
        if (value == null) {
            throw new Failure("usage: --" + key + " is missing");
        }
        return value;
    }

    public int number(String key, int otherwise) {
        String value = values.get(key);
        return value == null ? otherwise : Integer.parseInt(value);
    }
}
