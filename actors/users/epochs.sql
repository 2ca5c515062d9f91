-- What each user's tokens are worth, written in the append's own transaction: an epoch only rises.
CREATE TABLE IF NOT EXISTS {schema}.epochs (
    user_id text PRIMARY KEY COLLATE "C",
    status text NOT NULL,
    epoch bigint NOT NULL,
    sessions_epoch bigint NOT NULL CHECK (sessions_epoch <= epoch),
    roles text[] NOT NULL
);
GRANT UPDATE ON {schema}.epochs TO "mesh_{schema}";

-- A batch may raise one epoch twice: the last one counts.
CREATE OR REPLACE FUNCTION {schema}.inline_epochs(rows jsonb) RETURNS void LANGUAGE sql SET search_path = {schema} AS $$
    INSERT INTO epochs AS known (user_id, status, epoch, sessions_epoch, roles)
    SELECT DISTINCT ON (user_id) user_id, status, epoch, sessions_epoch, roles
    FROM jsonb_to_recordset(rows)
        AS row (user_id text COLLATE "C", status text, epoch bigint, sessions_epoch bigint, roles text[])
    ORDER BY user_id, epoch DESC
    ON CONFLICT (user_id) DO UPDATE
    SET status = excluded.status, epoch = excluded.epoch, sessions_epoch = excluded.sessions_epoch, roles = excluded.roles
    WHERE known.epoch < excluded.epoch
$$;
