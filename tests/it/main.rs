//! The whole program from outside: every test starts the real binary on a port of its own with a
//! store of its own, and speaks to it as its users and senders do.
//!
//! One binary, so that it is linked once. Tests are independent and run side by side. They wait
//! for states with generous deadlines and never assert a speed. What needs an external program
//! (Prometheus, Alertmanager, a browser, curl) says so and passes when it is missing, but fails in CI.

#[cfg(test)]
mod cli;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod disks;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod episodes;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod house;
#[cfg(test)]
mod life;
#[cfg(test)]
mod page;
#[cfg(test)]
mod people;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod reviewed;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod security;
#[cfg(test)]
mod support;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod timelines;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod whatif;
