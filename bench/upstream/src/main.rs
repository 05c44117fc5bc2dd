//! The upstream of the benchmark: everything is in the library of the same name.

fn main() -> anyhow::Result<()> {
    bench_upstream::main()
}
