"""Views in MongoDB through motor, in the few operations that every server of its wire protocol does right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import UpdateOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from actors.mesh._errors import Broken, TimedOut, Unavailable
from actors.mesh._ports import ViewPage, ViewRow, ViewShape
from actors.mesh.adapters.view_rules import (
    Shapes,
    batches,
    field_text,
    found_by,
    newest,
    page_of,
    page_rows,
    position_of,
)
from actors.mesh.adapters.within import within

SELECT_SECONDS = 3.0  # a primary that was lost is replaced in that time, or callers are told
ANSWER_SECONDS = 4.0
AWAY_SECONDS = 5.0  # never longer, whatever the driver does
CONNECTIONS_MAX = 20  # motor gives each call a thread; more would only wait for the interpreter
SECONDS_A_DAY = 86_400

DUPLICATE_KEY, NOT_IMPLEMENTED, NO_SUCH_COLLECTION = 11000, 238, 26
NEVER_SENT = (ServerSelectionTimeoutError, WaitQueueTimeoutError)
LOST = (ConnectionFailure, ExecutionTimeout, TimeoutError)

Document = dict[str, Any]


class Traits(NamedTuple):
    """Where a server differs from MongoDB."""

    batches: bool = True  # FerretDB ends a batch at its first duplicate key, and answers without counts
    renames: bool = True  # nx-27017 says "ok" to a rename and does nothing


class MongoViews:
    """A collection each: `_id` and `v`, `o` to sort by, `f_<field>` to filter by, and `d`, the document as JSON text.

    Text, because nothing is lost in it: BSON knows neither whole numbers above 64 bits nor the order of JSON.
    """

    def __init__(self, database: AsyncIOMotorDatabase[Document], prefix: str) -> None:
        self._database = database
        self._prefix = prefix
        self._shapes = Shapes()
        self._traits: Traits | None = None

    async def prepare(self, views: Sequence[ViewShape]) -> None:
        """Make the indexes, and with them the collections, that are not there."""
        for view in views:
            self._shapes.add(view)
        for view in views:
            await self._index(view)

    async def get(self, view: str, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """Return the rows that are there."""
        collection, found = self._collection(view), {}
        for batch in batches(dict.fromkeys(keys)):
            for document in await _read(collection.find({"_id": {"$in": batch}}).to_list(len(batch))):
                found[document["_id"]] = _row(document)
        return found

    async def put(self, view: str, rows: Sequence[ViewRow]) -> frozenset[str]:
        """Write what is newer than what is there; return the other keys.

        The guard is in the filter: a row that is not older is not found, so the upsert tries to insert its key again.
        """
        collection, shape, stale = self._collection(view), self._shapes.of(view), set[str]()
        for batch in batches(newest(rows)):
            if (await self._known_traits()).batches:
                stale |= await _write(_put_all(collection, shape, batch))
            else:
                stale |= {row.key for row in batch if not await _write(_put_one(collection, shape, row))}
        return frozenset(stale)

    async def page(
        self, view: str, where: Mapping[str, str], *, newest_first: bool, cursor: str, limit: int
    ) -> ViewPage:
        """Return rows equal in all given fields, in order."""
        self._shapes.asked(view, where)
        count, after = page_rows(limit), position_of(cursor)
        query: Document = {f"f_{field}": field_text(value) for field, value in where.items()}
        if after is not None:
            query["o"] = {"$lt" if newest_first else "$gt": after}
        hits = self._collection(view).find(query).sort([("o", -1 if newest_first else 1)]).limit(count + 1)
        return page_of([(_row(hit), hit["o"]) for hit in await _read(hits.to_list(count + 1))], count)

    async def wipe(self, view: str) -> None:
        """Forget all rows."""
        await _write(self._collection(view).drop())
        await self._index(self._shapes.of(view))

    async def switch(self, fresh: str, live: str) -> None:
        """Rename the fresh collection over the live one, at once where the server can."""
        shape = self._shapes.of(fresh)
        self._shapes.add(shape._replace(name=live))
        source, target = self._collection(fresh), self._collection(live)
        if (await self._known_traits()).renames:
            await _write(_rename(source, target))
        else:
            await _write(target.drop())
            async for document in source.find({}):
                await _write(target.insert_one(document))
            await _write(source.drop())
        for view in (fresh, live):
            await self._index(self._shapes.of(view))

    def _collection(self, view: str) -> AsyncIOMotorCollection[Document]:
        self._shapes.of(view)
        return self._database[f"{self._prefix}{view}"]

    async def _index(self, shape: ViewShape) -> None:
        collection = self._collection(shape.name)
        await _write(collection.create_index([("o", 1)]))
        for field in shape.fields:
            await _write(collection.create_index([(f"f_{field}", 1), ("o", 1)]))
        if shape.keep_days:
            try:
                await _write(collection.create_index([("t", 1)], expireAfterSeconds=shape.keep_days * SECONDS_A_DAY))
            except OperationFailure as error:
                if error.code != NOT_IMPLEMENTED:  # FerretDB, where rows then stay
                    raise

    async def _known_traits(self) -> Traits:
        if self._traits is None:
            told = await _read(self._database.command("buildInfo"))
            self._traits = Traits(batches="ferretdbVersion" not in told, renames=told.get("process") != "nx_27017")
        return self._traits


@asynccontextmanager
async def open_mongo_views(url: str, database: str, prefix: str = "") -> AsyncIterator[MongoViews]:
    """Open views in a database; the server may still be away. The prefix keeps domains that share one apart."""
    milliseconds = 1000
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
        url,
        appname="actor-mesh",
        maxPoolSize=CONNECTIONS_MAX,
        serverSelectionTimeoutMS=int(SELECT_SECONDS * milliseconds),
        connectTimeoutMS=int(SELECT_SECONDS * milliseconds),
        socketTimeoutMS=int(ANSWER_SECONDS * milliseconds),
        waitQueueTimeoutMS=int(SELECT_SECONDS * milliseconds),
    )
    try:
        yield MongoViews(client[database], prefix)
    finally:
        client.close()


async def _put_all(
    collection: AsyncIOMotorCollection[Document], shape: ViewShape, rows: Sequence[ViewRow]
) -> frozenset[str]:
    """Write rows in one round trip; return the keys that were not older."""
    updates = [UpdateOne(*_upsert(shape, row), upsert=True) for row in rows]
    try:
        await collection.bulk_write(updates, ordered=False)
    except BulkWriteError as error:
        failed = (error.details or {}).get("writeErrors", [])
        others = [each for each in failed if each.get("code") != DUPLICATE_KEY]
        if others or not failed:
            raise Broken(f"{shape.name}: {others[0].get('errmsg') if others else error}") from error
        return frozenset(rows[each["index"]].key for each in failed)
    return frozenset()


async def _put_one(collection: AsyncIOMotorCollection[Document], shape: ViewShape, row: ViewRow) -> bool:
    try:
        await collection.update_one(*_upsert(shape, row), upsert=True)
    except DuplicateKeyError:
        return False
    return True


def _upsert(shape: ViewShape, row: ViewRow) -> tuple[Document, Document]:
    found = found_by(shape, row)
    values: Document = {"v": row.version, "o": found.position, "d": row.document.decode()}
    values.update({f"f_{field}": text for field, text in found.fields.items()})
    change: Document = {"$set": values}
    if shape.keep_days:
        change["$currentDate"] = {"t": True}
    return {"_id": row.key, "v": {"$lt": row.version}}, change


async def _rename(source: AsyncIOMotorCollection[Document], target: AsyncIOMotorCollection[Document]) -> None:
    try:
        try:
            await source.rename(target.name, dropTarget=True)
        except OperationFailure as error:
            if error.code != NOT_IMPLEMENTED:
                raise
            await target.drop()  # FerretDB: for a moment there is none
            await source.rename(target.name)
    except OperationFailure as error:
        if error.code != NO_SUCH_COLLECTION:
            raise
        await target.drop()  # the fresh one was dropped under our feet: it is empty, so the live one is


def _row(document: Mapping[str, Any]) -> ViewRow:
    return ViewRow(document["_id"], document["v"], document["d"].encode())


async def _read(work: Any) -> Any:
    try:
        return await within(AWAY_SECONDS, _awaited(work))
    except LOST as error:
        raise Unavailable("MongoDB is away") from error


async def _write(work: Any) -> Any:
    try:
        return await within(AWAY_SECONDS, _awaited(work))
    except NEVER_SENT as error:
        raise Unavailable("MongoDB is away") from error
    except LOST as error:
        raise TimedOut("MongoDB went away under a write") from error


async def _awaited(work: Any) -> Any:
    return await work
