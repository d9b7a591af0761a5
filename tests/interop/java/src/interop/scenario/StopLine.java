package interop.scenario;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** Tells a scenario that runs until told of the line that ends it. */
final class StopLine {
    private StopLine() {
    }

    /** The end of stdin is not a line: a harness that passes no stdin gets the full run. */
    static void thenRun(Runnable stop) {
        Thread input = new Thread(() -> {
            try {
                if (new BufferedReader(new InputStreamReader(System.in)).readLine() != null) {
                    stop.run();
                }
            } catch (IOException closed) {
                return;
            }
        }, "stdin");
        input.setDaemon(true);
        input.start();
    }
}
