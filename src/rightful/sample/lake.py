"""The sample company's activity reports: a lake of Parquet files, one a day, each with everybody's rows in no order of persons.

Rows are made column by column from the row's number, by integer arithmetic that is exact everywhere; polars does it side by side.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from rightful.sample.chance import choice, content, number
from rightful.sample.moments import BEGIN
from rightful.sample.people import Device, Person, Profile

ROWS = 2_000_000
FILES = 60
_DEVICE_ROWS = 20_000
_STRANGERS = (
    "xann@contoso.example",
    "ann@contoso.examples",
    "nn@contoso.example",
    "somebody@elsewhere.example",
    "%",
    "ann_@contoso.example",
)
"""Rows of people whom no directory knows; some look like people whom one does."""
_ITEMS = 16
"""How many things each person touches."""
_NAMELESS = 2
_DAY_MICROSECONDS = 24 * 3600 * 1_000_000
_ACTIONS = (
    "open",
    "edit",
    "share",
    "download",
    "delete",
    "rename",
    "sign in",
    "sign out",
    "search",
    "print",
    "join",
    "leave",
    "send",
    "read",
)
_PRODUCTS = ("SharePoint", "Exchange", "Teams", "OneDrive", "Planner")
_MASK = 0xFFFF_FFFF


def _mixed(expression: pl.Expr, salt: int) -> pl.Expr:
    """Return 32 well-mixed bits of an integer column: the finalizer of MurmurHash3, in 64-bit arithmetic that cannot overflow."""
    mixed = (expression + salt) & _MASK
    for shift, factor in ((65_536, 0x85EB_CA6B), (8_192, 0xC2B2_AE35), (65_536, 1)):
        mixed = ((mixed ^ (mixed // shift)) * factor) & _MASK
    return mixed


def write(root: Path, known: Sequence[tuple[str, str, int]], *, rows: int, on_file: Callable[[], None] = lambda: None) -> None:
    """Write the lake.

    Args:
        root: folder to make.
        known: user id, canary and weight of each person who has rows.
        rows: of all files together.
        on_file: called after each file.
    """
    owners = [*known, *((stranger, "canary-of-nobody", 2) for stranger in _STRANGERS)]
    # Each person stands here as often as they are busy; two places hold rows of nobody (unknown, and empty).
    places = [place for place, (_, _, weight) in enumerate(owners) for _ in range(weight)]
    wheel = pl.Series(places, dtype=pl.UInt32)
    users = pl.Series([name for name, _, _ in owners] + [None, ""], dtype=pl.String)
    items = pl.Series([_item(canary, place) for _, canary, _ in owners for place in range(_ITEMS)] + [None, ""], dtype=pl.String)
    addresses = pl.Series([f"10.{place // 64}.{place % 64}.{number('ip', place, below=250) + 1}" for place in range(4096)])
    first = 0
    for place in range(FILES):
        count = rows * (place + 1) // FILES - first
        begin = BEGIN + timedelta(days=place)
        frame = _frame(first, count, begin, wheel=wheel, users=users, items=items, addresses=addresses)
        path = root / f"{begin:%Y}" / f"{begin:%m}" / f"activity-{begin:%Y-%m-%d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(path, compression="zstd", compression_level=1)
        first += count
        on_file()


def _item(canary: str, place: int) -> str:
    return f"/sites/{choice(_PRODUCTS, canary, place).lower()}/{canary}/document {place}.docx"


def _frame(
    first: int, count: int, begin: datetime, *, wheel: pl.Series, users: pl.Series, items: pl.Series, addresses: pl.Series
) -> pl.DataFrame:
    row = pl.int_range(first, first + count, dtype=pl.UInt64, eager=True).alias("row")
    bits = row.to_frame().select("row", *(_mixed(pl.col("row"), 0x9E37_79B9 * salt % _MASK).alias(f"bits{salt}") for salt in range(1, 6)))
    owner = wheel.gather(bits["bits1"] % len(wheel))
    # Of a thousand rows one names nobody and one has an empty name: the last two of `users` and of `items`.
    stranger = pl.col("bits2") % 1000
    is_named = stranger >= _NAMELESS
    who = pl.when(is_named).then(pl.col("owner")).otherwise(len(users) - _NAMELESS + stranger)
    what = pl.when(is_named).then(pl.col("owner") * _ITEMS + pl.col("bits3") % _ITEMS).otherwise(len(items) - _NAMELESS + stranger)
    index = bits.with_columns(owner.cast(pl.UInt64).alias("owner")).select("row", "bits3", "bits4", "bits5", who=who, what=what)
    zero = pl.lit(begin.replace(tzinfo=None)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    score = pl.col("bits5") / 4_294_967_296.0
    cost = (pl.col("bits4") % 100_000_000).cast(pl.Int64).cast(pl.Decimal(18, 4)) * pl.lit(Decimal("0.0001"))
    return index.select(
        # Above 2 to the power of 53 from the first row on: a float would lose them.
        event_id=pl.col("row").cast(pl.Int64) + 9_100_000_000_000_000,
        user_id=users.gather(index["who"]),
        ts=zero + pl.duration(microseconds=(pl.col("bits3") * 20_117 + pl.col("bits4")) % _DAY_MICROSECONDS),
        action=pl.Series(_ACTIONS).gather(index["bits4"] % len(_ACTIONS)),
        item=items.gather(index["what"]),
        client_ip=addresses.gather(index["bits5"] % 4096),
        size_bytes=pl.when(pl.col("bits3") % 7 == 0).then(None).otherwise(pl.col("bits4").cast(pl.Int64)),
        cost=cost.cast(pl.Decimal(12, 4)),
        score=pl.when(pl.col("bits5") % 5000 == 0).then(float("nan")).otherwise(score),
        succeeded=pl.col("bits4") % 17 != 0,
    )


def write_devices(root: Path, devices: Iterable[Device], *, scale: float) -> None:
    """Write what devices report: one small file with lists and structs; rows know their device only."""
    names = sorted({device.device_id for device in devices})
    places = range(max(100, int(_DEVICE_ROWS * scale)))
    device_ids = [None if place % 500 == 0 else choice((*names, "D-stranger", ""), "device", place) for place in places]
    frame = pl.DataFrame(
        {
            "report_id": [place + 1 for place in places],
            "device_id": device_ids,
            "reported_at": [BEGIN + timedelta(seconds=number("report", place, below=365 * 86_400)) for place in places],
            "battery": [number("battery", place, below=101) if place % 9 else None for place in places],
            "apps": [[choice(_PRODUCTS, "app", place, turn) for turn in range(place % 4)] for place in places],
            "system": [
                {"name": choice(("iOS", "Windows", "Linux"), place), "build": number("build", place, below=30_000)} for place in places
            ],
            "checksum": [content(8, "checksum", place) for place in places],
        },
        schema={
            "report_id": pl.Int64,
            "device_id": pl.String,
            "reported_at": pl.Datetime("us", "UTC"),
            "battery": pl.Int16,
            "apps": pl.List(pl.String),
            "system": pl.Struct({"name": pl.String, "build": pl.Int32}),
            "checksum": pl.Binary,
        },
    )
    root.mkdir(parents=True)
    frame.write_parquet(root / "reports.parquet", compression="zstd", compression_level=1)


def known_users(people: Iterable[Person], profiles: Iterable[Profile]) -> list[tuple[str, str, int]]:
    """Return user id, canary and weight of all who have rows, in a fixed order."""
    users = [(person.upn, person.canary, person.weight) for person in people if person.weight]
    return users + [(profile.upn, f"canary-of-{profile.upn}", 1) for profile in profiles if profile.upn.startswith("pat")]
