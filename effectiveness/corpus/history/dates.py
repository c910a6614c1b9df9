"""`--until DATE`: an ISO date or date-time, UTC where it names no zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from effectiveness.common.records import UserError

END_OF_DAY = time(23, 59, 59, tzinfo=UTC)


def parse_until(text: str) -> str:
    """The moment in one spelling, UTC to the second; a date means all of that day. Raises UserError.

    >>> parse_until("2024-05-01"), parse_until("2024-05-01T12:00+02:00"), parse_until("2024-05-01 12:00")
    ('2024-05-01T23:59:59Z', '2024-05-01T10:00:00Z', '2024-05-01T12:00:00Z')
    """
    try:
        moment = datetime.combine(date.fromisoformat(text), END_OF_DAY)
    except ValueError:
        moment = _date_time(text)
    return spell(seconds_of(moment))


def _date_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(
            f"--until: {text!r} is no date; expected an ISO date or date-time (UTC without a zone), "
            "e.g. 2024-12-31 or 2024-12-31T18:00:00+02:00"
        ) from None


def seconds_of(moment: datetime | str) -> int:
    """Seconds since 1970 of a moment, or of its spelling."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return int(moment.timestamp() // 1)


def spell(seconds: int) -> str:
    """
    >>> spell(0), spell(10**18)
    ('1970-01-01T00:00:00Z', 'second 1000000000000000000')
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):  # a commit may claim any number
        return f"second {seconds}"
