//! Starts the program; everything else is in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    gpu_node_exporter::main(std::env::args_os().skip(1))
}
