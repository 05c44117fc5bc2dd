use super::*;

fn store_at(path: &Path) -> (Arc<LazyStore>, StoreSettings) {
    let settings = StoreSettings::Redb(path.to_owned());
    (LazyStore::of(&settings).unwrap(), settings)
}

async fn put(store: &dyn StateStore, name: &str) {
    let entry = Entry { value: b"value".to_vec(), expires_at: UnixTime(2_000) };
    let change = Change::Put(name.as_bytes().to_vec(), entry);
    assert!(
        store.apply(Partition::of(&[]), Vec::new(), vec![change], UnixTime(1_000)).await.unwrap()
    );
}

async fn names(store: &dyn StateStore) -> Vec<String> {
    let listed = store.list(Partition::of(&[]), Vec::new(), 10, UnixTime(1_000)).await.unwrap();
    listed.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
}

/// A call that comes while another process may have the file waits, and is done then.
#[tokio::test]
async fn a_released_file_is_free_until_it_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (store, settings) = store_at(&folder.path().join("state.redb"));
    put(&*store, "before").await;
    assert!(open(&settings).is_err(), "only one may have it open");
    let released = store.release().await;
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { names(&*store).await }
    });
    let other = open(&settings).unwrap();
    put(&*other, "between").await;
    assert!(!waiting.is_finished());
    drop(other);
    drop(released);
    assert_eq!(waiting.await.unwrap(), ["before", "between"]);
}

#[tokio::test]
async fn calls_go_to_the_store_that_it_was_handed_over_to() {
    let folder = tempfile::tempdir().unwrap();
    let (store, settings) = store_at(&folder.path().join("state.redb"));
    // Not opened yet, and not opened later: the file is another process's.
    let released = store.release().await;
    let successor = open(&settings).unwrap();
    released.hand_over(Arc::clone(&successor));
    put(&*store, "later").await;
    assert_eq!(names(&*successor).await, ["later"]);
    // And from there to a third one.
    let memory: Arc<dyn StateStore> = Arc::new(MemoryStore::new());
    drop(successor);
    store.release().await.hand_over(Arc::clone(&memory));
    open(&settings).unwrap();
    put(&*store, "last").await;
    assert_eq!(names(&*memory).await, ["last"]);
}
