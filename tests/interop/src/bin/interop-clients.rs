//! Builds the stock clients' programs, so that the tests find them: `make interop-clients`.

fn main() {
    interop::clients::build_java();
    interop::clients::build_go();
    println!("stock clients are built: Java 5.x and 4.9.x, Go v2, and the original broker's jars are fetched");
}
