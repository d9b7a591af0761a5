package interop;

import java.util.Map;

/** Ends the process when the scenario takes longer than allowed, whatever its threads are stuck in. */
final class Deadline {
    private static volatile String waitingFor = "the scenario's first step";

    private Deadline() {
    }

    static void nowWaitingFor(String what) {
        waitingFor = what;
    }

    static void start(String scenario, long seconds) {
        Thread watch = new Thread(() -> expire(scenario, seconds), "deadline");
        watch.setDaemon(true);
        watch.start();
    }

    private static void expire(String scenario, long seconds) {
        try {
            Thread.sleep(seconds * 1000);
        } catch (InterruptedException interrupted) {
            return;
        }
        for (Map.Entry<Thread, StackTraceElement[]> thread : Thread.getAllStackTraces().entrySet()) {
            if (thread.getKey().getName().equals("main")) {
                for (StackTraceElement frame : thread.getValue()) {
                    System.err.println("main at " + frame);
                }
            }
        }
        System.out.println("FAIL " + scenario + " not done after " + seconds + " s, waiting for " + waitingFor);
        System.out.flush();
        Runtime.getRuntime().halt(1);
    }
}
