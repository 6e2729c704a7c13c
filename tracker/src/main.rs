//! `karez-tracker`: see [`karez_tracker::cli`].

fn main() -> std::process::ExitCode {
    karez_tracker::cli::main()
}
