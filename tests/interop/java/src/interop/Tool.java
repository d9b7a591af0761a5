package interop;

import org.apache.rocketmq.tools.command.MQAdminStartup;

/** Runs one subcommand of mqadmin as its own main class does, but ends with it: not seconds later, when the last thread of its clients has. */
public final class Tool {
    private Tool() {
    }

    public static void main(String[] arguments) {
        MQAdminStartup.main(arguments);
        System.out.flush();
        System.err.flush();
        Runtime.getRuntime().halt(0);
    }
}
