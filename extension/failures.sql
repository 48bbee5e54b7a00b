
-- failures: what the guard caught and nothing has mended yet.

CREATE TABLE @extschema@.failures (
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

COMMENT ON TABLE @extschema@.failures IS
    'errors that contact sync kept from the customer''s own statement, one row per customer and function';
COMMENT ON COLUMN @extschema@.failures.customers_table IS 'the customers table, with its schema';
COMMENT ON COLUMN @extschema@.failures.customer IS 'the customer''s id';
COMMENT ON COLUMN @extschema@.failures.function IS 'the trigger function that failed';
COMMENT ON COLUMN @extschema@.failures.first_failed IS 'when it failed first';
COMMENT ON COLUMN @extschema@.failures.last_failed IS 'when it failed last';
COMMENT ON COLUMN @extschema@.failures.times IS 'how often it failed';
COMMENT ON COLUMN @extschema@.failures.sqlstate IS 'the last error''s SQLSTATE';
COMMENT ON COLUMN @extschema@.failures.message IS 'the last error''s message; it may hold a customer''s number';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.failures', '');
