--
-- contact_sync.failures: what the guard caught and nothing has mended yet.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_failures_owner;
CREATE ROLE regress_failures_app;
CREATE SCHEMA regress_failures AUTHORIZATION regress_failures_owner;
GRANT USAGE ON SCHEMA regress_failures TO regress_failures_app;

--
-- The table
--
-- It is a member of the extension, owned by the superuser that the script ran as.
SELECT e.extname, rolsuper FROM pg_class c JOIN pg_roles r ON r.oid = relowner
    JOIN pg_depend d ON (d.classid, d.objid, d.deptype) = ('pg_class'::regclass, c.oid, 'e')
    JOIN pg_extension e ON e.oid = d.refobjid
    WHERE c.oid = 'contact_sync.failures'::regclass;
-- pg_dump dumps its rows, all of them.
SELECT table_name::regclass, condition = '' AS all_rows
    FROM pg_extension, unnest(extconfig, extcondition) AS u(table_name, condition) WHERE extname = 'contact_sync';
-- Nobody else has any right: messages can hold numbers.
SELECT count(*) FROM pg_class, aclexplode(relacl) a
    WHERE pg_class.oid = 'contact_sync.failures'::regclass AND a.grantee <> relowner;
SELECT privilege, has_table_privilege('regress_failures_app', 'contact_sync.failures', privilege)
    FROM unnest('{SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER}'::text[]) AS privilege;
-- Neither by default privileges. A DBA who is no superuser may read, write and so restore it, and put no trigger on it.
BEGIN;
DROP EXTENSION contact_sync CASCADE;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_failures_owner', current_database()); END $$;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_failures_app;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_failures_owner GRANT ALL ON TABLES TO regress_failures_app;
SET LOCAL ROLE regress_failures_owner;
CREATE EXTENSION contact_sync;
RESET ROLE;
SELECT relowner = 'regress_failures_owner'::regrole AS owned,
       (SELECT string_agg(privilege, ', ') FROM unnest('{SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER}'::text[]) AS privilege
        WHERE has_table_privilege('regress_failures_owner', pg_class.oid, privilege)) AS his,
       has_any_column_privilege('regress_failures_app', oid, 'SELECT') AS others_read,
       has_table_privilege('regress_failures_app', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER') AS others_write
    FROM pg_class WHERE oid = 'contact_sync.failures'::regclass;
ROLLBACK;

--
-- Its rows
--
SET search_path = regress_failures;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_failures_owner;
SET ROLE regress_failures_owner;
CREATE TABLE customers (id uuid PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_methods (
    customer_id uuid, method_type text, phone_number text CONSTRAINT not_three CHECK (phone_number <> '3'),
    UNIQUE (customer_id, method_type)
);
CREATE TABLE contact_preferences (customer_id uuid UNIQUE, preferred_method text NOT NULL);
CREATE TRIGGER initialize AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
GRANT INSERT, SELECT, UPDATE ON customers TO regress_failures_app;
RESET ROLE;
\set one 11111111-1111-4111-8111-111111111111
\set two 22222222-2222-4222-8222-222222222222
\set rows 'SELECT customers_table, customer, function, times, first_failed = last_failed AS once, sqlstate, message FROM contact_sync.failures ORDER BY customers_table, customer, function;'

-- One row for each table, customer and function.  Neither the client nor the customers' owner needs rights on it.
SET ROLE regress_failures_app;
INSERT INTO customers VALUES (:'one', '3'), (:'two', '2');
SELECT count(*) FROM contact_sync.failures;
RESET ROLE;
:rows
-- Its times: when it failed first and last are those transactions' times.
BEGIN;
UPDATE customers SET phone = '33' WHERE id = :'one';
UPDATE customers SET phone = '3' WHERE id = :'one';
SELECT function, last_failed = now() AS now, first_failed < now() AS before FROM contact_sync.failures
    WHERE customer = :'one' ORDER BY 1;
COMMIT;
:rows
-- The last error's SQLSTATE and message
ALTER TABLE contact_methods ALTER phone_number TYPE varchar(3);
UPDATE customers SET phone = '3333' WHERE id = :'one';
:rows
-- What was mended meanwhile is not taken away by a success: that is for whoever looks at it.
UPDATE customers SET phone = '1' WHERE id = :'one';
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;
:rows
DELETE FROM contact_sync.failures;

-- Names and keys as text, whatever they are: quoted where SQL would need it.
CREATE SCHEMA "regress Failures" AUTHORIZATION regress_failures_owner;
SET ROLE regress_failures_owner;
CREATE TABLE "regress Failures"."our ""Customers" ("the id" text PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE "regress Failures".contact_methods (
    customer_id text, method_type text, phone_number text CHECK (phone_number <> '3'), UNIQUE (customer_id, method_type)
);
CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON "regress Failures"."our ""Customers"
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('the id');
\set VERBOSITY default
INSERT INTO "regress Failures"."our ""Customers" VALUES (E'O''Hara, "J"', '3');
\set VERBOSITY terse
RESET ROLE;
:rows
DELETE FROM contact_sync.failures;

-- A row written by way of a partition is the topmost table's.
SET ROLE regress_failures_owner;
CREATE TABLE "regress Failures".parts (id text PRIMARY KEY, phone text, whatsapp text) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF "regress Failures".parts FOR VALUES IN ('1');
CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON "regress Failures".parts
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO part VALUES ('1', '3');
RESET ROLE;
SELECT customers_table, customer FROM contact_sync.failures;
DELETE FROM contact_sync.failures;

--
-- Recording has a subtransaction of its own: if even that fails, a WARNING says so, and the statement succeeds.
--
UPDATE customers SET phone = '2';
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more failures'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON contact_sync.failures FOR EACH ROW EXECUTE FUNCTION refuse();
\set VERBOSITY default
SET ROLE regress_failures_app;
UPDATE customers SET phone = '3' WHERE id = :'one';
INSERT INTO customers VALUES ('33333333-3333-4333-8333-333333333333', '4');
RESET ROLE;
\set VERBOSITY terse
SELECT id, phone, phone_number FROM customers LEFT JOIN contact_methods ON (customer_id, method_type) = (id, 'sms') ORDER BY id;
SELECT count(*) FROM contact_sync.failures;
-- 57014 and 40001 are the client's there as well.
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'retry' USING ERRCODE = '40001';
END
$$;
UPDATE customers SET phone = '3' WHERE id = :'two';
SELECT phone FROM customers WHERE id = :'two';
DROP TRIGGER refuse ON contact_sync.failures;
-- A column that a later hand took away
BEGIN;
ALTER TABLE contact_sync.failures DROP COLUMN message;
UPDATE customers SET phone = '3' WHERE id = :'two';
SELECT phone FROM customers WHERE id = :'two';
SELECT count(*) FROM contact_sync.failures;
ROLLBACK;
-- It is not put on record that something is skipped: there, verify tells.
ALTER TABLE contact_methods RENAME TO gone;
UPDATE customers SET phone = '3';
SELECT count(*) FROM contact_sync.failures;

-- It does not take the search_path's word for anything.
ALTER TABLE gone RENAME TO contact_methods;
CREATE TABLE failures (LIKE contact_sync.failures INCLUDING ALL);
CREATE FUNCTION plus(bigint, integer) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR + (FUNCTION = plus, LEFTARG = bigint, RIGHTARG = integer);
SET search_path = regress_failures, pg_catalog;
UPDATE customers SET phone = '33' WHERE id = :'one';
UPDATE customers SET phone = '3' WHERE id = :'one';
UPDATE customers SET phone = '33' WHERE id = :'one';
UPDATE customers SET phone = '3' WHERE id = :'one';
SELECT customer, times FROM contact_sync.failures;
SELECT count(*) FROM failures;

-- Messages are cut at 1 kB, between two characters, in the record and in the WARNING.
SET search_path = regress_failures;
DELETE FROM contact_sync.failures;
CREATE FUNCTION tell_much() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', repeat(NEW.phone_number, 1000000) USING DETAIL = repeat('detail', 100000);
END
$$;
CREATE TRIGGER tell_much BEFORE UPDATE ON contact_methods FOR EACH ROW
    WHEN (NEW.method_type = 'sms') EXECUTE FUNCTION tell_much();
SET client_min_messages = error;
UPDATE customers SET phone = 'x' WHERE id = :'one';
SELECT octet_length(message) AS bytes, message = repeat('x', 1024) AS whole FROM contact_sync.failures;
UPDATE customers SET phone = 'xü' WHERE id = :'one';
SELECT octet_length(message) AS bytes, message = repeat('xü', 341) || 'x' AS whole FROM contact_sync.failures;
UPDATE customers SET phone = '電' WHERE id = :'one';
SELECT octet_length(message) AS bytes, message = repeat('電', 341) AS whole FROM contact_sync.failures;
SET client_min_messages = warning;
DROP TRIGGER tell_much ON contact_methods;

-- More failures of one statement than are kept at a time: all are recorded, ten are told.
DELETE FROM contact_sync.failures;
DROP TRIGGER initialize ON customers;
DROP TRIGGER update_methods ON customers;
CREATE TRIGGER update_methods AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER update_methods_statement AFTER INSERT ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON contact_methods FOR EACH STATEMENT EXECUTE FUNCTION no_room();
INSERT INTO customers SELECT md5(n::text)::uuid, n FROM generate_series(1, 25001) AS n;
SELECT function, sqlstate, count(*), sum(times) AS times FROM contact_sync.failures GROUP BY 1, 2;

--
-- What verify reports of them, and what reconcile deletes
--
DROP SCHEMA "regress Failures" CASCADE;
DELETE FROM contact_sync.failures;
DROP TABLE failures, customers, contact_methods, contact_preferences CASCADE;
SET ROLE regress_failures_owner;
CREATE TABLE customers (id uuid PRIMARY KEY, phone varchar(3), whatsapp varchar(20));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
RESET ROLE;
\set failures 'SELECT object, status, problem, fix FROM contact_sync.verify(\'regress_failures.customers\') WHERE check_name ~ \'^failures\' ORDER BY check_name, object COLLATE "C";'
:failures
-- Customers that never came to be: their BEFORE trigger failed, and ON CONFLICT DO NOTHING kept the row out.
INSERT INTO customers VALUES (:'one', NULL, NULL), (:'two', '3', NULL);
CREATE UNIQUE INDEX one_name ON customers (whatsapp);
INSERT INTO customers VALUES ('33333333-3333-4333-8333-333333333333', NULL, '08033') ON CONFLICT DO NOTHING;
INSERT INTO customers VALUES ('44444444-4444-4444-8444-444444444444', NULL, '08033') ON CONFLICT DO NOTHING;
SELECT count(*) FROM customers;
SELECT customer, function FROM contact_sync.failures ORDER BY customer;
:failures
-- Keys that are no ids of this type (any more) are not counted, and cause no error.
INSERT INTO contact_sync.failures VALUES
    ('regress_failures.customers', '5', 'update_contact_methods', now(), now(), 1, '22001', 'too long');
:failures
UPDATE customers SET phone = '3' WHERE whatsapp = '08033';
CALL contact_sync.reconcile('customers');
:failures

-- Of tables that were renamed or dropped
INSERT INTO contact_sync.failures
    SELECT name, id, 'update_contact_methods', now(), now(), 1, '22001', 'too long'
    FROM unnest(ARRAY['regress_failures.old_customers', 'regress_failures."Old ''customers"', 'regress_failures2.customers', 'no name'])
             AS name,
         unnest('{1,2}'::text[]) AS id;
-- Who may read failures sees them all, with the SQL to delete them.
:failures
-- The owner of customers sees those of the same schema, if the schema is his,
SET ROLE regress_failures_owner;
:failures
RESET ROLE;
ALTER SCHEMA regress_failures OWNER TO postgres;
GRANT ALL ON SCHEMA regress_failures TO regress_failures_owner;
SET ROLE regress_failures_owner;
:failures
-- and reconcile deletes what he sees.
CALL contact_sync.reconcile('customers');
RESET ROLE;
SELECT customers_table, count(*) FROM contact_sync.failures GROUP BY customers_table ORDER BY customers_table COLLATE "C";
ALTER SCHEMA regress_failures OWNER TO regress_failures_owner;
SET client_min_messages = notice;
SET ROLE regress_failures_owner;
CALL contact_sync.reconcile('customers');
RESET ROLE;
SET client_min_messages = warning;
SELECT customers_table, count(*) FROM contact_sync.failures GROUP BY customers_table ORDER BY customers_table COLLATE "C";
-- The rest is deleted by the SQL in fix.
\set ECHO none
SELECT fix FROM contact_sync.verify('regress_failures.customers') WHERE check_name = 'failures_of_gone_tables' \gexec
\set ECHO all
:failures
-- A table that was renamed: what is wrong with its customers is found, and recorded, under its new name.
UPDATE customers SET whatsapp = '0803' WHERE id = :'two';
ALTER TABLE contact_methods ADD CONSTRAINT not_three CHECK (phone_number <> '3') NOT VALID;
DELETE FROM contact_methods;
CALL contact_sync.reconcile('customers');
SELECT customers_table, customer FROM contact_sync.failures;
ALTER TABLE customers RENAME TO clients;
SELECT object, status, problem FROM contact_sync.verify('regress_failures.clients') WHERE check_name ~ '^failures' ORDER BY check_name;
CALL contact_sync.reconcile('clients');
SELECT customers_table, customer FROM contact_sync.failures;
SELECT object, status, problem FROM contact_sync.verify('regress_failures.clients') WHERE check_name ~ '^failures' ORDER BY check_name;
-- A view, or a table of the other role, in their place
ALTER TABLE clients RENAME TO customers;
CALL contact_sync.reconcile('customers');
ALTER TABLE customers RENAME TO clients;
CREATE VIEW customers AS SELECT * FROM clients;
SELECT object, status, problem FROM contact_sync.verify('regress_failures.clients') WHERE check_name ~ '^failures' ORDER BY check_name, object COLLATE "C";
DROP VIEW customers;
-- Nobody gets at them by the functions behind this.
SET ROLE regress_failures_app;
SELECT * FROM contact_sync_internal.failures_of_gone_tables('regress_failures.clients');
SELECT * FROM contact_sync_internal.forget_failures_of_gone_tables('regress_failures.clients');
SELECT * FROM contact_sync_internal.failures_of_gone_tables_as_keeper('regress_failures.clients');
SELECT * FROM contact_sync_internal.forget_failures_of_gone_tables_as_keeper('regress_failures.clients');
CREATE TEMPORARY TABLE own (id int);
SELECT * FROM contact_sync_internal.failures_of_gone_tables('pg_temp.own');
SELECT * FROM contact_sync_internal.forget_failures_of_gone_tables('pg_temp.own');
DROP TABLE own;
RESET ROLE;
SELECT customers_table, count(*) FROM contact_sync.failures GROUP BY 1;

-- clean up
DELETE FROM contact_sync.failures;
RESET search_path;
DROP SCHEMA regress_failures CASCADE;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_failures_owner;
DROP ROLE regress_failures_owner, regress_failures_app;
