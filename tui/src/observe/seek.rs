//! Finding a time in a file of any size: a few small pieces are read, never the whole.

use aurora_client::http::HttpError;
use aurora_tui_model::logs::stamp::stamp;

use super::tail::Read;

/// How much is read to find a line with a time.
const PROBE: u64 = 64 * 1024;

/// Where the first line of this time or later begins; the file's size when there is none. Times are taken to grow.
pub(super) async fn find(
    file: &impl Read,
    size: u64,
    time_ms: i64,
    now_ms: i64,
) -> Result<u64, HttpError> {
    let (mut low, mut high) = (0, size);
    let mut found = size;
    while high - low > PROBE {
        let middle = low + (high - low) / 2;
        match first_line(file, middle, |_| true, now_ms).await? {
            Some((at, time)) if time < time_ms => low = at.max(middle) + 1,
            Some((at, _)) => (found, high) = (at, middle),
            // Lines without times belong to what is before them.
            None => high = middle,
        }
        if low >= high {
            return Ok(found);
        }
    }
    let last = first_line(file, low, |time| time >= time_ms, now_ms).await?;
    Ok(match last {
        Some((at, _)) => at.min(found),
        None => found,
    })
}

/// The first line that begins at or behind an offset and has such a time: where it begins, and its time.
async fn first_line(
    file: &impl Read,
    offset: u64,
    wanted: impl Fn(i64) -> bool,
    now_ms: i64,
) -> Result<Option<(u64, i64)>, HttpError> {
    // From the byte before, so that a line which begins exactly here is whole.
    let from = offset.saturating_sub(1);
    let length = i64::try_from(2 * PROBE).unwrap_or(i64::MAX);
    let Some(chunk) = file
        .read(i64::try_from(from).unwrap_or(i64::MAX), length)
        .await?
    else {
        return Ok(None);
    };
    let mut at = match offset {
        0 => 0,
        _ => match chunk.data.find('\n') {
            Some(end) => end + 1,
            None => return Ok(None),
        },
    };
    for line in chunk.data[at..].split_inclusive('\n') {
        if let Some(time) = stamp(line, now_ms).filter(|time| wanted(*time)) {
            return Ok(Some((from + at as u64, time)));
        }
        at += line.len();
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurora_client::observer::Chunk;
    use aurora_tui_model::text;
    use std::sync::Mutex;

    /// A log of a line a second that is never written: what is read of it is made then.
    struct Log {
        lines: u64,
        read: Mutex<(u64, u64)>,
    }

    /// 2026-01-02 03:04:05 UTC.
    const BEGIN: i64 = 1_767_323_045_000;
    const LINE: u64 = 128;

    impl Read for Log {
        async fn read(&self, offset: i64, length: i64) -> Result<Option<Chunk>, HttpError> {
            let offset = u64::try_from(offset).unwrap();
            let end = (offset + u64::try_from(length).unwrap()).min(self.lines * LINE);
            let mut read = self.read.lock().unwrap();
            *read = (read.0 + 1, read.1 + end.saturating_sub(offset));
            let mut data = String::new();
            for line in offset / LINE..end.div_ceil(LINE) {
                let time = text::utc(BEGIN + i64::try_from(line).unwrap() * 1000);
                data.push_str(&format!("{time} {:>107}\n", line));
            }
            let skip = usize::try_from(offset % LINE).unwrap();
            let data = &data[skip..skip + usize::try_from(end - offset).unwrap()];
            Ok(Some(Chunk {
                offset,
                length: data.len() as u64,
                data: data.to_owned(),
            }))
        }
    }

    #[tokio::test]
    async fn a_time_is_found_in_ten_gigabytes_by_a_few_reads() {
        let log = Log {
            lines: (10 << 30) / LINE,
            read: Mutex::new((0, 0)),
        };
        let (size, last) = (10 << 30, log.lines - 1);
        for line in [0, 1, 511, 512, 513, 40_000_000, last - 1, last] {
            *log.read.lock().unwrap() = (0, 0);
            let time = BEGIN + i64::try_from(line).unwrap() * 1000;
            // Half a second before a line: it is the first one after.
            let at = find(&log, size, time - 500, i64::MAX).await.unwrap();
            assert_eq!(at, line * LINE);
            let (reads, bytes) = *log.read.lock().unwrap();
            assert!(
                reads <= 20 && bytes <= 4 << 20,
                "{reads} reads of {bytes} bytes"
            );
        }
        let after = BEGIN + i64::try_from(last).unwrap() * 1000 + 1;
        assert_eq!(find(&log, size, after, i64::MAX).await.unwrap(), size);
    }
}
