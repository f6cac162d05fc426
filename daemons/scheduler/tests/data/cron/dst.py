"""Makes dst.tsv: when cron schedules fire around changes of the clock, by Python's zoneinfo.

Looks at every minute. When the clock is put back, a schedule that names hours fires at the later of the two times that look
alike; one of every hour fires at both. Run: python3 dst.py > dst.tsv
"""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

# Zone, and the UTC day before the change.
CHANGES = [
    ("America/New_York", "2023-03-11"), ("America/New_York", "2023-11-04"),
    ("Europe/Berlin", "2024-03-30"), ("Europe/Berlin", "2024-10-26"),
    ("Australia/Lord_Howe", "2023-03-31"), ("Australia/Lord_Howe", "2023-09-29"),
    ("America/Sao_Paulo", "2018-11-02"), ("America/Sao_Paulo", "2018-02-16"),
    ("America/St_Johns", "2011-11-05"), ("Europe/Dublin", "2022-10-29"),
    ("Pacific/Apia", "2011-12-28"), ("Asia/Kathmandu", "2024-01-01"),
    ("Africa/Casablanca", "2022-03-26"), ("GMT", "2024-02-28"),
]
# Text, minutes, hours (None: all).
SCHEDULES = [
    ("30 * * * *", {30}, None), ("*/15 * * * *", {0, 15, 30, 45}, None),
    ("30 0 * * *", {30}, {0}), ("30 1 * * *", {30}, {1}), ("30 2 * * *", {30}, {2}),
    ("0 2 * * *", {0}, {2}), ("*/10 1-2 * * *", {0, 10, 20, 30, 40, 50}, {1, 2}),
]


def shown(zone, time):
    return time.astimezone(zone).replace(tzinfo=None, fold=0)


def fires(zone, minutes, hours, time):
    local = shown(zone, time)
    if local.minute not in minutes or (hours is not None and local.hour not in hours):
        return False
    if hours is None:
        return True
    return all(shown(zone, time + timedelta(minutes=later)) != local for later in range(1, 181))


for name, day in CHANGES:
    zone = ZoneInfo(name)
    start = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    for text, minutes, hours in SCHEDULES:
        every = (start + timedelta(minutes=after) for after in range(1, 3 * 24 * 60))
        times = [str(int(time.timestamp())) for time in every if fires(zone, minutes, hours, time)]
        print(name, text, int(start.timestamp()), " ".join(times), sep="\t")
