use super::*;

#[test]
fn every_shard_holds_the_largest_policy() {
    for mebibytes in [8, 64, 100, 1000] {
        let cache = cache(mebibytes * 1024 * 1024);
        assert!(cache.shard_capacity() >= SHARD_BYTES as u64, "{mebibytes}");
    }
    assert_eq!(cache(0).num_shards(), 1);
}
