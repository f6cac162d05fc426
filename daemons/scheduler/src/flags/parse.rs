//! Upstream's forms of flags and values (aurora: `src/main/java/org/apache/aurora/scheduler/config/types`).

use std::ffi::OsString;

use crate::core::config::SlaMetrics;

/// Rewrites `-cluster_name=x`, `--cluster_name x` and `-no_partition_aware` into the form that the parser knows,
/// `--cluster-name=x`, `--cluster-name x` and `--partition-aware=false`. What is not a flag stays as it is. `is_bool` tells the
/// flags that are true or false by their names with hyphens.
pub(crate) fn normalize(
    arguments: impl IntoIterator<Item = OsString>,
    is_bool: &dyn Fn(&str) -> bool,
) -> Vec<OsString> {
    let mut done: Vec<OsString> = Vec::new();
    for argument in arguments {
        let previous = done.last_mut().and_then(|previous| {
            let name = previous.to_str()?.strip_prefix("--")?;
            is_bool(name).then_some(previous)
        });
        match (previous, argument.to_str()) {
            // A flag that is true when it stands alone takes a value that follows it all the same.
            (Some(previous), Some(value @ ("true" | "false"))) => {
                previous.push("=");
                previous.push(value);
            }
            _ => done.push(normalize_one(argument, is_bool)),
        }
    }
    done
}

fn normalize_one(argument: OsString, is_bool: &dyn Fn(&str) -> bool) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let bare = name.trim_start_matches('-');
    let dashes = name.len() - bare.len();
    let is_flag = (1..=2).contains(&dashes)
        && bare.len() > 1
        && bare.starts_with(|c: char| c.is_ascii_alphabetic());
    if !is_flag {
        return argument;
    }
    let name = bare.replace('_', "-");
    match (value, name.strip_prefix("no-")) {
        (None, Some(denied)) if is_bool(denied) => format!("--{denied}=false").into(),
        // Upstream's way to write an empty list where the shell does not take the quotes away.
        (Some("''"), _) => format!("--{name}=").into(),
        (Some(value), _) => format!("--{name}={value}").into(),
        (None, _) => format!("--{name}").into(),
    }
}

/// A span of time in milliseconds: a whole number and a unit, as in `5mins`.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let per_unit: i128 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "secs" | "s" => 1_000_000_000,
        "mins" | "m" => 60_000_000_000,
        "hrs" | "h" => 3_600_000_000_000,
        "days" | "d" => 86_400_000_000_000,
        _ => {
            return Err(format!(
                "`{text}` is not a span of time; write a whole number and a unit (ms, secs, mins, hrs, days), for example 5mins"
            ));
        }
    };
    let number: i128 = number
        .parse()
        .map_err(|_| format!("`{text}` does not begin with a whole number"))?;
    number
        .checked_mul(per_unit)
        .map(|nanos| nanos / 1_000_000)
        .and_then(|millis| i64::try_from(millis).ok())
        .ok_or_else(|| format!("`{text}` is too long"))
}

/// An amount of data in MiB: a whole number and a unit, as in `128MB`. Upstream's units are powers of 1024.
pub(crate) fn megabytes(text: &str) -> Result<i64, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let bytes: i128 = match unit {
        "BYTES" => 1,
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        "PB" => 1 << 50,
        _ => {
            return Err(format!(
                "`{text}` is not an amount of data; write a whole number and a unit (BYTES, KB, MB, GB, TB, PB), for example 128MB"
            ));
        }
    };
    let number: i128 = number
        .parse()
        .map_err(|_| format!("`{text}` does not begin with a whole number"))?;
    number
        .checked_mul(bytes)
        .map(|bytes| bytes >> 20)
        .and_then(|mb| i64::try_from(mb).ok())
        .ok_or_else(|| format!("`{text}` is too much"))
}

/// A list of kinds of SLA metrics; the empty list is also written `''`.
pub(super) fn sla_metrics(text: &str) -> Result<SlaMetrics, String> {
    let mut metrics = SlaMetrics::default();
    for name in text.split(',').filter(|name| !matches!(*name, "" | "''")) {
        match name {
            "JOB_UPTIMES" => metrics.job_uptimes = true,
            "PLATFORM_UPTIME" => metrics.platform_uptime = true,
            "MEDIANS" => metrics.medians = true,
            _ => {
                return Err(format!(
                    "`{name}` is none of JOB_UPTIMES, PLATFORM_UPTIME, MEDIANS"
                ));
            }
        }
    }
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_sla_metrics() {
        let shown = |text: &str| {
            let metrics = sla_metrics(text)?;
            Ok((
                metrics.job_uptimes,
                metrics.platform_uptime,
                metrics.medians,
            ))
        };
        for (text, expected) in [
            ("JOB_UPTIMES,PLATFORM_UPTIME,MEDIANS", (true, true, true)),
            ("MEDIANS", (false, false, true)),
            ("", (false, false, false)),
            ("''", (false, false, false)),
        ] {
            assert_eq!(shown(text), Ok::<_, String>(expected), "{text}");
        }
        assert!(shown("UPTIME").is_err());
    }

    #[test]
    fn upstreams_forms_of_flags_are_understood() {
        let is_bool = |name: &str| name == "partition-aware";
        for (given, expected) in [
            (&["-cluster_name=a_b"][..], &["--cluster-name=a_b"][..]),
            (&["--cluster_name=a_b"], &["--cluster-name=a_b"]),
            (&["--cluster-name=a-b"], &["--cluster-name=a-b"]),
            (&["--cluster_name", "a_b"], &["--cluster-name", "a_b"]),
            (&["-cluster_name", "true"], &["--cluster-name", "true"]),
            (&["-no_partition_aware"], &["--partition-aware=false"]),
            (&["-no_such", "x"], &["--no-such", "x"]),
            (&["-partition_aware", "false"], &["--partition-aware=false"]),
            (&["-partition_aware", "-ip"], &["--partition-aware", "--ip"]),
            (&["-offer_order=''"], &["--offer-order="]),
            (&["-ip"], &["--ip"]),
            (&["-h"], &["-h"]),
            (&["a_b", "-5", "-"], &["a_b", "-5", "-"]),
            (&["/path_with/under_score"], &["/path_with/under_score"]),
        ] {
            let arguments = given.iter().map(OsString::from);
            let expected: Vec<OsString> = expected.iter().map(OsString::from).collect();
            assert_eq!(normalize(arguments, &is_bool), expected, "{given:?}");
        }
    }

    #[test]
    fn spans_and_amounts() {
        for (text, millis) in [
            ("1ms", 1),
            ("5secs", 5_000),
            ("5mins", 300_000),
            ("1hrs", 3_600_000),
            ("21days", 1_814_400_000),
            ("1500us", 1),
        ] {
            assert_eq!(duration(text), Ok(millis), "{text}");
        }
        for bad in [
            "",
            "5",
            "mins",
            "5 mins",
            "-5mins",
            "5MINS",
            "99999999999999999999days",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(megabytes("128MB"), Ok(128));
        assert_eq!(megabytes("1GB"), Ok(1024));
        assert_eq!(megabytes("1PB"), Ok(1 << 30));
        for bad in ["128", "128mb", "MB", "-1MB"] {
            assert!(megabytes(bad).is_err(), "{bad}");
        }
    }
}
