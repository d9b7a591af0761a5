import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.filter.FilterFactory;
import org.apache.rocketmq.filter.expression.EvaluationContext;
import org.apache.rocketmq.filter.expression.Expression;

/**
 * Asks the original's filter what it makes of expressions, and writes vectors.txt. From the top of the repository, after
 * `make interop-clients`:
 *
 *     java -cp 'tests/interop/java/peer/target/lib/*' filter/tests/vectors/Vectors.java filter/tests/vectors
 *
 * expressions.txt holds an expression a line, messages.txt the properties of a message a line; both escape as Java does.
 * In messages 0x01 is written = and 0x02 is written ;. To the expressions come some drawn from a seed: by the grammar,
 * and of any words in a row. Each line of vectors.txt is a verdict for each message, T true, F false, N null, X an
 * exception, or R if the expression is refused; then a blank and the expression.
 */
public final class Vectors {
    private static final long SEED = 92;
    private static final int BY_GRAMMAR = 1200;
    private static final int ANY_WORDS = 1200;
    private static final String[] NAMES = {"a", "b", "c", "_x$1", "missing"};
    private static final String[] TEXTS = {"''", "'a'", "'5'", "'it''s'", "'true'", "'1.5'", "'north'", "'or'"};
    private static final String[] NUMBERS = {"0", "1", "5", "10", "5L", "2147483647", "2147483648", "9223372036854775807", "1.5", "5.", ".5", "1e1", "3.4E38"};
    private static final String[] WORDS = {
        "a", "b", "c", "missing", "5", "10", "1.5", "3000000000", "'5'", "'a'", "TRUE", "FALSE", "NULL", "NOT", "AND", "OR", "BETWEEN", "IN", "IS",
        "CONTAINS", "STARTSWITH", "ENDSWITH", "=", "<>", "<", "<=", ">", ">=", "(", ")", ",", "+", "-"};

    private Vectors() {
    }

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        List<Map<String, String>> messages = new ArrayList<>();
        for (String line : lines(folder.resolve("messages.txt"))) {
            messages.add(MessageDecoder.string2messageProperties(unescaped(line.replace('=', '\u0001').replace(';', '\u0002'))));
        }
        List<String> expressions = new ArrayList<>();
        for (String line : lines(folder.resolve("expressions.txt"))) {
            expressions.add(unescaped(line));
        }
        Random random = new Random(SEED);
        for (int number = 0; number < BY_GRAMMAR; number++) {
            expressions.add(condition(random, 3));
        }
        for (int number = 0; number < ANY_WORDS; number++) {
            StringBuilder words = new StringBuilder();
            int count = 2 + random.nextInt(7);
            for (int word = 0; word < count; word++) {
                words.append(word == 0 ? "" : " ").append(pick(random, WORDS));
            }
            expressions.add(words.toString());
        }
        try (PrintStream out = new PrintStream(folder.resolve("vectors.txt").toFile(), StandardCharsets.UTF_8)) {
            for (String expression : expressions) {
                out.print(verdicts(expression, messages) + " " + escaped(expression) + "\n");
            }
        }
    }

    private static String verdicts(String text, List<Map<String, String>> messages) {
        Expression expression;
        try {
            expression = FilterFactory.INSTANCE.get("SQL92").compile(text);
        } catch (Exception refused) {
            return "R";
        }
        StringBuilder verdicts = new StringBuilder();
        for (Map<String, String> message : messages) {
            verdicts.append(verdict(expression, message));
        }
        return verdicts.toString();
    }

    private static char verdict(Expression expression, Map<String, String> message) {
        try {
            Object said = expression.evaluate(new EvaluationContext() {
                @Override
                public Object get(String name) {
                    return message.get(name);
                }

                @Override
                public Map<String, Object> keyValues() {
                    throw new UnsupportedOperationException();
                }
            });
            return said == null ? 'N' : (Boolean) said ? 'T' : 'F';
        } catch (Exception failed) {
            return 'X';
        }
    }

    private static String condition(Random random, int depth) {
        String name = pick(random, NAMES);
        String not = random.nextInt(3) == 0 ? " NOT" : "";
        switch (random.nextInt(depth == 0 ? 9 : 14)) {
            case 0:
                return operand(random, depth) + pick(random, " = ", " <> ") + operand(random, depth);
            case 1:
            case 2:
                return name + pick(random, " = ", " <> ", " > ", " >= ", " < ", " <= ") + number(random);
            case 3:
                return operand(random, 0) + pick(random, " > ", " >= ", " < ", " <= ") + operand(random, 0);
            case 4:
                return name + not + " BETWEEN " + number(random) + " AND " + number(random);
            case 5:
                return name + not + " IN (" + pick(random, TEXTS) + ", " + pick(random, TEXTS) + ")";
            case 6:
                return operand(random, depth) + (not.isEmpty() ? " IS NULL" : " IS NOT NULL");
            case 7:
                return operand(random, depth) + not + pick(random, " CONTAINS ", " STARTSWITH ", " ENDSWITH ") + pick(random, TEXTS);
            case 8:
                return pick(random, name, "TRUE", "FALSE", "NULL");
            case 9:
                return "NOT (" + condition(random, depth - 1) + ")";
            case 10:
                return "(" + condition(random, depth - 1) + ") = (" + condition(random, depth - 1) + ")";
            case 11:
                return condition(random, depth - 1) + " AND " + condition(random, depth - 1);
            default:
                return condition(random, depth - 1) + pick(random, " AND ", " OR ") + "(" + condition(random, depth - 1) + ")";
        }
    }

    private static String operand(Random random, int depth) {
        switch (random.nextInt(depth == 0 ? 7 : 8)) {
            case 0:
            case 1:
            case 2:
                return pick(random, NAMES);
            case 3:
                return pick(random, TEXTS);
            case 4:
                return pick(random, "TRUE", "FALSE");
            case 5:
            case 6:
                return number(random);
            default:
                return pick(random, "(", "-(", "+(") + condition(random, depth - 1) + ")";
        }
    }

    private static String number(Random random) {
        return pick(random, "", "", "-", "+", "- -") + pick(random, NUMBERS);
    }

    private static String pick(Random random, String... choices) {
        return choices[random.nextInt(choices.length)];
    }

    private static List<String> lines(Path file) throws Exception {
        return Files.readAllLines(file, StandardCharsets.UTF_8);
    }

    private static String unescaped(String line) {
        Matcher unicode = Pattern.compile("\\\\u(\\p{XDigit}{4})").matcher(line);
        return unicode.replaceAll(found -> String.valueOf((char) Integer.parseInt(found.group(1), 16))).translateEscapes();
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t").replace("\f", "\\f");
    }
}
