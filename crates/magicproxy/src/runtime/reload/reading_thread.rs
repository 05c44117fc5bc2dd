//! The thread on which a reload reads files: a file system that hangs, or a bug, stops nothing else.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::task::JoinHandle;

/// A reader of files with a bound on the time of one reading. No reading begins before the end of
/// the one before: a hanging file system holds one thread, however often somebody asks.
#[derive(Debug)]
pub(super) struct ReadingThread<T> {
    patience: Duration,
    /// A reading that did not end in time.
    late: Option<JoinHandle<T>>,
}

impl<T: Send + 'static> ReadingThread<T> {
    /// Makes a reader that waits for the end of a reading for the time `patience`.
    pub(super) const fn new(patience: Duration) -> Self {
        Self { patience, late: None }
    }

    /// Runs `read` on a thread of its own, and waits for its end.
    ///
    /// # Errors
    /// The reason why there is no result, for people. The result of a reading that ends too late is
    /// dropped.
    pub(super) async fn run(
        &mut self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        if self.late.as_ref().is_some_and(|late| !late.is_finished()) {
            let reason = "an earlier reload still reads files, and no other begins before its end";
            return Err(reason.to_owned());
        }
        let mut reading = tokio::task::spawn_blocking(read);
        match tokio::time::timeout(self.patience, &mut reading).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err("the program met a bug while it read the configuration".to_owned()),
            Err(_) => {
                self.late = Some(reading);
                let seconds = self.patience.as_secs();
                Err(format!("the files were not read within {seconds} s"))
            }
        }
    }
}
