//! The store on real files: what it promises about acknowledged commands, logs, sessions and damage.

mod desk;

mod crash;
mod erase;
mod full;
mod logs;
mod opening;
mod sessions;
