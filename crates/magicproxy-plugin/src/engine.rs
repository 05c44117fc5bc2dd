//! The engine that compiles and runs components: no more of WebAssembly than a plugin needs, all of
//! it deterministic.

use std::sync::Arc;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::bounds::{INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};
use crate::cache::FunctionCache;

/// The most calls that run at the same time; the next call waits.
pub(crate) const CALLS: u32 = 256;
/// The native stack of a guest; as much again is left for the host's functions.
const STACK_BYTES: usize = 512 * 1024;
/// The part of a used memory that is wiped by hand instead of being given back to the system, which
/// costs more.
const KEPT_BYTES: usize = 64 * 1024;

/// Makes the engine for plugins whose memories have at most `memory` bytes.
///
/// # Errors
/// The machine cannot run the engine, or has not the address space.
pub(crate) fn engine(memory: usize, cache: Option<Arc<FunctionCache>>) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true).consume_fuel(true);
    config.max_wasm_stack(STACK_BYTES).async_stack_size(2 * STACK_BYTES);
    config.wasm_memory64(false).wasm_multi_memory(false).wasm_relaxed_simd(false);
    config.cranelift_nan_canonicalization(true);
    // The place of a trap in a plugin's code helps nobody without symbols.
    config.wasm_backtrace_max_frames(None).generate_address_map(false).native_unwind_info(false);
    config.memory_reservation(memory as u64).memory_guard_size(64 * 1024).memory_may_move(false);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(memory)));
    if let Some(cache) = cache {
        config.enable_incremental_compilation(cache)?;
    }
    Engine::new(&config)
}

fn pool(memory: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(CALLS)
        .total_core_instances(CALLS * INSTANCES)
        .total_stacks(CALLS);
    pool.total_memories(CALLS * MEMORIES).total_tables(CALLS * TABLES);
    pool.max_core_instances_per_component(INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES);
    pool.max_tables_per_module(TABLES).table_elements(TABLE_ELEMENTS).max_memory_size(memory);
    pool.linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_BYTES)
        .async_stack_keep_resident(KEPT_BYTES);
    pool
}
