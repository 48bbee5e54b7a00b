--
-- attach: runs each fix that verify finds, all or nothing; a second call does nothing.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\set legacy_data :abs_srcdir '/test/fixtures/legacy_data.sql'
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_owner;
CREATE ROLE regress_contact_other;
CREATE SCHEMA regress_attach;
SET search_path = regress_attach;

-- What attach has made of a table and its contact tables, in the words of the catalog.
CREATE FUNCTION made(customers regclass) RETURNS SETOF text
LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH made AS (
        SELECT c.*, n.nspname || '.' AS prefix
        FROM pg_class t JOIN pg_class c USING (relnamespace) JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE t.oid = customers AND c.relkind IN ('r', 'p')
          AND (c.oid = t.oid OR c.relname ~ '^contact_(methods|preferences|history)$')
    )
    SELECT replace(line, prefix, '') FROM (
        SELECT relname, 1, prefix, concat_ws(' ', relname, nullif(relowner, session_user::regrole)::regrole,
               reloptions::text, CASE WHEN relrowsecurity THEN 'rls' END,
               CASE WHEN relpersistence = 'u' THEN 'unlogged' END, obj_description(oid, 'pg_class'))
        FROM made
        UNION ALL
        SELECT relname, 2 + attnum, prefix, concat_ws(' ', ' ', attname, format_type(atttypid, atttypmod),
               CASE WHEN attcollation <> (SELECT typcollation FROM pg_type WHERE oid = atttypid)
                    THEN 'collate ' || (SELECT collname FROM pg_collation WHERE oid = attcollation) END,
               CASE WHEN attnotnull THEN 'not null' END, 'default ' || pg_get_expr(adbin, adrelid))
        FROM made JOIN pg_attribute ON attrelid = made.oid AND attnum > 0 AND NOT attisdropped
             LEFT JOIN pg_attrdef ON (adrelid, adnum) = (attrelid, attnum)
        UNION ALL
        SELECT relname, 3000, prefix, concat_ws(' ', ' ', conname, pg_get_constraintdef(c.oid))
        -- Since 18 NOT NULLs are there as well, which are told with the columns.
        FROM made JOIN pg_constraint c ON conrelid = made.oid AND contype <> 'n'
        UNION ALL
        SELECT relname, 4000, prefix, '  ' || pg_get_indexdef(indexrelid) FROM made JOIN pg_index ON indrelid = made.oid
        UNION ALL
        SELECT relname, 5000, prefix, '  ' || pg_get_triggerdef(t.oid)
        FROM made JOIN pg_trigger t ON tgrelid = made.oid AND NOT tgisinternal
        UNION ALL
        SELECT relname, 6000, prefix, '  policy ' || polname FROM made JOIN pg_policy ON polrelid = made.oid
    ) AS line(relname, place, prefix, line) ORDER BY relname = 'customers' DESC, relname, place, line COLLATE "C"
$$;

--
-- A legacy database
--
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all
CREATE TEMPORARY TABLE before AS SELECT 'methods' AS t, to_jsonb(m) AS r FROM contact_methods m
    UNION ALL SELECT 'preferences', to_jsonb(p) FROM contact_preferences p
    UNION ALL SELECT 'history', to_jsonb(h) FROM contact_history h
    UNION ALL SELECT 'customers', to_jsonb(c) FROM customers c;
SELECT * FROM contact_sync.attach('customers');
SELECT count(*) FROM contact_sync.attach('customers');
-- Every row is what it was.
SELECT count(*) > 0 AS rows FROM before;
(SELECT 'methods' AS t, to_jsonb(m) AS r FROM contact_methods m
    UNION ALL SELECT 'preferences', to_jsonb(p) FROM contact_preferences p
    UNION ALL SELECT 'history', to_jsonb(h) FROM contact_history h
    UNION ALL SELECT 'customers', to_jsonb(c) FROM customers c) EXCEPT SELECT * FROM before;
SELECT count(*) = (SELECT count(*) FROM before WHERE t = 'methods') AS same FROM contact_methods;

-- attach runs exactly the fixes that verify reports: whoever runs them by hand, in order and one by one, has the same.
CREATE TEMPORARY TABLE attached AS SELECT made('customers');
CREATE SCHEMA regress_attach_2;
SET search_path = regress_attach_2;
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all
SET search_path = '';
\set ECHO none
SELECT fix FROM contact_sync.verify('regress_attach_2.customers') WHERE status = 'fix' \gexec
\set ECHO all
SELECT count(*) FROM contact_sync.verify('regress_attach_2.customers') WHERE status IN ('fix', 'blocked');
(SELECT * FROM regress_attach.made('regress_attach_2.customers') EXCEPT SELECT * FROM pg_temp.attached)
UNION ALL
(SELECT * FROM pg_temp.attached EXCEPT SELECT * FROM regress_attach.made('regress_attach_2.customers'));

-- The extension goes, with its triggers and functions; no row, key, policy or table goes with it.
BEGIN;
DROP EXTENSION contact_sync CASCADE;
SELECT * FROM pg_temp.attached EXCEPT SELECT * FROM regress_attach.made('regress_attach.customers');
SELECT count(*) = (SELECT count(*) FROM pg_temp.before WHERE t = 'methods') AS same FROM regress_attach.contact_methods;
ROLLBACK;
DROP SCHEMA regress_attach_2 CASCADE;

-- A database without contact tables
CREATE SCHEMA regress_attach_2;
SET search_path = regress_attach_2, regress_attach;
CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(15));
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM made('customers');
SELECT status, check_name, object, problem FROM contact_sync.verify('customers')
    WHERE status <> 'ok' AND check_name <> 'legacy_function';
SELECT count(*) FROM contact_sync.attach('customers');
DROP SCHEMA regress_attach_2 CASCADE;

--
-- All or nothing
--
CREATE SCHEMA regress_attach_2;
SET search_path = regress_attach_2, regress_attach;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE VIEW contact_history AS SELECT 1 AS one;
CREATE TABLE contact_methods (customer_id text, method_type text, phone_number text);
SELECT * FROM contact_sync.attach('customers');
SELECT * FROM contact_sync.attach(NULL);
SELECT * FROM contact_sync.attach('customers', rls => 'none');
DROP VIEW contact_history;
DROP TABLE contact_methods;
-- Nor does it run where it could not see what others did before it had its locks.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM contact_sync.attach('regress_attach_2.customers');
ROLLBACK;
-- A fix that fails takes everything with it.
CREATE DOMAIN contact_methods AS text;      -- its name is in the table's way
SELECT * FROM contact_sync.attach('customers');
SELECT * FROM made('customers');
DROP SCHEMA regress_attach_2 CASCADE;

--
-- Whose tables
--
-- What a superuser attaches belongs to the owner of customers.
CREATE SCHEMA regress_attach_2;
SET search_path = regress_attach_2, regress_attach;
GRANT USAGE ON SCHEMA regress_attach TO PUBLIC;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
ALTER TABLE customers OWNER TO regress_contact_owner;
-- attach works as the owner, whoever calls it. What the owner lacks is blocked, with the SQL for who may give it; but
-- EXECUTE on the trigger functions is granted in the caller's name.
SELECT check_name, fix FROM contact_sync.verify('customers') WHERE status = 'blocked';
SELECT fix FROM contact_sync.verify('customers') WHERE status = 'blocked' \gexec
SELECT check_name, status, fix FROM contact_sync.verify('customers')
    WHERE status = 'blocked' OR check_name IN ('execute', 'usage');
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM made('customers') WHERE made NOT LIKE ' %';
SELECT count(*) FROM contact_sync.attach('customers');
-- The owner's rights reach the extension's schema, even where PUBLIC's do not.
REVOKE USAGE ON SCHEMA contact_sync FROM PUBLIC;
INSERT INTO customers VALUES (1, '0700', '0800');
SELECT status, problem, fix FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
SELECT fix FROM contact_sync.verify('customers') WHERE status = 'blocked' \gexec
SELECT fix FROM contact_sync.attach('customers');
UPDATE customers SET phone = '0701', whatsapp = '0801';
SELECT method_type, phone_number FROM contact_methods ORDER BY 1;
DELETE FROM contact_sync.failures;
REVOKE USAGE ON SCHEMA contact_sync FROM regress_contact_owner;
GRANT USAGE ON SCHEMA contact_sync TO PUBLIC;
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
-- The owner needs EXECUTE on the trigger functions, and a schema to create tables in.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
ALTER TABLE customers OWNER TO regress_contact_owner;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_contact_owner;
REVOKE CREATE ON SCHEMA regress_attach_2 FROM regress_contact_owner;
GRANT USAGE ON SCHEMA regress_attach_2 TO regress_contact_owner, regress_contact_other;
SET ROLE regress_contact_owner;
SELECT * FROM contact_sync.attach('customers');
RESET ROLE;
GRANT CREATE ON SCHEMA regress_attach_2 TO regress_contact_owner;
GRANT EXECUTE ON FUNCTION contact_sync.sync_contact_numbers(), contact_sync.initialize_contact_preferences(),
    contact_sync.update_contact_methods(), contact_sync.touch_updated_at() TO regress_contact_owner;
SET ROLE regress_contact_owner;
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM made('customers') WHERE made NOT LIKE ' %';
SELECT status, check_name, object, problem FROM contact_sync.verify('customers')
    WHERE status <> 'ok' AND check_name <> 'legacy_function';
SET ROLE regress_contact_other;
SELECT * FROM contact_sync.attach('customers');
-- The trigger functions are nobody's but whom they are granted to; neither is what the guard caught.
CREATE TEMPORARY TABLE mine (id bigint, phone text, whatsapp text);
CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
DROP TABLE mine;
SELECT * FROM contact_sync.failures;
SELECT contact_sync.number('1');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION contact_sync.sync_contact_numbers(), contact_sync.initialize_contact_preferences(),
    contact_sync.update_contact_methods(), contact_sync.touch_updated_at() FROM regress_contact_owner;
DROP SCHEMA regress_attach_2 CASCADE;

--
-- Traps in search_path
--
CREATE SCHEMA regress_attach_2;
SET search_path = regress_attach_2;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE FUNCTION format(text, VARIADIC "any") RETURNS text LANGUAGE internal AS 'pg_typeof';
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 1/0; SELECT pg_catalog.now() $$;
CREATE FUNCTION gen_random_uuid() RETURNS pg_catalog.uuid LANGUAGE sql
    AS $$ SELECT 1/0; SELECT NULL::pg_catalog.uuid $$;
CREATE DOMAIN uuid AS pg_catalog.text;
CREATE DOMAIN jsonb AS pg_catalog.text;
CREATE FUNCTION equal(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR = (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = equal);
CREATE VIEW pg_class AS SELECT 1 AS nothing;
CREATE VIEW pg_trigger AS SELECT 1 AS nothing;
SET search_path = regress_attach_2, pg_catalog;
SELECT pg_catalog.count(*) FROM contact_sync.attach('regress_attach_2.customers');
SELECT * FROM regress_attach.made('regress_attach_2.customers')
    WHERE made ~~ '  % uuid %' OR made ~~ '% jsonb %' OR made ~~ '%now()%';
SELECT pg_catalog.pg_get_expr(polqual, polrelid)
       ~~ '%(customers.id OPERATOR(pg_catalog.=) contact_methods.customer_id)%' AS true_equality
FROM pg_policy
WHERE polrelid OPERATOR(pg_catalog.=) 'regress_attach_2.contact_methods'::regclass
  AND polcmd OPERATOR(pg_catalog.=) 'r';
SELECT pg_catalog.count(*) FROM contact_sync.verify('regress_attach_2.customers') WHERE status IN ('fix', 'blocked');
RESET search_path;
DROP SCHEMA regress_attach_2 CASCADE;

--
-- Shapes of customers
--
-- Names that need quotes, columns of other names, all told to the triggers
CREATE SCHEMA "regress Attach's";
CREATE TABLE "regress Attach's"."Our ""Clients""" (
    "Id" integer PRIMARY KEY, gone text, "Phone's no." text, "Wä\" text);
ALTER TABLE "regress Attach's"."Our ""Clients""" DROP COLUMN gone;
SELECT object, fix FROM contact_sync.attach('"regress Attach''s"."Our ""Clients"""', 'Id', 'Phone''s no.', 'Wä\')
    WHERE check_name IN ('foreign_key', 'trigger', 'touch_trigger') OR object LIKE 'policy%methods';
SELECT check_name, object, problem FROM contact_sync.verify('"regress Attach''s"."Our ""Clients"""')
    WHERE status <> 'ok' AND check_name <> 'legacy_function';
SELECT id_column, phone_column, whatsapp_column, arguments
    FROM contact_sync_internal.shape_of('"regress Attach''s"."Our ""Clients"""', NULL, NULL, NULL);
SELECT count(*) FROM contact_sync.attach('"regress Attach''s"."Our ""Clients"""');
SELECT trigger_name FROM contact_sync.detach('"regress Attach''s"."Our ""Clients"""');
DROP SCHEMA "regress Attach's" CASCADE;

-- Types of id: customer_id has the very same
CREATE SCHEMA regress_attach_2;
SET search_path = regress_attach_2, regress_attach;
CREATE DOMAIN key AS varchar(12) COLLATE "C" CHECK (VALUE <> '');
CREATE TABLE customers (id key PRIMARY KEY, phone text, whatsapp text);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM made('customers') WHERE made LIKE '%customer_id %key%';
SELECT count(*) FROM contact_sync.attach('customers');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
CREATE TABLE customers (id varchar(12) COLLATE "POSIX" PRIMARY KEY, phone text, whatsapp text);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM made('customers') WHERE made LIKE '  customer_id %';
SELECT count(*) FROM contact_sync.attach('customers');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

-- Unlogged customers have unlogged contact tables: others could not refer to them.
CREATE UNLOGGED TABLE customers (id uuid PRIMARY KEY, phone text, whatsapp text);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM made('customers') WHERE made NOT LIKE ' %';
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

-- Partitioned: PostgreSQL clones the BEFORE trigger, also to partitions that come later. The AFTER triggers, FOR EACH
-- STATEMENT, are made on each.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text) PARTITION BY RANGE (id);
CREATE TABLE customers_1 PARTITION OF customers FOR VALUES FROM (1) TO (10);
CREATE TRIGGER old AFTER INSERT ON customers_1 FOR EACH ROW EXECUTE FUNCTION regress_attach.update_contact_methods();
CREATE TRIGGER mine AFTER INSERT OR UPDATE ON customers_1
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
SELECT fix FROM contact_sync.attach('customers') WHERE check_name IN ('foreign_key', 'legacy_trigger', 'trigger');
CREATE TABLE customers_2 PARTITION OF customers FOR VALUES FROM (10) TO (20);
SELECT check_name, object, problem FROM contact_sync.verify('customers')
    WHERE status <> 'ok' AND check_name <> 'legacy_function';
ALTER TABLE customers_2 DISABLE TRIGGER trigger_sync_contact_numbers;
SELECT * FROM contact_sync.attach('customers');
SELECT count(*) FROM contact_sync.attach('customers');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

-- Inherited: children need triggers of their own, and no foreign key can refer to their customers.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE customers_child () INHERITS (customers);
CREATE TABLE customers_grandchild () INHERITS (customers_child);
CREATE SCHEMA regress_attach_3;
CREATE TABLE regress_attach_3.customers () INHERITS (customers);
SELECT object, fix FROM contact_sync.attach('customers') WHERE check_name IN ('foreign_key', 'trigger');
SELECT check_name, object, problem, fix FROM contact_sync.verify('customers')
    WHERE status <> 'ok' AND check_name <> 'legacy_function';
CREATE TABLE customers_late () INHERITS (customers);
SELECT object, problem FROM contact_sync.verify('customers') WHERE status = 'fix';
ALTER TABLE contact_methods ADD FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE;
SELECT object, problem, fix FROM contact_sync.verify('customers') WHERE check_name = 'foreign_key';
ALTER TABLE customers_late OWNER TO regress_contact_other;
SELECT object, problem FROM contact_sync.verify('customers') WHERE status = 'blocked';
DROP SCHEMA regress_attach_2, regress_attach_3 CASCADE;

-- Two customers tables in two schemas, each with contact tables of its own
CREATE SCHEMA regress_attach_2;
CREATE TABLE regress_attach_2.customers (id bigint PRIMARY KEY, phone text, whatsapp text);
SET search_path = regress_attach;
SELECT count(*) FROM contact_sync.attach('regress_attach_2.customers');
SELECT check_name, object FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
SELECT conrelid::regclass, confrelid::regclass FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'regress_attach_2'::regnamespace ORDER BY conrelid::regclass::text;
DROP SCHEMA regress_attach_2 CASCADE;

-- clean up
RESET search_path;
DROP SCHEMA regress_attach CASCADE;
DROP ROLE regress_contact_owner, regress_contact_other;
