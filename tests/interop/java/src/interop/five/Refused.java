package interop.five;

import interop.Failure;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;

/** A call that is to be refused: consoles decide by the code what to show. */
final class Refused {
    interface Call {
        Object run() throws Exception;
    }

    private Refused() {
    }

    /** The code of the refusal. */
    static int code(String what, Call call) throws Exception {
        try {
            Object answer = call.run();
            throw new Failure(what + " to be refused, and it was answered " + answer);
        } catch (MQBrokerException refused) {
            return refused.getResponseCode();
        } catch (MQClientException refused) {
            return refused.getResponseCode();
        }
    }

    /** What the refusal says. */
    static String remark(String what, Call call) throws Exception {
        try {
            Object answer = call.run();
            throw new Failure(what + " to be refused, and it was answered " + answer);
        } catch (MQBrokerException | MQClientException refused) {
            return refused.getMessage();
        }
    }
}
