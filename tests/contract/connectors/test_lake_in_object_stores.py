"""`lake` passes the suite over Azure Blob Storage (Azurite) and S3 (moto), and notices what changes there."""

import io
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.contract.connectors.test_files_in_object_stores import CANARY, Place, answering, in_azure, in_s3
from tests.contract.connectors.test_lake_of_text import PACK, WRITTEN
from tests.servers.azurite import Azurite
from tests.servers.s3 import S3Server

from rightful.connectors.interface import Describing, Estimate, ReadHeader, Rows
from rightful.connectors.lake import LakeConnector, LakeSettings
from rightful.connectors.lake_files import LakeFile
from rightful.connectors.tree_place import Access
from rightful.errors import ConfigurationError, SourceError, SourceRefused, SourceUnavailable
from rightful.testing.connector_suite import ANN, ANN2, UPPER, ConnectorSuite, Found, collect, read_all

OWNERS = ["ann@contoso.example", "ann2@contoso.example", "ANN@contoso.example", "", None, "ann@fabrikam.example", "x", " "]


def connect(place: Place, url: str = "/lake/**/*", *, access: Access | None = None, **options: Any) -> LakeConnector:
    settings = LakeSettings(url=place.url + url, access=access or place.access, **{"match": {"user_id": "upn"}, **options})
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def parquet(rows: Sequence[Mapping[str, object]], **options: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_parquet(buffer, **{"row_group_size": 100, **options})
    return buffer.getvalue()


def numbers(connector: LakeConnector) -> list[object]:
    return [row["n"] for row in collect(connector, [ANN.subject])[0].rows]


ENCODED: dict[str, Callable[[Sequence[Mapping[str, object]]], bytes]] = {
    "parquet": parquet,
    "csv": lambda rows: PACK[".gz"](WRITTEN["csv"](rows).encode()),
    "jsonl": lambda rows: WRITTEN["jsonl"](rows).encode(),
}


@pytest.fixture(params=[pytest.param("azure", marks=pytest.mark.azurite), "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "azure":
        return in_azure(request.getfixturevalue("azurite"))
    return in_s3(request.getfixturevalue("s3_server"))


CONTENT: list[dict[str, object]] = [{"n": f"{n}", "user_id": OWNERS[n % 8], "text": f"é {n}"} for n in range(900)]


@pytest.fixture(scope="module")
def filled() -> dict[tuple[str, str], Place]:
    """Places by store and format, each filled once: nothing is written there any more."""
    return {}


def fill(place: Place, kind: str) -> Place:
    suffix = ".gz" if kind == "csv" else ""
    files = {f"lake/day={n}/a b#{n}.{kind}{suffix}": ENCODED[kind](CONTENT[n::3]) for n in range(3)}
    place.write(files | {"lake/.tmp/x": b"half written", "lakes/x": b"another", "x": b"above"})
    return place


class Suite(ConnectorSuite):
    kind = "parquet"

    @pytest.fixture
    def connector(self, place: Place) -> LakeConnector:
        return connect(place, format=self.kind)

    @pytest.fixture
    def expected(self) -> Mapping[str, Found]:
        def row(each: Mapping[str, object]) -> Mapping[str, object]:
            day = {"day": f"{int(str(each['n'])) % 3}"}
            if self.kind != "jsonl":
                return {**each, **day}
            return {"n": f'"{each["n"]}"', "user_id": each["user_id"], "text": f'"\\u00e9 {each["n"]}"', "_rest": None, **day}

        return {p.name: Found(rows=tuple(row(each) for each in CONTENT if each["user_id"] == p.upn)) for p in (ANN, ANN2, UPPER)}

    @pytest.fixture
    def broken(self, place: Place) -> LakeConnector:
        settings = LakeSettings(url=f"{place.url}-nowhere/*.parquet", access=place.access, match={"user_id": "upn"})
        return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


@pytest.mark.azurite
class TestParquetInAzure(Suite):
    @pytest.fixture
    def place(self, azurite: Azurite, filled: dict[tuple[str, str], Place]) -> Place:
        key = ("azure", self.kind)
        filled[key] = filled.get(key) or fill(in_azure(azurite), self.kind)
        return filled[key]


class TestParquetInS3(Suite):
    @pytest.fixture
    def place(self, s3_server: S3Server, filled: dict[tuple[str, str], Place]) -> Place:
        key = ("s3", self.kind)
        filled[key] = filled.get(key) or fill(in_s3(s3_server), self.kind)
        return filled[key]


@pytest.mark.azurite
class TestJsonLinesInAzure(TestParquetInAzure):
    kind = "jsonl"


class TestCsvInS3(TestParquetInS3):
    kind = "csv"


def test_one_object_and_the_whole_container_will_do(place: Place) -> None:
    place.write({"a.parquet": parquet([{"user_id": ANN.upn, "n": 1}]), "b/a.parquet": parquet([{"user_id": ANN.upn, "n": 2}])})
    assert numbers(connect(place, "/a.parquet")) == [1]
    assert numbers(connect(place, "/**")) == [1, 2]
    with pytest.raises(SourceRefused, match="no file fits"):
        connect(place, "/c.parquet").check()


@pytest.mark.parametrize("name", ["a b", "[x]", "é", "100%", "%41", "a+b=c", "user@x", "a,b;c", "写真"])
def test_a_name_may_hold_any_characters(place: Place, name: str) -> None:
    place.write({f"lake/{name}/{name}.parquet": parquet([{"user_id": ANN.upn, "n": 1}])})
    assert numbers(connect(place)) == [1]
    place.write({f"text/{name}.csv": f"user_id,n\n{ANN.upn},1\n".encode()})
    assert numbers(connect(place, "/text/*", format="csv")) == ["1"]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_an_object_that_changes_while_it_is_read_is_noticed(place: Place, kind: str) -> None:
    rows = [{"user_id": ANN.upn, "n": 1}]
    place.write({"lake/a": ENCODED[kind](rows), "lake/b": ENCODED[kind](rows)})
    connector = connect(place, format=kind)
    read = connector.read(connector.plan(())[0], [ANN.subject])
    assert isinstance(next(read), ReadHeader)
    place.write({"lake/b": ENCODED[kind]([{"user_id": ANN.upn, "n": 2}])})  # as large, and within the same second: by its ETag
    with pytest.raises(SourceUnavailable) as caught:
        list(read)
    assert caught.value.code == "SourceChanged"


def test_a_lake_that_changed_after_it_was_planned_is_listed_anew(place: Place) -> None:
    place.write({"lake/a": parquet([{"user_id": ANN.upn, "n": 1}])})
    connector = connect(place)
    [partition] = connector.plan(())
    place.write({"lake/a": parquet([{"user_id": ANN.upn, "n": 2}])})
    [item] = read_all(connector, partition, [ANN.subject])[1]
    assert isinstance(item, Rows)
    assert item.batch.column("n").to_pylist() == [2]


def test_a_damaged_object_is_refused_by_name(place: Place) -> None:
    good = parquet([{"user_id": ANN.upn, "n": n} for n in range(1000)])
    place.write({"lake/a": good, "lake/user_id=x/b": good[:300] + b"\xff" * 600 + good[900:]})
    with pytest.raises(SourceRefused, match=r"'b' is damaged"):
        collect(connect(place, "/lake/user_id=x/*", match={"user_id": "upn"}), [ANN.subject])


def test_what_the_store_refuses_is_said_without_a_secret(place: Place) -> None:
    place.write({"lake/a": parquet([{"user_id": ANN.upn, "n": 1}])})
    for connector in (
        connect(place, "-nowhere/lake/*"),
        *([connect(place, access=Access(endpoint=place.access.endpoint, account_key=CANARY))] if "az://" in place.url else []),
    ):
        with pytest.raises(SourceError) as caught:
            connector.check()
        assert not isinstance(caught.value, SourceUnavailable)
        assert CANARY not in f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"


@pytest.mark.azurite
def test_a_key_that_is_none_is_said_without_the_key(azurite: Azurite) -> None:
    place = in_azure(azurite)
    with pytest.raises(ConfigurationError) as caught:
        connect(place, access=Access(endpoint=place.access.endpoint, account_key=CANARY + "=" * 8))
    assert CANARY not in f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"


@contextmanager
def proxy(port: int, *, most: int) -> Iterator[int]:
    """Pass on so many connections, and cut the next ones off: a store that goes away in the middle."""
    left = [most]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        is_over = threading.Event()

        def run() -> None:
            while not is_over.is_set():
                try:
                    near, _ = server.accept()
                except TimeoutError:
                    continue
                left[0] -= 1
                if left[0] < 0:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", port))
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=(one, other), daemon=True).start()

        def pump(one: socket.socket, other: socket.socket) -> None:
            try:
                while data := one.recv(1 << 16):
                    other.sendall(data)
            except OSError:
                pass
            finally:
                other.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            is_over.set()
            thread.join()


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_store_that_goes_away_is_tried_again_later(s3_server: S3Server, kind: str) -> None:
    place = in_s3(s3_server)
    place.write({f"lake/{n}": ENCODED[kind]([{"user_id": ANN.upn, "n": n}]) for n in range(3)})
    if kind == "csv":
        place.write({f"lake/{n}.csv.gz": ENCODED[kind]([{"user_id": ANN.upn, "n": n}]) for n in range(3)})
    outcomes = set()
    for most in (0, 1, 2, 4, 9):
        with proxy(s3_server.port, most=most) as port:
            access = Access(endpoint=f"http://127.0.0.1:{port}", access_key_id="x", secret_access_key=CANARY)
            connector = connect(place, "/lake/*.csv.gz" if kind == "csv" else "/lake/*", access=access, format=kind)
            try:
                outcomes.add(len(collect(connector, [ANN.subject])[0].rows))
            except SourceUnavailable:
                outcomes.add(-1)
    assert outcomes <= {-1, 3}, "all or nothing"
    assert -1 in outcomes


@pytest.mark.parametrize(
    ("url", "access"),
    [
        ("s3://b/x", Access(account_key="x")),
        ("s3://b/x", Access(ca="x")),
        ("s3://b/x", Access(endpoint="http://store.example")),
        ("az://account", Access()),
        ("gs://b/x", Access()),
        ("/srv/lake/*", Access(region="x")),
        ("s3://user:pw@b/x", Access()),
    ],
    ids=repr,
)
def test_settings_that_make_no_sense_are_refused(url: str, access: Access) -> None:
    with pytest.raises(ConfigurationError):
        LakeConnector("x", LakeSettings(url=url, access=access, match={"a": "b"}), siblings={}, folder=Path("/"))


def ask(connector: LakeConnector, kind: str) -> None:
    """Let the library that reads this format ask for something, before obstore lists anything."""
    if kind == "delta":
        connector.check()
    else:
        connector._reading[1].schema(LakeFile("x", 100, 0))


@pytest.mark.parametrize("kind", ["parquet", "csv", "delta"])
@pytest.mark.parametrize("scheme", ["az", "s3"])
def test_nothing_secret_goes_where_a_redirect_leads(scheme: str, kind: Any) -> None:
    """Not even to whoever answers for the store: each of the three libraries follows, and leaves the signature out."""
    with answering(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as (elsewhere, followed):
        answer = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere}/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        with answering(answer) as (endpoint, asked):
            key = {"account_key": CANARY} if scheme == "az" else {"access_key_id": "x", "secret_access_key": CANARY}
            access = Access(endpoint=endpoint, **key)
            settings = LakeSettings(url=f"{scheme}://account/box/x", access=access, match={"a": "b"}, format=kind)
            connector = LakeConnector("activity", settings, siblings={}, folder=Path("/"))
            with pytest.raises(SourceError) as caught:
                ask(connector, kind)
    assert b"authorization:" in asked[0].lower()
    for request in followed:
        assert b"authorization" not in request.lower()
        assert b"ignature" not in request
    assert CANARY not in f"{caught.value} {caught.value.hint}"


def test_credentials_are_shown_nowhere(place: Place) -> None:
    settings = LakeSettings(url=place.url + "/x", access=Access(endpoint=place.access.endpoint, account_key=CANARY), match={"a": "b"})
    connector = connect(place)
    assert connector._reading
    assert CANARY not in f"{settings!r}{connector!r}{connector.__dict__!r}"


def _listing(*, is_endless: bool) -> bytes:
    objects = "".join(
        f"<Contents><Key>lake/{n}.txt</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>x</ETag></Contents>"
        for n in range(1000)
    )
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>" if is_endless else ""
    body = f"<ListBucketResult>{more}{objects if is_endless else ''}</ListBucketResult>".encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


def _listed(endpoint: str) -> LakeConnector:
    access = Access(endpoint=endpoint, access_key_id="x", secret_access_key=CANARY)
    settings = LakeSettings(url="s3://box/lake/*.parquet", access=access, match={"user_id": "upn"}, allow_empty=True)
    return LakeConnector("activity", settings, siblings={}, folder=Path("/"))


def test_what_is_seen_of_a_lake_before_an_export_takes_one_listing() -> None:
    with answering(_listing(is_endless=False)) as (endpoint, asked):
        connector = _listed(endpoint)
        assert isinstance(connector, Describing)
        assert [match.identifier_kind for match in connector.describe(limit_s=30.0).match] == ["upn"]
        [found] = connector.estimate([ANN.subject], limit_s=2.0)
        assert found.rows is not None
        assert len(asked) == 1


def test_a_listing_that_takes_too_long_is_given_up() -> None:
    with answering(_listing(is_endless=True)) as (endpoint, _):
        with pytest.raises(SourceUnavailable, match="takes longer"):
            _listed(endpoint).describe(limit_s=1.0)
        assert _listed(endpoint).estimate([ANN.subject], limit_s=1.0) == (Estimate(),)
