-- The trace store. Everything of low cardinality is said once, in `operation`; a span row holds what varies.
-- Times are nanoseconds since 1970 as the sender gave them: no conversion, exact order.
create schema if not exists otel;

create table if not exists otel.operation (
    operation_id int primary key generated always as identity,
    service      text not null,
    name         text not null,
    kind         smallint not null,
    attributes   jsonb not null default '{}',
    first_seen   timestamptz not null default now(),
    unique (service, name, kind, attributes)
);

-- No unique key: a repeated export may write a span twice, readers keep one per span_id.
create table if not exists otel.span (
    started_ns   bigint not null,
    duration_ns  bigint not null,
    span_id      bigint not null,
    parent_id    bigint,
    operation_id int not null,
    flags        smallint not null,     -- 1 error, 2 parent in another process
    trace_id     bytea not null,        -- 16 bytes
    attributes   jsonb,
    events       jsonb
) partition by range (started_ns);
create index if not exists span_trace on otel.span (trace_id);
create index if not exists span_operation on otel.span (operation_id, started_ns);
create index if not exists span_error on otel.span (started_ns) where flags & 1 = 1;
create index if not exists span_root on otel.span (started_ns) where parent_id is null;

-- The hash of a value alone, whatever attribute held it: paste any id and find its traces.
create table if not exists otel.trace_key (
    key_hash   bigint not null,
    started_ns bigint not null,
    trace_id   bytea not null
) partition by range (started_ns);
create index if not exists trace_key_hash on otel.trace_key (key_hash, started_ns);

-- A clock that is wrong by days must cost neither the span nor the batch it came in.
create table if not exists otel.span_default partition of otel.span default;
create table if not exists otel.trace_key_default partition of otel.trace_key default;
