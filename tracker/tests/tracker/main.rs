//! The tracker from outside: its library, its HTTP and its command line.

mod actors;
mod announce;
mod command_line;
mod http;
mod join;
mod release;
mod restart;
