-- One domain's truth. Run with search_path set to the domain's schema, as the schema's owner, as often as one likes.
-- Insert-only: no command and no event is ever updated or deleted, and the domain's role may not.
-- Keys sort by bytes (COLLATE "C"): the same order everywhere, whatever the database's language.

-- The inbox: one row a command that succeeded, with the answer to repeat. Never pruned.
CREATE TABLE IF NOT EXISTS commands (
    command_id  uuid        NOT NULL,
    at          timestamptz NOT NULL,
    message     text        NOT NULL,                 -- 'orders.command.place_order'
    principal   text        NOT NULL,
    fingerprint bytea       NOT NULL,
    request     bytea       NOT NULL,                 -- body and recorded needs, encrypted
    reply       bytea       NOT NULL,
    CONSTRAINT commands_once PRIMARY KEY (command_id)
);

-- The events. The primary key is the optimistic lock: version expected + 1 can be taken once.
CREATE TABLE IF NOT EXISTS events (
    version     bigint      NOT NULL CHECK (version > 0),
    command_id  uuid        NOT NULL,
    at          timestamptz NOT NULL,
    key         text        NOT NULL COLLATE "C",     -- '<aggregate>/<id>'
    name        text        NOT NULL,                 -- 'order_placed'
    headers     text        NOT NULL,
    private     boolean     NOT NULL,
    body        bytea       NOT NULL,                 -- exact JSON bytes
    CONSTRAINT events_version PRIMARY KEY (key, version)
);
CREATE INDEX IF NOT EXISTS events_at ON events USING brin (at) WITH (autosummarize = on, pages_per_range = 32);

-- The outbox: one row for the events one commit adds to one key, gone once JetStream has acknowledged them.
CREATE TABLE IF NOT EXISTS unpublished (
    key         text        NOT NULL COLLATE "C",
    version     bigint      NOT NULL,                 -- of the first event
    events      int         NOT NULL,                 -- how many
    at          timestamptz NOT NULL,
    CONSTRAINT unpublished_once PRIMARY KEY (key, version)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- What the broker had acknowledged: lets a boot see at once that it lost something. One row.
CREATE TABLE IF NOT EXISTS broker (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), born text NOT NULL, last_sequence bigint NOT NULL
);

-- Snapshots are a cache; `code` names the fold that made them.
CREATE TABLE IF NOT EXISTS snapshots (
    key text NOT NULL COLLATE "C", code text NOT NULL, version bigint NOT NULL, state bytea NOT NULL,
    PRIMARY KEY (key, code)
);

-- Unique values across aggregates ("this e-mail has one user"), taken and given back inside the append.
CREATE TABLE IF NOT EXISTS claims (
    scope text NOT NULL COLLATE "C", value text NOT NULL COLLATE "C", key text NOT NULL COLLATE "C",
    CONSTRAINT claims_once PRIMARY KEY (scope, value)
);

CREATE TABLE IF NOT EXISTS sagas (
    saga text NOT NULL, key text NOT NULL COLLATE "C", revision bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('heard', 'running', 'undoing', 'done', 'undone')),
    next_at_ms bigint NOT NULL, document bytea NOT NULL,
    PRIMARY KEY (saga, key)
);
CREATE INDEX IF NOT EXISTS sagas_due ON sagas (saga, next_at_ms) WHERE status IN ('running', 'undoing') AND next_at_ms > 0;

-- A finished effect stays, without its event: begun again it must still be known.
CREATE TABLE IF NOT EXISTS effects (
    event_id text NOT NULL, performer text NOT NULL, attempts int NOT NULL, next_at_ms bigint NOT NULL,
    finished boolean NOT NULL DEFAULT false, event bytea NOT NULL,
    PRIMARY KEY (event_id, performer)
);
CREATE INDEX IF NOT EXISTS effects_due ON effects (performer, next_at_ms) WHERE NOT finished;

CREATE TABLE IF NOT EXISTS timers (
    timer_id text PRIMARY KEY COLLATE "C", due_at_ms bigint NOT NULL, next_at_ms bigint NOT NULL,
    attempts int NOT NULL DEFAULT 0, message text NOT NULL, body bytea NOT NULL, headers text NOT NULL
);
CREATE INDEX IF NOT EXISTS timers_due ON timers (next_at_ms);

CREATE TABLE IF NOT EXISTS dead_letters (
    letter_id text PRIMARY KEY COLLATE "C", subject text NOT NULL, reader text NOT NULL, reason text NOT NULL,
    detail text NOT NULL, headers text NOT NULL, body bytea NOT NULL, at_ms bigint NOT NULL, attempts int NOT NULL
);

-- Told commands that were not accepted, for who told them, for a while; the accepted ones are in `commands`.
CREATE TABLE IF NOT EXISTS tells (
    command_id text NOT NULL COLLATE "C", principal text NOT NULL, subject text NOT NULL,
    ending text NOT NULL CHECK (ending IN ('refused', 'dead')), refusal bytea NOT NULL,
    issued_at_ms bigint NOT NULL, at_ms bigint NOT NULL,
    PRIMARY KEY (command_id, principal)
);
CREATE INDEX IF NOT EXISTS tells_at ON tells (at_ms);

-- The inline SQL files that were installed here; each is run once.
CREATE TABLE IF NOT EXISTS installed (name text PRIMARY KEY, digest text NOT NULL);

-- The number of an advisory lock. Advisory locks are the database's, so the schema is part of the name.
CREATE OR REPLACE FUNCTION lock_of(kind text, name text) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT hashtextextended(current_schema() || ':' || kind || ':' || name, 0) $$;

-- All commits or none. Returns the keys somebody holds the turn on; then nothing was written.
-- A unique_violation says that somebody was first; `inspect` then says who.
-- Every writer takes the unique keys in one order (commands, events, inline rows by name; each sorted): no deadlock.
CREATE OR REPLACE FUNCTION append(
    command_ids uuid[], messages text[], principals text[], fingerprints bytea[], requests bytea[], replies bytea[],
    part_keys text[], part_versions bigint[], part_counts int[],
    event_keys text[], event_versions bigint[], event_commands uuid[], event_names text[], event_headers text[],
    event_privates boolean[], event_bodies bytea[],
    polite_keys text[],                               -- tried shared: their turn must not be somebody else's
    guarded_keys text[],                              -- tried alone: read for a decision that writes other keys
    inlines jsonb                                     -- null, or {"claims": [rows], "ledger": [rows]}
) RETURNS text[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    contended text[];
    moment timestamptz;
    table_name text;
BEGIN
    SELECT array_agg(k) INTO contended FROM (SELECT k FROM unnest(polite_keys) AS k ORDER BY k) AS sorted
        WHERE NOT pg_try_advisory_xact_lock_shared(lock_of('key', k));
    IF contended IS NULL AND cardinality(guarded_keys) > 0 THEN
        SELECT array_agg(k) INTO contended FROM (SELECT k FROM unnest(guarded_keys) AS k ORDER BY k) AS sorted
            WHERE NOT pg_try_advisory_xact_lock(lock_of('key', k));
    END IF;
    IF contended IS NOT NULL THEN
        RETURN contended;
    END IF;
    moment := clock_timestamp();
    INSERT INTO commands (command_id, at, message, principal, fingerprint, request, reply)
        SELECT c, moment, m, p, f, q, r
        FROM unnest(command_ids, messages, principals, fingerprints, requests, replies) AS t (c, m, p, f, q, r) ORDER BY c;
    INSERT INTO events (key, version, command_id, at, name, headers, private, body)
        SELECT k, v, c, moment, n, h, p, b
        FROM unnest(event_keys, event_versions, event_commands, event_names, event_headers, event_privates, event_bodies)
            AS t (k, v, c, n, h, p, b) ORDER BY k COLLATE "C", v;
    -- No gaps, even from a caller that remembers a future the journal has lost (a restored backup); and a part without
    -- events still holds its key to the version. Scalar subqueries, not EXISTS: that became a hash join over all events,
    -- planned while the table was empty.
    IF EXISTS (SELECT FROM unnest(part_keys, part_versions, part_counts) AS p (k, v, n)
               WHERE (v > 1 AND (SELECT e.version FROM events e WHERE e.key = p.k AND e.version = p.v - 1) IS NULL)
                  OR (n = 0 AND (SELECT e.version FROM events e WHERE e.key = p.k AND e.version = p.v) IS NOT NULL)) THEN
        RAISE unique_violation USING CONSTRAINT = 'events_contiguous', MESSAGE = 'a key is not at the expected version';
    END IF;
    INSERT INTO unpublished (key, version, events, at)
        SELECT k, v, n, moment FROM unnest(part_keys, part_versions, part_counts) AS t (k, v, n)
        WHERE n > 0 ORDER BY k COLLATE "C", v;
    IF inlines IS NOT NULL THEN
        FOR table_name IN SELECT t FROM jsonb_object_keys(inlines) AS t ORDER BY t COLLATE "C" LOOP
            EXECUTE format('SELECT %I($1)', 'inline_' || table_name) USING inlines -> table_name;
        END LOOP;
    END IF;
    RETURN NULL;
END $$;

-- Why was a batch refused? One round trip, one snapshot: known commands, current versions, taken claims.
CREATE OR REPLACE FUNCTION inspect(command_ids uuid[], keys text[], claim_scopes text[], claim_values text[])
RETURNS TABLE (kind "char", id text, value text, version bigint, message text, principal text, fingerprint bytea, reply bytea)
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT 'd'::"char", c.command_id::text, NULL::text, NULL::bigint, c.message, c.principal, c.fingerprint, c.reply
        FROM commands c WHERE c.command_id = ANY (command_ids)
    UNION ALL
    SELECT 'v', k, NULL, coalesce((SELECT e.version FROM events e WHERE e.key = k ORDER BY e.version DESC LIMIT 1), 0),
        NULL, NULL, NULL, NULL
        FROM unnest(keys) AS k
    UNION ALL
    SELECT 'c', c.scope, c.value, NULL, c.key, NULL, NULL, NULL
        FROM unnest(claim_scopes, claim_values) AS t (s, v) JOIN claims c ON c.scope = t.s AND c.value = t.v
$$;

-- A row with "free" gives a claim back.
CREATE OR REPLACE FUNCTION inline_claims(rows jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(h) FROM (    -- two users who swap addresses would deadlock: one gives what the other takes
        SELECT DISTINCT lock_of('claim', scope || E'\n' || value) AS h
        FROM jsonb_to_recordset(rows) AS r (scope text, value text) ORDER BY h OFFSET 0) AS locks;
    DELETE FROM claims c USING jsonb_to_recordset(rows) AS r (scope text, value text, key text, free boolean)
        WHERE r.free AND (c.scope, c.value, c.key) = (r.scope, r.value, r.key);
    INSERT INTO claims (scope, value, key)
        SELECT r.scope, r.value, r.key FROM jsonb_to_recordset(rows) AS r (scope text, value text, key text, free boolean)
        WHERE r.free IS NOT true ORDER BY r.scope COLLATE "C", r.value COLLATE "C";
END $$;

-- The body comes in base64: JSON has no bytes.
CREATE OR REPLACE FUNCTION inline_timers(rows jsonb) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO timers (timer_id, due_at_ms, next_at_ms, message, body, headers)
        SELECT timer_id, due_at_ms, due_at_ms, message, decode(body, 'base64'), coalesce(headers, '{}')
        FROM jsonb_to_recordset(rows) AS r (timer_id text, due_at_ms bigint, message text, body text, headers text)
        ORDER BY timer_id COLLATE "C"
$$;
