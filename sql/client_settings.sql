--
-- The settings of a client change nothing of what the sync writes, nor of what the functions of a DBA say and do.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET escape_string_warning = off;

CREATE ROLE regress_settings_app;
CREATE SCHEMA regress_settings;
GRANT USAGE ON SCHEMA regress_settings TO regress_settings_app;
SET search_path = regress_settings;
CREATE TABLE customers (id bigint PRIMARY KEY, name text, phone varchar(20), whatsapp varchar(20));
GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO regress_settings_app;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO customers SELECT n, 'c', n, '0' || n FROM generate_series(1, 3) AS n;
CREATE FUNCTION as_app(setting text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    wrong bigint;
    to_fix bigint;
BEGIN
    PERFORM set_config(setting, value, true);
    ALTER TABLE regress_settings.contact_methods ALTER phone_number SET STATISTICS 10;      -- so plans are made anew
    SET LOCAL ROLE regress_settings_app;
    -- Numbers with what a setting may change the meaning of
    INSERT INTO regress_settings.customers VALUES (100, 'new', '\x41', 'it''s 5\');
    UPDATE regress_settings.customers SET phone = '1e3\', whatsapp = NULL WHERE id = 1;
    UPDATE regress_settings.customers SET phone = '01/02/2003' WHERE id = 2;
    UPDATE regress_settings.customers SET phone = '', whatsapp = '' WHERE id = 3;
    RESET ROLE;
    SELECT count(*) INTO to_fix FROM contact_sync.verify('regress_settings.customers')
        WHERE status IN ('fix', 'blocked');
    SELECT count(*) INTO wrong FROM contact_sync.drift('regress_settings.customers');
    RETURN (SELECT count(*) FROM contact_sync.failures) || ' failed, ' || wrong || ' wrong, ' || to_fix || ' to fix; '
        || (SELECT string_agg(concat_ws(' ', customer_id, method_type, phone_number), ', '
                              ORDER BY customer_id, method_type COLLATE "C") FROM regress_settings.contact_methods);
END
$$;
CREATE TABLE settings (setting text, value text);
INSERT INTO settings VALUES ('standard_conforming_strings', 'off'), ('quote_all_identifiers', 'on'),
    ('row_security', 'off'), ('search_path', ''), ('search_path', 'pg_temp');
DO $$
DECLARE
    s record;
    expected text;
    got text;
BEGIN
    FOR s IN SELECT 'application_name' AS setting, 'plain' AS value UNION ALL SELECT * FROM settings LOOP
        BEGIN
            got := regress_settings.as_app(s.setting, s.value);
            RAISE EXCEPTION USING ERRCODE = 'ZZ001';      -- back to where it began
        EXCEPTION
            WHEN SQLSTATE 'ZZ001' THEN NULL;
            WHEN OTHERS THEN got := SQLERRM;
        END;
        expected := coalesce(expected, got);
        IF s.setting = 'application_name' OR got <> expected THEN
            RAISE WARNING '% = %: %', s.setting, s.value, got;
        END IF;
    END LOOP;
END
$$;
-- A plan is made once and for any parameters, whatever the client wants.  A function that a default calls tells.
CREATE FUNCTION planned() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'a plan is made';
    RETURN 'planned';
END
$$;
ALTER TABLE contact_preferences ADD planned text, ALTER planned SET DEFAULT planned();
SET plan_cache_mode = force_custom_plan;
INSERT INTO customers VALUES (4, 'four', '4');
INSERT INTO customers VALUES (5, 'five', '5');
RESET plan_cache_mode;
SELECT customer_id, planned FROM contact_preferences WHERE customer_id > 3 ORDER BY 1;
ALTER TABLE contact_preferences DROP planned;
DROP FUNCTION planned();

-- Nor is it planned as the client would have it: no table is read from end to end for a few customers, whatever the client
-- says of costs and ways, and whatever has made the plans of before stale.
INSERT INTO customers SELECT n, 'many', n FROM generate_series(1001, 6000) AS n;
ANALYZE customers, contact_methods, contact_preferences;
CREATE FUNCTION tables_scanned(setting text, value text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    tables regclass[] := '{regress_settings.contact_methods, regress_settings.contact_preferences}';
    before bigint;
BEGIN
    PERFORM set_config(setting, value, true);
    ALTER TABLE regress_settings.contact_methods ALTER phone_number SET STATISTICS 20;
    ALTER TABLE regress_settings.contact_preferences ALTER customer_id SET STATISTICS 20;
    before := (SELECT sum(pg_stat_get_xact_numscans(t)) FROM unnest(tables) AS t);
    INSERT INTO regress_settings.customers VALUES (200, 'new', '1');
    UPDATE regress_settings.customers SET phone = '12', whatsapp = '34' WHERE id = 1001;
    UPDATE regress_settings.customers SET phone = '', whatsapp = '' WHERE id = 1002;
    UPDATE regress_settings.customers SET phone = '12', whatsapp = '34' WHERE id BETWEEN 1003 AND 1023;
    RETURN (SELECT sum(pg_stat_get_xact_numscans(t)) FROM unnest(tables) AS t) - before;
END
$$;
DO $$
DECLARE
    s record;
    scanned bigint;
BEGIN
    FOR s IN SELECT name, 'off' AS value FROM pg_settings WHERE name ^@ 'enable_'
             UNION ALL VALUES ('random_page_cost', '1e9'), ('cpu_index_tuple_cost', '1e9'), ('cpu_operator_cost', '1e9'),
                 ('seq_page_cost', '0'), ('cpu_tuple_cost', '0'), ('effective_cache_size', '1'), ('work_mem', '64'),
                 ('from_collapse_limit', '1'), ('join_collapse_limit', '1'), ('geqo_threshold', '2'),
                 ('cursor_tuple_fraction', '1'), ('constraint_exclusion', 'on'), ('jit_above_cost', '0'),
                 ('parallel_setup_cost', '0'), ('plan_cache_mode', 'force_custom_plan'), ('search_path', 'pg_temp'),
                 ('transform_null_equals', 'on') LOOP
        BEGIN
            scanned := regress_settings.tables_scanned(s.name, s.value);
            RAISE EXCEPTION USING ERRCODE = 'ZZ001';
        EXCEPTION
            WHEN SQLSTATE 'ZZ001' THEN NULL;
        END;
        IF scanned <> 0 THEN
            RAISE WARNING '% = %: % scans', s.name, s.value, scanned;
        END IF;
    END LOOP;
END
$$;
DELETE FROM customers WHERE id > 1000;

-- A transaction that may not write any more: neither contact data nor failures, but the customer's row is saved.
BEGIN;
UPDATE customers SET phone = '41' WHERE id = 4 RETURNING set_config('transaction_read_only', 'on', true) AS read_only;
COMMIT;
SELECT customer, kind, method, expected, actual FROM contact_sync.drift('customers') ORDER BY method;
SELECT count(*) FROM contact_sync.failures;
-- A replica's session fires none of our triggers: its customers drift as well.
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE customers SET phone = '51' WHERE id = 5;
COMMIT;
SELECT customer, kind, method, expected, actual FROM contact_sync.drift('customers') ORDER BY customer, method;
-- reconcile reads under the locks that it takes, in each of its transactions.
CREATE TABLE levels (level text);
CREATE FUNCTION level() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_settings.levels VALUES (current_setting('transaction_isolation'));
    RETURN NEW;
END
$$;
CREATE TRIGGER level BEFORE UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION level();
SET default_transaction_isolation = serializable;
CALL contact_sync.reconcile('customers', 4);
RESET default_transaction_isolation;
SELECT level, count(*) FROM levels GROUP BY 1;
SELECT count(*) FROM contact_sync.drift('customers');
DROP TRIGGER level ON contact_methods;
-- What one that is no superuser cannot switch off
SET ROLE regress_settings_app;
SET contact_sync.enabled = off;
RESET ROLE;

-- A client whose encoding lacks a character: it gets no WARNING, and its statement all the same.
ALTER TABLE contact_methods ADD CONSTRAINT U&"\96FB\8A71" CHECK (phone_number <> 'bad') NOT VALID;
SET client_encoding = 'LATIN1';
UPDATE customers SET phone = 'bad' WHERE id = 1;
-- How many characters fit is for the database's encoding to say: of the number, and of what is filled from it.
UPDATE customers SET phone = repeat(chr(38651), 20) WHERE id = 2;
SET client_encoding = 'SQL_ASCII';
UPDATE customers SET phone = repeat(chr(38651), 20), whatsapp = NULL WHERE id = 3;
RESET client_encoding;
SELECT customer_id, method_type, phone_number = repeat(chr(38651), 20) AS whole FROM contact_methods
    WHERE customer_id IN (2, 3) ORDER BY 1, 2;
SELECT customer, sqlstate, message ~ U&'"\96FB\8A71"$' AS message FROM contact_sync.failures;
ALTER TABLE contact_methods DROP CONSTRAINT U&"\96FB\8A71";
CALL contact_sync.reconcile('customers');
-- What triggers were told is in the database's encoding as well.
ALTER TABLE customers RENAME phone TO U&"\96FB\8A71";
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', phone_column => U&'\96FB\8A71');
SET client_encoding = 'LATIN1';
SELECT check_name, status FROM contact_sync.verify('customers') WHERE status <> 'ok';
RESET client_encoding;

--
-- A key whose text is as the session's settings have it: recorded, told and mended by sessions of other settings.
--
CREATE TABLE regress_settings.told (what text);
CREATE TABLE regress_settings.keys (type text, value text);
INSERT INTO regress_settings.keys VALUES ('bytea', '\x5c00ff'), ('date', '2004-03-02'),
    ('float8', '0.30000000000000004'), ('interval', '-1 mons -2 days +03:04:05'),
    ('timestamptz', '2004-03-02 01:02:03.456789+00');
CREATE PROCEDURE regress_settings.in_each(statement text) LANGUAGE plpgsql AS $$
DECLARE
    key record;
BEGIN
    FOR key IN SELECT * FROM regress_settings.keys ORDER BY type LOOP
        EXECUTE format('SET LOCAL search_path = regress_settings_%s', key.type);
        EXECUTE replace(replace(statement, ':type', key.type), ':value', quote_literal(key.value));
    END LOOP;
END
$$;
CALL regress_settings.in_each('CREATE SCHEMA regress_settings_:type');
CALL regress_settings.in_each('CREATE TABLE customers (id :type PRIMARY KEY, phone text, whatsapp text)');
CALL regress_settings.in_each($$SELECT contact_sync.attach('customers')$$);
CALL regress_settings.in_each(
    $$ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number NOT LIKE 'bad%')$$);
CREATE PROCEDURE regress_settings.set(styles text[]) LANGUAGE sql AS $$
    SELECT set_config(s.name, s.value, false)
    FROM unnest('{datestyle, intervalstyle, timezone, extra_float_digits, bytea_output}'::text[], styles)
         AS s(name, value)
$$;
\set one_way 'CALL regress_settings.set(''{"SQL, DMY", sql_standard, Asia/Kolkata, -5, hex}'');'
\set another 'CALL regress_settings.set(''{"Postgres, MDY", iso_8601, America/Caracas, 0, escape}'');'
SET client_min_messages = error;
:one_way
CALL regress_settings.in_each('INSERT INTO customers VALUES (:value, ''good'', ''fine'')');
CALL regress_settings.in_each('UPDATE customers SET phone = ''bad''');
:another
CALL regress_settings.in_each('UPDATE customers SET phone = ''bad again''');
SELECT customers_table, customer, times FROM contact_sync.failures ORDER BY 1;
CALL regress_settings.in_each($$
    INSERT INTO regress_settings.told
    SELECT DISTINCT ':type' FROM contact_sync.drift('customers') JOIN contact_sync.failures USING (customer)$$);
SELECT * FROM regress_settings.told ORDER BY 1;
-- What cannot be mended stays the same entry; what can, goes.
SELECT format('CALL contact_sync.reconcile(''regress_settings_%s.customers'')', type)
    FROM regress_settings.keys ORDER BY type
\gexec
SELECT customers_table, customer, times FROM contact_sync.failures ORDER BY 1;
CALL regress_settings.in_each('ALTER TABLE contact_methods DROP CONSTRAINT good');
:one_way
SELECT format('CALL contact_sync.reconcile(''regress_settings_%s.customers'')', type)
    FROM regress_settings.keys ORDER BY type
\gexec
SELECT count(*) FROM contact_sync.failures;
TRUNCATE regress_settings.told;
CALL regress_settings.in_each($$
    INSERT INTO regress_settings.told SELECT concat_ws(' ', ':type', kind) FROM contact_sync.drift('customers')$$);
SELECT * FROM regress_settings.told;
RESET datestyle;
RESET intervalstyle;
RESET timezone;
RESET extra_float_digits;
RESET bytea_output;
SET client_min_messages = warning;
CALL regress_settings.in_each('DROP SCHEMA regress_settings_:type CASCADE');

-- clean up
DELETE FROM contact_sync.failures;
RESET search_path;
DROP SCHEMA regress_settings CASCADE;
DROP ROLE regress_settings_app;
