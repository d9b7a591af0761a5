//! Runs a program that the kernel denies something: `interop-denied WHAT PROGRAM ARGUMENTS…`. Needs no privileges.
//!
//! `io_uring`: its system calls fail as they do under a container's seccomp profile. `direct-io`: opening a file for
//! direct I/O fails as it does on a file system without it. Operations that are submitted to an io_uring pass by such
//! filters, so the program has to ask with system calls of its own.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::fs::OFlags;
use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// Number of `io_uring_setup`, the same on all architectures, as of the two behind it.
const IO_URING_SETUP: i64 = 425;
const IO_URING_ENTER: i64 = 426;
const IO_URING_REGISTER: i64 = 427;
fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("interop-denied: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<std::convert::Infallible, Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let what = arguments.next().ok_or("what is denied?")?;
    let program = arguments.next().ok_or("which program?")?;
    let filter = match what.to_str() {
        Some("io_uring") => without_io_uring()?,
        Some("direct-io") => without_direct_io()?,
        _ => return Err(format!("{} cannot be denied", what.display()).into()),
    };
    seccompiler::apply_filter(&filter)?;
    Err(Command::new(program).args(arguments).exec().into())
}

fn without_io_uring() -> Result<BpfProgram, Box<dyn Error>> {
    let calls = [IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER];
    denying(calls.map(|call| (call, Vec::new())).into(), Errno::PERM)
}

fn without_direct_io() -> Result<BpfProgram, Box<dyn Error>> {
    let direct = u64::from(OFlags::DIRECT.bits());
    let mut rules = BTreeMap::new();
    for &(call, flags) in open_calls()? {
        let has_flag = SeccompCondition::new(flags, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(direct), direct)?;
        rules.insert(call, vec![SeccompRule::new(vec![has_flag])?]);
    }
    denying(rules, Errno::INVAL)
}

/// Numbers of `openat` and, where there is one, `open`; which of their arguments the flags are.
fn open_calls() -> Result<&'static [(i64, u8)], Box<dyn Error>> {
    match env::consts::ARCH {
        "x86_64" => Ok(&[(257, 2), (2, 1)]),
        "aarch64" | "riscv64" => Ok(&[(56, 2)]),
        other => Err(format!("the system calls that open files are not known for {other}").into()),
    }
}

fn denying(rules: BTreeMap<i64, Vec<SeccompRule>>, with: Errno) -> Result<BpfProgram, Box<dyn Error>> {
    let denied = SeccompAction::Errno(with.raw_os_error().unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}
