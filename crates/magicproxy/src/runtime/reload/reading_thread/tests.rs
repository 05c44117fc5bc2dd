use std::sync::mpsc;

use super::*;

#[tokio::test]
async fn what_hangs_is_given_up_and_a_later_reading_follows_its_end() {
    let mut thread = ReadingThread::new(Duration::ZERO);
    let (release, hanging) = mpsc::channel::<()>();
    let (ended, end) = mpsc::channel();
    let hangs = move || {
        let _ = hanging.recv();
        ended.send(()).unwrap();
        "late"
    };
    assert_eq!(thread.run(hangs).await, Err("the files were not read within 0 s".to_owned()));
    // It hangs still, and no other thread is taken.
    for _ in 0..3 {
        let told = thread.run(|| panic!("a second reading")).await.unwrap_err();
        assert!(told.starts_with("an earlier reload still reads files"), "{told}");
    }
    drop(release);
    end.recv().unwrap();
    while !thread.late.as_ref().unwrap().is_finished() {
        tokio::task::yield_now().await;
    }
    thread.patience = Duration::from_secs(600);
    assert_eq!(thread.run(|| "next").await, Ok("next"));
}

#[tokio::test]
async fn a_bug_is_told_and_a_later_reading_works() {
    let mut thread = ReadingThread::new(Duration::from_secs(600));
    let told = thread.run(|| panic!("a bug of a test")).await.unwrap_err();
    assert_eq!(told, "the program met a bug while it read the configuration");
    assert_eq!(thread.run(|| "next").await, Ok("next"));
}
