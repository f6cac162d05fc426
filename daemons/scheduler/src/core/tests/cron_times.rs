//! When schedules come round.

use super::script::MIDNIGHT;
use super::*;
use crate::core::cron::{Schedule, Zone, next_fire_time, next_fire_times};
use crate::core::random::Random;

/// Fire times by Python's zoneinfo; `dst.py` beside this file made them.
#[test]
fn daylight_saving_as_python_has_it() {
    let mut lines = 0;
    for line in include_str!("../../../tests/data/cron/dst.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [zone, schedule, after, times] = *fields.as_slice() else {
            panic!("{line}");
        };
        let times: Vec<Millis> = times
            .split(' ')
            .map(|time| time.parse::<i64>().unwrap() * 1000)
            .collect();
        let after = after.parse::<i64>().unwrap() * 1000;
        let found = next_fire_times(
            &Schedule::parse(schedule).unwrap(),
            &Zone::named(zone).unwrap(),
            after,
            times.len(),
        );
        assert_eq!(found, times, "{zone} {schedule}");
        lines += 1;
    }
    assert!(lines > 50, "{lines}");
}

/// Against a reference that looks at every minute.
#[test]
fn fire_times_are_those_of_a_walk_through_all_minutes() {
    let mut random = Random::new(1);
    // Changes of the clock: forward, back, by half an hour, at midnight, by a day, and none.
    let starts = [
        ("America/New_York", 1_678_500_000),
        ("America/New_York", 1_699_060_000),
        ("Australia/Lord_Howe", 1_680_300_000),
        ("Australia/Lord_Howe", 1_696_030_000),
        ("America/Sao_Paulo", 1_539_900_000),
        ("Pacific/Apia", 1_325_150_000),
        ("Asia/Kathmandu", 1_700_000_000),
        ("GMT", 951_700_000),
    ];
    for round in 0..120 {
        let (zone, start) = starts[round % starts.len()];
        let start = (start + random.below(86_400)) * 1000;
        let fields = Fields::random(&mut random);
        let schedule = Schedule::parse(&fields.text()).unwrap();
        let zone_rules = Zone::named(zone).unwrap();
        let expected = fields.walk(zone, start, 3 * 24 * 60);
        let mut found = next_fire_times(&schedule, &zone_rules, start, expected.len() + 1);
        let end = start.div_euclid(60_000) * 60_000 + 3 * 24 * 60 * 60_000;
        found.retain(|time| *time <= end);
        assert_eq!(found, expected, "{zone} {} from {start}", fields.text());
    }
}

/// The values of each field, as plain lists.
struct Fields([Vec<i8>; 5]);

impl Fields {
    fn random(random: &mut Random) -> Fields {
        let mut list = |least: i8, greatest: i8, all: i64| {
            let values = least..=greatest;
            if random.below(10) < all {
                return values.collect();
            }
            let some: Vec<i8> = values.filter(|_| random.below(4) == 0).collect();
            match some.is_empty() {
                true => vec![greatest],
                false => some,
            }
        };
        let (minutes, hours, months) = (list(0, 59, 2), list(0, 23, 4), list(1, 12, 8));
        let (days, weekdays) = match list(0, 1, 0).len() {
            1 => (list(1, 31, 5), (0..=6).collect()),
            _ => ((1..=31).collect(), list(0, 6, 5)),
        };
        Fields([minutes, hours, days, months, weekdays])
    }

    fn text(&self) -> String {
        let fields = self.0.iter().map(|values| {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            values.join(",")
        });
        fields.collect::<Vec<_>>().join(" ")
    }

    fn walk(&self, zone: &str, after: Millis, minutes: i64) -> Vec<Millis> {
        let zone = jiff::tz::TimeZone::get(zone).unwrap();
        let shown = |time: Millis| {
            let time = jiff::Timestamp::from_millisecond(time).unwrap();
            time.to_zoned(zone.clone()).datetime()
        };
        let [minute_values, hours, days, months, weekdays] = &self.0;
        let first = after.div_euclid(60_000) + 1;
        let times = (first..first + minutes).map(|minute| minute * 60_000);
        let times = times.filter(|time| {
            let now = shown(*time);
            let matches = minute_values.contains(&now.minute())
                && hours.contains(&now.hour())
                && days.contains(&now.day())
                && months.contains(&now.month())
                && weekdays.contains(&now.weekday().to_sunday_zero_offset());
            let comes_again = || (1..=180).any(|later| shown(time + later * 60_000) == now);
            matches && (hours.len() == 24 || !comes_again())
        });
        times.collect()
    }
}

#[test]
fn time_zones_by_name() {
    let at = |zone: &str| {
        let schedule = Schedule::parse("0 12 * * *").unwrap();
        let next = next_fire_time(&schedule, &Zone::named(zone).unwrap(), MIDNIGHT).unwrap();
        (next - MIDNIGHT) / 60_000
    };
    for (zone, minutes) in [
        ("GMT", 720),
        ("UTC", 720),
        ("Europe/Berlin", 660),
        ("Asia/Kolkata", 390),
        ("GMT+2", 600),
        ("GMT-05:30", 1050),
        ("GMT+0530", 390),
    ] {
        assert_eq!(at(zone), minutes, "{zone}");
    }
    for name in ["", "Mars/Olympus", "GMT+25", "GMT+1:5", "GMT+", "GMT+x"] {
        assert!(Zone::named(name).is_err(), "{name}");
    }
}

#[test]
fn rare_schedules_come_round_and_impossible_ones_do_not() {
    let zone = Zone::default();
    let next = |text: &str, after: &str| {
        let after: jiff::Timestamp = after.parse().unwrap();
        let next = next_fire_time(
            &Schedule::parse(text).unwrap(),
            &zone,
            after.as_millisecond(),
        );
        next.map(|next| jiff::Timestamp::from_millisecond(next).unwrap().to_string())
    };
    for (text, after, expected) in [
        (
            "0 0 29 2 *",
            "2023-03-01T00:00:00Z",
            Some("2024-02-29T00:00:00Z"),
        ),
        (
            "0 0 29 2 *",
            "2096-03-01T00:00:00Z",
            Some("2104-02-29T00:00:00Z"),
        ),
        (
            "59 23 31 12 *",
            "2023-12-31T23:59:00Z",
            Some("2024-12-31T23:59:00Z"),
        ),
        (
            "* * * * *",
            "2023-12-31T23:59:59.999Z",
            Some("2024-01-01T00:00:00Z"),
        ),
        ("0 0 31 2 *", "2023-01-01T00:00:00Z", None),
        ("0 0 31 4,6,9,11 *", "2023-01-01T00:00:00Z", None),
        ("0 0 30 2 *", "2023-01-01T00:00:00Z", None),
    ] {
        assert_eq!(
            next(text, after).as_deref(),
            expected,
            "{text} after {after}"
        );
    }
}
