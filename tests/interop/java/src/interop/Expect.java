package interop;

import java.util.Arrays;
import java.util.Objects;

/** Assertions whose message says what was expected and what was seen. */
public final class Expect {
    private Expect() {
    }

    public static void equal(String what, Object expected, Object seen) {
        if (!Objects.equals(expected, seen)) {
            throw new Failure(what + ": expected " + shorten(expected) + ", saw " + shorten(seen));
        }
    }

    public static void equalBytes(String what, byte[] expected, byte[] seen) {
        if (!Arrays.equals(expected, seen)) {
            int at = Arrays.mismatch(expected, seen);
            throw new Failure(what + ": expected " + expected.length + " bytes, saw " + seen.length + ", first difference at " + at);
        }
    }

    /** {@code seen} is printed when the claim does not hold. */
    public static void that(boolean holds, String claim, Object seen) {
        if (!holds) {
            throw new Failure("expected " + claim + ", saw " + shorten(seen));
        }
    }

    private static String shorten(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 600 ? text : text.substring(0, 600) + "… (" + text.length() + " characters)";
    }
}
