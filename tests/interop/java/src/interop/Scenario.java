package interop;

/** One test from a client's point of view. Returns the facts to print, or throws {@link Failure}. */
public interface Scenario {
    String run(Run run) throws Exception;
}
