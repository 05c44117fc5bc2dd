//! Ages of connections: limits on the use of a connection, so that a change of the upstream's
//! addresses is followed though connections never rest.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Divisor of the longest age; the quotient is the most by which connections retire earlier, so
/// that connections made together do not end together.
const SPREAD: u32 = 10;
/// Golden ratio in 32 bits: multiples of the golden ratio are spread evenly, however many there
/// are.
const STEP: u32 = 0x9E37_79B9;

/// Ages of one origin's connections.
#[derive(Debug)]
pub(super) struct Ages {
    longest: Duration,
    made: AtomicU32,
}

impl Ages {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, made: AtomicU32::new(0) }
    }

    /// Returns the time after which a connection that is made now gets no new request.
    pub(super) fn retirement(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(self.next()).unwrap_or(now)
    }

    fn next(&self) -> Duration {
        let place = self.made.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP);
        let spread = self.longest / SPREAD;
        self.longest - spread.mul_f64(f64::from(place) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_made_together_retire_one_after_the_other() {
        let ages = Ages::new(Duration::from_secs(100));
        let mut lives: Vec<Duration> = (0..10).map(|_| ages.next()).collect();
        lives.sort_unstable();
        assert!(lives.iter().all(|life| (90..=100).contains(&life.as_secs())), "{lives:?}");
        let gaps = lives.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.min() > Some(Duration::from_millis(300)), "{lives:?}");
    }

    #[test]
    fn no_age_is_too_long() {
        assert!(Ages::new(Duration::MAX).retirement() >= Instant::now() - Duration::from_secs(1));
    }
}
