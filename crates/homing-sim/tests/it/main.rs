//! The simulator judged: that it repeats itself, that its oracles see, and that the machines hold.

mod clock;
mod determinism;
mod explore;
mod oracles;
mod sabotage;
mod secrets;
mod seeds;
mod stories;
