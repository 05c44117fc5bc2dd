//! The binary `magicproxy`: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    magicproxy::main()
}
