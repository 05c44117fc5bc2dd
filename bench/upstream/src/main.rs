//! The upstream of the benchmark: a shell around the library of the same name.

fn main() -> anyhow::Result<()> {
    bench_upstream::main()
}
