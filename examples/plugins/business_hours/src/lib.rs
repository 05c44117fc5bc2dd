//! A plugin for business hours: denies every request outside of the configured hours.
//!
//! `config` is `DAYS HH:MM-HH:MM ±HH:MM`: the days, the hours, and the offset of the local time
//! from UTC, such as `mon-fri 08:00-18:00 +01:00`. There is no daylight saving time: the proxy's
//! clock is UTC, and plugins have no zone table.

wit_bindgen::generate!({ path: "../../../crates/magicproxy-plugin/wit/since_v1", world: "plugin" });

use magicproxy::plugin::{clock, config};

struct BusinessHours;
export!(BusinessHours);

impl Guest for BusinessHours {
    fn interests() -> Interests {
        Interests {
            request_headers: Vec::new(),
            request_body: false,
            responses: false,
            response_headers: Vec::new(),
            response_body: false,
        }
    }

    fn is_request_allowed(_: Request) -> Verdict {
        let text = config::get().unwrap_or_default();
        match Hours::parse(&text) {
            // The plugin restricts the time only; rules decide on the request.
            Some(hours) if hours.contain(clock::now()) => Verdict::Abstain,
            Some(_) => Verdict::Deny(format!("outside of business hours, which are {text}")),
            None => Verdict::Deny("config: expected `mon-fri 08:00-18:00 +01:00`".to_owned()),
        }
    }

    fn on_response(_: Request, _: Response) -> Result<(), String> {
        Ok(())
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_OF_A_DAY: i64 = 24 * 60;

struct Hours {
    first_day: usize,
    last_day: usize,
    opens: i64,
    closes: i64,
    east: i64,
}

impl Hours {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (first_day, last_day) = words.next()?.split_once('-')?;
        let (opens, closes) = words.next()?.split_once('-')?;
        let zone = words.next()?;
        let east = match zone.strip_prefix('-') {
            Some(west) => -minutes(west)?,
            None => minutes(zone.strip_prefix('+')?)?,
        };
        let day = |name: &str| DAYS.iter().position(|day| *day == name);
        let hours = Self { first_day: day(first_day)?, last_day: day(last_day)?, opens: minutes(opens)?, closes: minutes(closes)?, east };
        (words.next().is_none() && hours.first_day <= hours.last_day && hours.opens < hours.closes).then_some(hours)
    }

    fn contain(&self, now: u64) -> bool {
        let Ok(now) = i64::try_from(now / 60) else { return false };
        let local = now + self.east;
        // 1970-01-01 was a Thursday.
        let day = (local.div_euclid(MINUTES_OF_A_DAY) + 3).rem_euclid(7) as usize;
        let minute = local.rem_euclid(MINUTES_OF_A_DAY);
        (self.first_day..=self.last_day).contains(&day) && (self.opens..self.closes).contains(&minute)
    }
}

/// Reads `HH:MM`, and returns minutes.
fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str, most: i64| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|number| plain && *number <= most)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 59)?)
}
