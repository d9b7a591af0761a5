//! A master and its slave, each a process, as `brokerRole` configures them: what is copied, what sends are answered, who serves
//! what, and what becomes of both when one dies, hangs, forgets or is promoted.

mod copying;
mod installation;
mod promotion;
mod sync_master;
