//! Our name server as a process.

use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::binaries;
use crate::ports;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::until::until;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// A running name server of ours. Stopped for good when dropped.
#[derive(Debug)]
pub struct NameServer {
    process: Process,
    port: u16,
}

impl NameServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not get ready, with its output.
    #[must_use]
    pub fn start(scratch: &Scratch) -> Self {
        let port = ports::free_port();
        let home = scratch.folder(&format!("mqnamesrv-{port}"));
        let configuration = scratch.file(&format!("namesrv-{port}.conf"), &format!("listenPort={port}\n"));
        let mut command = Command::new(binaries::path_of("mqnamesrv"));
        command.arg("-c").arg(configuration).env("HOME", &home).current_dir(&home);
        let mut process = Process::start("mqnamesrv", &mut command, &home.join("mqnamesrv.out"));
        until("mqnamesrv to accept connections", READY_WITHIN, || {
            assert!(process.ended().is_none(), "mqnamesrv ended\n{}", process.tail());
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| format!("{error}\n{}", process.tail()))
        });
        Self { process, port }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// On every address of this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// SIGKILL.
    pub fn kill_nine(&mut self) {
        self.process.kill_nine();
    }
}
