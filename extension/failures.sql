
-- failures: what the guard caught and nothing has mended yet.

CREATE TABLE contact_sync.failures (
    customers_table text NOT NULL,
    customer text NOT NULL,
    function text NOT NULL,
    first_failed timestamptz NOT NULL,
    last_failed timestamptz NOT NULL,
    times bigint NOT NULL,
    sqlstate text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (customers_table, customer, function)
);

COMMENT ON TABLE contact_sync.failures IS
    'errors that contact sync kept from the customer''s own statement, one row per customer and function';
COMMENT ON COLUMN contact_sync.failures.customers_table IS 'the customers table, with its schema';
COMMENT ON COLUMN contact_sync.failures.customer IS 'the customer''s id';
COMMENT ON COLUMN contact_sync.failures.function IS 'the trigger function that failed';
COMMENT ON COLUMN contact_sync.failures.first_failed IS 'when it failed first';
COMMENT ON COLUMN contact_sync.failures.last_failed IS 'when it failed last';
COMMENT ON COLUMN contact_sync.failures.times IS 'how often it failed';
COMMENT ON COLUMN contact_sync.failures.sqlstate IS 'the last error''s SQLSTATE';
COMMENT ON COLUMN contact_sync.failures.message IS 'the last error''s message; it may hold a customer''s number';

SELECT pg_catalog.pg_extension_config_dump('contact_sync.failures', '');
