//! Free ports. A broker needs neighbours of its port too.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::CompareError;

/// From here on the kernel gives ports to outgoing connections, of which a load has many.
const END: u16 = 32_000;

/// The first port from `first` on that is free together with those at the given distances.
/// # Errors
/// [`CompareError::NoPort`].
pub fn free_port_with(first: u16, distances: &[i32]) -> Result<u16, CompareError> {
    let found = (first..first.max(END)).find(|port| {
        let held: Option<Vec<TcpListener>> =
            distances.iter().map(|distance| bind(i32::from(*port) + distance)).collect();
        held.is_some()
    });
    found.ok_or_else(|| CompareError::NoPort { first, distances: distances.to_vec() })
}

fn bind(port: i32) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, u16::try_from(port).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_whose_neighbour_is_taken_is_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let Ok(found) = free_port_with(port - 1, &[0, 1]) else { return assert!(port >= END) };
        assert!(found > port, "{found} has the taken {port} beside it");
    }

    #[test]
    fn beyond_the_last_port_there_is_none() {
        assert!(matches!(free_port_with(END, &[0]), Err(CompareError::NoPort { .. })));
    }
}
