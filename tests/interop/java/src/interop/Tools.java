package interop;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * Runs subcommands of mqadmin one after the other in one process: {@code Tools <file>}, a line of the file a subcommand, its
 * words separated by tabs. Of each prints {@code >>> out}, what it printed, {@code >>> err}, its complaints, {@code >>> end}.
 */
public final class Tools {
    private Tools() {
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream terminal = System.out;
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            MQAdminStartup.main(line.split("\t"));
            terminal.println(">>> out\n" + out.toString(StandardCharsets.UTF_8));
            terminal.println(">>> err\n" + err.toString(StandardCharsets.UTF_8));
            terminal.println(">>> end");
        }
        terminal.flush();
        // halt: the clients' threads that are not daemons must not keep it alive.
        Runtime.getRuntime().halt(0);
    }
}
