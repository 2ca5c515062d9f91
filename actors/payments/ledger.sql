-- The double-entry ledger of payments: written in the append's own transaction, never changed, summing to zero.
CREATE TABLE IF NOT EXISTS {schema}.ledger (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id text NOT NULL,
    order_id text NOT NULL,
    account text NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    amount_minor bigint NOT NULL,
    UNIQUE (transaction_id, account, currency)
);
CREATE INDEX IF NOT EXISTS ledger_order_id ON {schema}.ledger (order_id);

-- A transaction is posted by one statement, so the rows it adds are all there is to check: no scan, no deferral.
CREATE OR REPLACE FUNCTION {schema}.ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unbalanced text;
BEGIN
    SELECT transaction_id INTO unbalanced
    FROM added GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0 LIMIT 1;
    IF unbalanced IS NOT NULL THEN
        RAISE check_violation USING
            MESSAGE = 'postings do not sum to zero', DETAIL = unbalanced, CONSTRAINT = 'ledger_balanced';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER ledger_balanced AFTER INSERT ON {schema}.ledger
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}.ledger_balanced();

CREATE OR REPLACE FUNCTION {schema}.ledger_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE check_violation USING
        MESSAGE = 'the ledger is only added to; correct it by a posting the other way', CONSTRAINT = 'ledger_kept';
END $$;
CREATE OR REPLACE TRIGGER ledger_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.ledger_kept();

CREATE OR REPLACE FUNCTION {schema}.inline_ledger(rows jsonb) RETURNS void LANGUAGE sql SET search_path = {schema} AS $$
    INSERT INTO ledger (transaction_id, order_id, account, currency, amount_minor)
    SELECT transaction_id, order_id, account, currency, amount_minor
    FROM jsonb_to_recordset(rows)
        AS row (transaction_id text, order_id text, account text, currency text, amount_minor bigint)
$$;
