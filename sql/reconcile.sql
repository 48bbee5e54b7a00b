--
-- reconcile: mends what drift names, and touches nothing else.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\pset format unaligned
\pset footer off
\pset null (null)
\set SHOW_CONTEXT never
-- How many contact rows there are, and how many differences.
\set written '(SELECT count(*) FROM contact_methods) + (SELECT count(*) FROM contact_preferences)'
\set keys 'SELECT ' :written ' AS rows, count(customer) AS drift FROM contact_sync.drift(\'keyed\', \'Id\');'
-- What was recorded, and then forgotten.
\set caught 'WITH caught AS (DELETE FROM contact_sync.failures RETURNING *) SELECT customer, function, times, sqlstate, message FROM caught ORDER BY customer, function;'

CREATE ROLE regress_contact_owner;
CREATE ROLE regress_contact_other;
CREATE SCHEMA regress_reconcile;
SET search_path = regress_reconcile;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_preferences (customer_id int UNIQUE REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    preferred_method text DEFAULT 'whatsapp');
CREATE TABLE contact_methods (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    method_type varchar(20) NOT NULL,
    phone_number varchar(12) NOT NULL,
    is_available boolean DEFAULT true,
    is_preferred boolean DEFAULT false,
    last_verified timestamptz,
    verification_status varchar(20) DEFAULT 'unknown',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (customer_id, method_type)
);
CREATE VIEW methods AS
    SELECT customer_id AS customer, method_type AS method, phone_number AS number, is_preferred AS preferred
    FROM contact_methods ORDER BY customer_id, method_type;
CREATE VIEW drift AS SELECT * FROM contact_sync.drift('customers')
    ORDER BY customer COLLATE "C", kind COLLATE "C", method COLLATE "C";
-- What became of each row since remember(): 'not touched' means that it is the same version, xmin and all.
CREATE TABLE remembered AS SELECT xmin::text AS version, * FROM contact_methods;
CREATE PROCEDURE remember() LANGUAGE sql AS $$
    DELETE FROM remembered;
    INSERT INTO remembered SELECT xmin::text, * FROM contact_methods;
$$;
CREATE VIEW since AS
    SELECT coalesce(m.customer_id, r.customer_id) AS customer, coalesce(m.method_type, r.method_type) AS method,
           m.phone_number AS number,
           CASE WHEN r.id IS NULL THEN 'inserted' WHEN m.id IS NULL THEN 'deleted'
                WHEN m.xmin::text = r.version THEN 'not touched' ELSE 'updated' END AS became,
           m.is_available AS available, m.is_preferred AS preferred, m.last_verified IS NOT NULL AS verified,
           m.verification_status AS status, m.created_at = r.created_at AS same_age,
           m.updated_at > r.updated_at AS later
    FROM contact_methods m FULL JOIN remembered r USING (id) ORDER BY 1, 2;

--
-- From nothing
--
INSERT INTO customers SELECT i, '070' || i, CASE WHEN i <= 3 THEN '080' || i END FROM generate_series(1, 5) AS i;
SELECT kind, count(*) FROM drift GROUP BY kind ORDER BY kind;
-- Batches of two customers.
CALL contact_sync.reconcile('customers', 2);
SELECT * FROM drift;
SELECT * FROM methods;
SELECT * FROM contact_preferences ORDER BY customer_id;
-- A second run finds nothing to do, and touches nothing: it locks no customer either.
CALL remember();
CREATE TEMPORARY TABLE locks AS SELECT id, xmax::text AS locker FROM customers;
CALL contact_sync.reconcile('customers', 2);
SELECT count(*) FROM since WHERE became <> 'not touched';
SELECT count(*) FROM customers c JOIN locks l ON l.id = c.id WHERE c.xmax::text <> l.locker;

--
-- What becomes of a row, by the rules of update_contact_methods
--
-- An app has verified all methods.  Customer 1's phone is another, 2 has no whatsapp any more, 3 lost the preferences,
-- 4 has a whatsapp now and prefers sms, 5 lost a method and prefers phone calls.
UPDATE contact_methods SET last_verified = '2024-05-01', verification_status = 'verified', is_available = false,
    created_at = '2024-01-01', updated_at = '2024-01-01';
UPDATE customers SET phone = ' 0711' WHERE id = 1;
UPDATE customers SET whatsapp = ' ' WHERE id = 2;
DELETE FROM contact_preferences WHERE customer_id = 3;
UPDATE customers SET whatsapp = '0804' WHERE id = 4;
UPDATE contact_preferences SET preferred_method = 'sms' WHERE customer_id = 4;
DELETE FROM contact_methods WHERE customer_id = 5 AND method_type = 'phone_call';
UPDATE contact_preferences SET preferred_method = 'phone_call' WHERE customer_id = 5;
CALL remember();
SELECT * FROM drift;
CALL contact_sync.reconcile('customers', 2);
SELECT * FROM since;
SELECT * FROM drift;

--
-- Rows that cannot be mended are recorded and counted; the others of their batch are mended all the same.
--
-- A number too long for phone_number; a CHECK; a trigger that raises; one that raises on the preferences.
ALTER TABLE contact_methods ADD CHECK (phone_number <> '0999');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.customer_id = TG_ARGV[0]::int THEN
        RAISE 'customer % is refused', NEW.customer_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION refuse(3);
CREATE TRIGGER refuse BEFORE INSERT ON contact_preferences FOR EACH ROW EXECUTE FUNCTION refuse(8);
UPDATE customers SET phone = '0712345678901' WHERE id = 1;
UPDATE customers SET phone = '0999' WHERE id = 2;
UPDATE customers SET phone = '0713' WHERE id IN (3, 4, 5);
INSERT INTO customers VALUES (6, '0706', '0801234567890'), (7, NULL, '0807'), (8, '0708', NULL);
CALL contact_sync.reconcile('customers');
SELECT * FROM drift;
SELECT customer, function, times, sqlstate, message FROM contact_sync.failures ORDER BY customer, function;
-- The same again counts up times.
SET client_min_messages = error;
CALL contact_sync.reconcile('customers', 1);
RESET client_min_messages;
SELECT customer, times FROM contact_sync.failures ORDER BY customer, function;
-- What is mended waits no longer; nor does what is gone.
UPDATE customers SET phone = '0711' WHERE id = 1;
DELETE FROM customers WHERE id = 2;
DROP TRIGGER refuse ON contact_methods;
CALL contact_sync.reconcile('customers');
SELECT * FROM drift;
DROP TRIGGER refuse ON contact_preferences;
UPDATE customers SET whatsapp = '0806' WHERE id = 6;
CALL contact_sync.reconcile('customers');
SELECT * FROM drift;
:caught

-- Nor do errors wait until COMMIT, where nothing would catch them.
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON contact_methods DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse(3);
DELETE FROM contact_methods WHERE customer_id IN (3, 4);
CALL contact_sync.reconcile('customers');
SELECT customer, kind, method FROM drift;
DROP TRIGGER refuse ON contact_methods;
CALL contact_sync.reconcile('customers');
:caught

-- A failure of sync_contact_numbers is past where both numbers are there, or neither is, or the customer is gone.
INSERT INTO contact_sync.failures
    SELECT 'regress_reconcile.customers', customer, 'sync_contact_numbers', now(), now(), 1, '22001', 'too long'
    FROM unnest(ARRAY['1', '7', '8', '99', '(unknown)']) AS customer;
UPDATE customers SET phone = '' WHERE id = 8;
-- Those of another table are not its business.
CREATE TABLE other ();
INSERT INTO contact_sync.failures
    SELECT 'regress_reconcile.other', '1', 'update_contact_methods', now(), now(), 1, '22001', 'too long';
SELECT id, phone, whatsapp FROM customers WHERE id IN (1, 7, 8) ORDER BY id;
CALL contact_sync.reconcile('customers');
:caught

-- An error of any kind is the failure of one customer, and the others are repaired; once its cause is corrected, so is he.
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM no_such_function(); RETURN NEW; END $$;
CREATE TRIGGER fail BEFORE INSERT ON contact_methods FOR EACH ROW WHEN (NEW.customer_id = 5) EXECUTE FUNCTION fail();
DELETE FROM contact_methods;
CALL contact_sync.reconcile('customers', 2);
SELECT DISTINCT customer FROM drift ORDER BY customer;
SELECT customer, function, times, sqlstate, message FROM contact_sync.failures;
DROP TRIGGER fail ON contact_methods;
CALL contact_sync.reconcile('customers', 2);
SELECT * FROM drift;
:caught
-- So is a failed assertion, or a column whose type does not accept the value that is computed for it.
CREATE FUNCTION assert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ASSERT NEW.customer_id <> 5; RETURN NEW; END $$;
CREATE TRIGGER assert BEFORE INSERT ON contact_methods FOR EACH ROW EXECUTE FUNCTION assert();
DELETE FROM contact_methods;
CALL contact_sync.reconcile('customers');
SELECT DISTINCT customer FROM drift ORDER BY customer;
DROP TRIGGER assert ON contact_methods;
CALL contact_sync.reconcile('customers');
SELECT count(*) FROM contact_sync.failures;
ALTER TABLE contact_methods
    ADD COLUMN number bigint GENERATED ALWAYS AS (CASE WHEN phone_number ~ '^7' THEN phone_number::bigint END) STORED;
UPDATE customers SET phone = CASE id WHEN 3 THEN '7 o''clock' WHEN 4 THEN '0714' END WHERE id IN (3, 4);
CALL contact_sync.reconcile('customers');
SELECT customer, kind, method FROM drift;
:caught
ALTER TABLE contact_methods DROP COLUMN number;
CALL contact_sync.reconcile('customers');
SELECT * FROM drift;
-- An error that is the server's, or the transaction's, ends the run; what is committed stays.
CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'disk full' USING ERRCODE = 'disk_full';
END $$;
CREATE TRIGGER fail BEFORE INSERT ON contact_methods FOR EACH ROW WHEN (NEW.customer_id = 5) EXECUTE FUNCTION fail();
DELETE FROM contact_methods;
CALL contact_sync.reconcile('customers', 2);
SELECT DISTINCT customer FROM drift ORDER BY customer;
:caught
-- The next run goes on from there.
DROP TRIGGER fail ON contact_methods;
CALL contact_sync.reconcile('customers', 2);
SELECT * FROM drift;

-- Customers who fail are found by trying fewer at a time, in transactions of at most 20 attempts: so there is progress to
-- report, and locks are held for a short time, whatever fails.
BEGIN;
ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number !~ 'bad');
INSERT INTO customers SELECT i, 'bad ' || i, NULL FROM generate_series(101, 200) AS i;
INSERT INTO customers SELECT i, CASE i % 10 WHEN 0 THEN 'bad ' ELSE '07' END || i, NULL FROM generate_series(201, 300) AS i;
COMMIT;
SET client_min_messages = error;
CALL contact_sync.reconcile('customers');
RESET client_min_messages;
SELECT count(DISTINCT customer) FROM drift;
SELECT count(*) AS failures, count(DISTINCT xmin::text) >= 110 / 20 AS some_transactions,
       max(failures) <= 20 AS at_most_twenty
    FROM (SELECT xmin, count(*) OVER (PARTITION BY xmin::text) AS failures FROM contact_sync.failures) AS f;
-- How many were tried at a time is no matter afterwards.
UPDATE customers SET phone = '07' || id WHERE id > 100;
ALTER TABLE contact_methods DROP CONSTRAINT good;
CALL contact_sync.reconcile('customers');
SELECT * FROM drift;
DELETE FROM customers WHERE id > 100;
SELECT contact_sync_internal.progress(0, 1000, now()) ~ '^0 of about 1000 customers done, 0 a second, unknown seconds left$'
    AS nothing_done_yet;

--
-- Constraints that are not valid yet are validated; orphans are left alone and counted.
--
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey;
INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (99, 'sms', '0799');
CALL contact_sync.reconcile('customers');
ALTER TABLE contact_methods ADD FOREIGN KEY (customer_id) REFERENCES customers
    ON DELETE CASCADE ON UPDATE CASCADE NOT VALID;
ALTER TABLE contact_methods ADD CHECK (phone_number <> '') NOT VALID;
CALL contact_sync.reconcile('customers');
SELECT conname, convalidated FROM pg_constraint
    WHERE conrelid = 'contact_methods'::regclass AND contype IN ('c', 'f') ORDER BY conname;
DELETE FROM contact_methods WHERE customer_id = 99;
CALL contact_sync.reconcile('customers');
SELECT count(*) FROM pg_constraint WHERE conrelid = 'contact_methods'::regclass AND NOT convalidated;

--
-- Every key
--
CREATE PROCEDURE create_tables(type text) LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE contact_methods, contact_preferences CASCADE;
    EXECUTE format('CREATE TABLE contact_preferences (customer_id %s UNIQUE, preferred_method text)', type);
    EXECUTE format('CREATE TABLE contact_methods (customer_id %s, method_type text, phone_number text, '
                   'UNIQUE (customer_id, method_type))', type);
    EXECUTE format('CREATE TABLE keyed ("Id" %s PRIMARY KEY, phone text, whatsapp text)', type);
END $$;
CREATE DOMAIN shop_key AS varchar(20) CHECK (VALUE LIKE 'shop %');
CREATE TYPE pair AS (shop int, nr int);
-- Three customers in batches of two, for each type: what reconcile wrote is all there is.
SET client_min_messages = warning;
CALL create_tables('uuid');
INSERT INTO keyed SELECT gen_random_uuid(), '0701', '0801' FROM generate_series(1, 3);
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
CALL create_tables('text COLLATE "C"');
INSERT INTO keyed VALUES ('A', '1', '2'), ('a''b "c\', '1', '2'), ('{x,y}', '1', '2');
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
CALL create_tables('char(4)');
INSERT INTO keyed VALUES ('A', '1', '2'), ('B', '1', '2'), ('C', '1', '2');
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
CALL create_tables('shop_key');
INSERT INTO keyed VALUES ('shop 1', '1', '2'), ('shop 2', '1', '2'), ('shop 3', '1', '2');
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
CALL create_tables('int[]');
INSERT INTO keyed VALUES ('{1,1}', '1', '2'), ('{1}', '1', '2'), ('{1,2}', '1', '2');
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
CALL create_tables('pair');
INSERT INTO keyed VALUES ('(1,1)', '1', '2'), ('(1,2)', '1', '2'), ('(2,1)', '1', '2');
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
-- Customers in partitions and inheritance children; the same id in two of them is no endless loop.
CALL create_tables('int');
DROP TABLE keyed;
CREATE TABLE keyed ("Id" int PRIMARY KEY, phone text, whatsapp text) PARTITION BY HASH ("Id");
CREATE TABLE keyed_0 PARTITION OF keyed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE keyed_1 PARTITION OF keyed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO keyed SELECT i, '1', '2' FROM generate_series(1, 5) AS i;
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
DROP TABLE keyed;
DELETE FROM contact_methods;
DELETE FROM contact_preferences;
CREATE TABLE keyed ("Id" int PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE keyed_child () INHERITS (keyed);
INSERT INTO keyed SELECT i, '1', '2' FROM generate_series(1, 3) AS i;
INSERT INTO keyed_child SELECT i, '1', '2' FROM generate_series(4, 6) AS i;
CALL contact_sync.reconcile('keyed', 2, 'Id');
:keys
-- A missing column is not an empty number; contact tables with the columns needed alone.
ALTER TABLE keyed DROP COLUMN whatsapp;
UPDATE keyed SET phone = CASE "Id" WHEN 1 THEN '3' END WHERE "Id" < 3;
ALTER TABLE contact_preferences DROP COLUMN preferred_method;
CALL contact_sync.reconcile('keyed', 2, 'Id');
SELECT customer_id, method_type, phone_number FROM contact_methods WHERE customer_id < 3 ORDER BY 1, 2;
-- Names of any kind.
CREATE SCHEMA "regress_reconcile %1$s ""100%""";
SET search_path = "regress_reconcile %1$s ""100%""", regress_reconcile;
CREATE TYPE "the %s" AS ENUM ('whatsapp', 'sms', 'phone_call');
CREATE TABLE contact_preferences (customer_id int UNIQUE, preferred_method "the %s" DEFAULT 'sms');
CREATE TABLE contact_methods (customer_id int, method_type "the %s", phone_number varchar(4), is_preferred boolean,
    UNIQUE (customer_id, method_type));
CREATE TABLE "100% ""customers""" ("the %I" int PRIMARY KEY, phone text, "W %L" text);
INSERT INTO "100% ""customers""" VALUES (1, '0701', '0801'), (2, '0702', '080200');
INSERT INTO contact_methods VALUES (3, 'sms', '0703');
ALTER TABLE contact_methods ADD CONSTRAINT "100% ""good""" CHECK (phone_number <> '0703') NOT VALID;
CALL contact_sync.reconcile('"100% ""customers"""', 10, 'the %I', 'phone', 'W %L');
SELECT * FROM contact_methods ORDER BY customer_id, method_type;
SELECT * FROM contact_sync.drift('"100% ""customers"""', 'the %I', 'phone', 'W %L');
:caught
DROP SCHEMA "regress_reconcile %1$s ""100%""" CASCADE;
SET search_path = regress_reconcile;
RESET client_min_messages;

--
-- Numbers are compared bit by bit, whatever the collations of the columns.
--
CREATE SCHEMA regress_reconcile_collations;
SET search_path = regress_reconcile_collations;
SET client_min_messages = error;
DO $$
BEGIN
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false);
EXCEPTION WHEN OTHERS THEN                  -- no ICU: the same results are expected of any other
    CREATE COLLATION loose FROM "POSIX";
END $$;
CREATE TABLE customers (id int PRIMARY KEY, phone text COLLATE "POSIX", whatsapp text COLLATE loose);
CREATE TABLE contact_preferences (customer_id int UNIQUE, preferred_method text COLLATE loose DEFAULT 'sms');
CREATE TABLE contact_methods (customer_id int, method_type text COLLATE "POSIX", phone_number text COLLATE loose,
    is_preferred boolean, UNIQUE (customer_id, method_type));
INSERT INTO customers VALUES (1, '0701', '0801'), (2, '0702', NULL);
CALL contact_sync.reconcile('customers');
UPDATE customers SET phone = '07-01', whatsapp = '08-01' WHERE id = 1;
INSERT INTO contact_methods VALUES (2, 'whatsapp', '0802');
RESET client_min_messages;
CALL contact_sync.reconcile('customers');
SELECT * FROM contact_methods ORDER BY customer_id, method_type COLLATE "C";
SELECT status FROM contact_sync.verify('customers') WHERE check_name = 'unwanted_methods';
-- The phone of one collation, the contact methods of another, the whatsapp of a third
ALTER TABLE customers ALTER phone TYPE text COLLATE loose, ALTER whatsapp TYPE text COLLATE "POSIX";
ALTER TABLE contact_methods ALTER phone_number TYPE text COLLATE "C", ALTER method_type TYPE text COLLATE "C";
UPDATE customers SET phone = '0701', whatsapp = '0801' WHERE id = 1;
CALL contact_sync.reconcile('customers');
SELECT * FROM contact_methods ORDER BY customer_id, method_type COLLATE "C";
SELECT count(*) FROM contact_sync.drift('customers');
SET client_min_messages = warning;
DROP SCHEMA regress_reconcile_collations CASCADE;
SET search_path = regress_reconcile;
RESET client_min_messages;

--
-- Each customer's rows are looked up by their index, whatever the statistics make believe.
--
CREATE SCHEMA regress_reconcile_many;
SET search_path = regress_reconcile_many, regress_reconcile;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_preferences (customer_id int UNIQUE, preferred_method text DEFAULT 'sms');
CREATE TABLE contact_methods (customer_id int, method_type text, phone_number text, UNIQUE (customer_id, method_type));
-- Once there was one customer, with a thousand rows; now there are a thousand.
INSERT INTO contact_methods SELECT 1, 'method ' || i, '1' FROM generate_series(1, 1000) AS i;
ANALYZE contact_methods;
DELETE FROM contact_methods;
INSERT INTO customers SELECT i, '1', '2' FROM generate_series(1, 1000) AS i;
INSERT INTO contact_methods
    SELECT i, method, '0' FROM generate_series(1, 1000) AS i, unnest('{sms,whatsapp}'::text[]) AS method;
CREATE VIEW rows_read AS
    SELECT sum(seq_tup_read + idx_tup_fetch) AS number FROM pg_stat_user_tables
    WHERE schemaname = 'regress_reconcile_many';
SELECT pg_stat_force_next_flush();
SELECT number AS before FROM rows_read \gset
SET client_min_messages = warning; -- how long it takes is no matter
CALL contact_sync.reconcile('customers', 50);
RESET client_min_messages;
SELECT pg_stat_force_next_flush();
SELECT number - :before BETWEEN 4 * 1000 AND 25 * 1000 AS "a few for each" FROM rows_read;
SELECT count(*) FROM contact_sync.drift('customers');
SET search_path = regress_reconcile;

--
-- Triggers of contact tables find names in the schema of customers, and the caller's search_path is what it was.
--
CREATE TABLE seen (path text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen VALUES (current_setting('search_path')); RETURN NEW; END $$;
CREATE TRIGGER see BEFORE INSERT ON contact_methods FOR EACH STATEMENT EXECUTE FUNCTION see();
DELETE FROM contact_methods WHERE customer_id = 6;
SET search_path = public;
CALL contact_sync.reconcile('regress_reconcile.keyed', id_column => 'Id');
SHOW search_path;
SET search_path = regress_reconcile;
SELECT DISTINCT path FROM seen;
-- Nothing of the caller's search_path is used: not even an operator.
CREATE SCHEMA regress_reconcile_trap;
CREATE FUNCTION regress_reconcile_trap.trap(bigint, bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION regress_reconcile_trap.trap(text, text) RETURNS boolean
    LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR regress_reconcile_trap.+ (LEFTARG = bigint, RIGHTARG = bigint, FUNCTION = regress_reconcile_trap.trap);
CREATE OPERATOR regress_reconcile_trap.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_reconcile_trap.trap);
CREATE OPERATOR regress_reconcile_trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = regress_reconcile_trap.trap);
DELETE FROM contact_methods WHERE customer_id = 6;
SET search_path = regress_reconcile_trap, pg_catalog;
SELECT 1::bigint + 1::bigint;
CALL contact_sync.reconcile('regress_reconcile.keyed', id_column => 'Id');
SELECT count(*) FROM contact_sync.drift('regress_reconcile.keyed', 'Id');
SET search_path = regress_reconcile;

--
-- Whose rights
--
-- The owner of the tables needs no rights on failures: the extension's owner keeps them.
DROP TABLE keyed, keyed_child CASCADE;
DELETE FROM contact_methods;
DELETE FROM contact_preferences;
DROP TRIGGER see ON contact_methods;
CREATE TABLE keyed ("Id" int PRIMARY KEY, phone text, whatsapp text);
INSERT INTO keyed VALUES (1, '0701', '0801'), (2, '0999', NULL);
ALTER TABLE contact_methods ADD CHECK (phone_number <> '0999');
CREATE TRIGGER update_methods AFTER INSERT ON keyed
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('Id');
GRANT USAGE ON SCHEMA regress_reconcile TO regress_contact_owner, regress_contact_other;
ALTER TABLE keyed OWNER TO regress_contact_owner;
ALTER TABLE contact_methods OWNER TO regress_contact_owner;
ALTER TABLE contact_preferences OWNER TO regress_contact_owner;
SET SESSION AUTHORIZATION regress_contact_owner;
CALL contact_sync.reconcile('keyed', id_column => 'Id');
SELECT * FROM contact_sync.failures;
-- Nor do policies hide rows from it, forced though they are.
ALTER TABLE keyed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DELETE FROM contact_methods;
CALL contact_sync.reconcile('keyed', id_column => 'Id');
ALTER TABLE keyed DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
-- Who is no member of the owner may neither mend nor tend to failures.
SET SESSION AUTHORIZATION regress_contact_other;
\set VERBOSITY terse
CALL contact_sync.reconcile('keyed', id_column => 'Id');
SELECT * FROM contact_sync_internal.waiting_failures('keyed');
SELECT * FROM contact_sync_internal.record_failure('keyed', '1', 'update_contact_methods', '22001', 'planted');
SELECT * FROM contact_sync_internal.forget_failures('keyed', '{regress_reconcile.keyed}', '{2}', '{update_contact_methods}', '{2}');
SELECT * FROM contact_sync_internal.waiting_failures_as_keeper('keyed');
SELECT * FROM contact_sync_internal.waiting_failures(NULL);
-- Nor may it by a table of its own, a temporary one for example.
CREATE TEMPORARY TABLE keyed (id int, phone text, whatsapp text);
SELECT * FROM contact_sync_internal.waiting_failures('pg_temp.keyed');
SELECT * FROM contact_sync_internal.record_failure('pg_temp.keyed', '1', 'update_contact_methods', '22001', 'planted');
SELECT * FROM contact_sync_internal.forget_failures(
    'pg_temp.keyed', '{regress_reconcile.keyed}', '{2}', '{update_contact_methods}', '{2}');
DROP TABLE pg_temp.keyed;
\set VERBOSITY default
RESET SESSION AUTHORIZATION;
-- The owner may, for this table and no other; whoever is logged in, the current user decides.
SET ROLE regress_contact_owner;
SELECT * FROM contact_sync_internal.waiting_failures('keyed');
\set VERBOSITY terse
SELECT * FROM contact_sync_internal.record_failure('customers', '1', 'update_contact_methods', '22001', 'planted');
SELECT * FROM contact_sync_internal.forget_failures('customers', '{regress_reconcile.keyed}', '{2}', '{update_contact_methods}', '{2}');
\set VERBOSITY default
RESET ROLE;
:caught
-- What runs of the owner's code when a superuser calls it has the owner's rights, and cannot get others: triggers of
-- contact tables, the checks of the id's domain (each statement casts to it), constraints that are validated.
CREATE SCHEMA regress_reconcile_owned AUTHORIZATION regress_contact_owner;
GRANT USAGE ON SCHEMA regress_reconcile_owned TO regress_contact_other;
SET SESSION AUTHORIZATION regress_contact_owner;
SET search_path = regress_reconcile_owned;
CREATE TABLE ran (what text, as_whom name, path text);
CREATE FUNCTION run(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_reconcile_owned.ran VALUES (what, current_user, current_setting('search_path'));
    RETURN true;
END $$;
CREATE FUNCTION run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM run('trigger of ' || TG_TABLE_NAME);
    BEGIN
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
        PERFORM run(SQLERRM);
    END;
    RETURN NEW;
END $$;
CREATE DOMAIN key AS int CHECK (run('domain'));
CREATE TABLE customers (id key PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_preferences (customer_id key UNIQUE);
CREATE TABLE contact_methods (customer_id key, method_type text, phone_number text, UNIQUE (customer_id, method_type));
INSERT INTO customers VALUES (1, '0701', '0801'), (2, '0702', NULL);
INSERT INTO contact_preferences VALUES (1);
ALTER TABLE contact_methods ADD CHECK (run('constraint')) NOT VALID;
CREATE TRIGGER run BEFORE INSERT ON contact_preferences FOR EACH STATEMENT EXECUTE FUNCTION run();
CREATE TRIGGER run BEFORE INSERT ON contact_methods FOR EACH STATEMENT EXECUTE FUNCTION run();
TRUNCATE ran;
RESET SESSION AUTHORIZATION;
SET search_path = public;
CALL contact_sync.reconcile('regress_reconcile_owned.customers', 1);
SELECT DISTINCT what, as_whom, path FROM regress_reconcile_owned.ran ORDER BY what;
SELECT current_user = session_user AS itself, current_setting('search_path') AS path;
-- Nor can it put anything off until those rights are back.
SET SESSION AUTHORIZATION regress_contact_owner;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON regress_reconcile_owned.contact_methods
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION regress_reconcile_owned.run();
RESET SESSION AUTHORIZATION;
DELETE FROM regress_reconcile_owned.contact_methods;
TRUNCATE regress_reconcile_owned.ran;
CALL contact_sync.reconcile('regress_reconcile_owned.customers', 1);
SELECT what, as_whom, count(*) FROM regress_reconcile_owned.ran WHERE what LIKE 'trigger%' GROUP BY 1, 2 ORDER BY 1;
CREATE OR REPLACE FUNCTION regress_reconcile_owned.run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    RETURN NEW;
END $$;
DELETE FROM regress_reconcile_owned.contact_methods;
CALL contact_sync.reconcile('regress_reconcile_owned.customers', 1);
-- What it calls runs as the owner or not at all; and its statements reach no table but those of roles with the rights
-- that they run with.
\set VERBOSITY terse
SELECT * FROM contact_sync_internal.begin_reconcile_as_owner('regress_reconcile_owned.customers', NULL, NULL, NULL, NULL);
SELECT * FROM contact_sync_internal.query('SELECT count(*) FROM regress_reconcile_owned.customers') AS r(rows bigint);
SET SESSION AUTHORIZATION regress_contact_owner;
SELECT * FROM contact_sync_internal.query(
    'SELECT current_user, max(id) FROM regress_reconcile_owned.customers WHERE id::text = ANY ($1)', '{1,2,5}')
    AS r(who name, id int);
SELECT * FROM contact_sync_internal.query('SELECT 1') AS r(one bigint);
SELECT * FROM contact_sync_internal.write('DELETE FROM regress_reconcile_owned.customers WHERE false RETURNING 1') AS r(one int);
SELECT * FROM contact_sync_internal.query('COMMIT') AS r(nothing int);
SELECT * FROM contact_sync_internal.query('') AS r(nothing int);
SELECT * FROM contact_sync_internal.query('SELECT 1; SELECT 2') AS r(nothing int);
SELECT * FROM contact_sync_internal.query(NULL) AS r(nothing int);
RESET SESSION AUTHORIZATION;
\set VERBOSITY default
SELECT current_user = session_user AS itself, current_setting('search_path') AS path;
SET search_path = regress_reconcile;
-- A table of another owner is not written, nor one with code of others.
ALTER TABLE contact_methods OWNER TO regress_contact_other;
\set VERBOSITY terse
CALL contact_sync.reconcile('keyed', id_column => 'Id');
\set VERBOSITY default
ALTER TABLE contact_methods OWNER TO regress_contact_owner;
CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'planted'; END $$;
ALTER FUNCTION planted() OWNER TO regress_contact_other;
CREATE TRIGGER planted BEFORE INSERT ON contact_methods FOR EACH ROW EXECUTE FUNCTION planted();
CALL contact_sync.reconcile('keyed', id_column => 'Id');

--
-- How it is called
--
CALL contact_sync.reconcile('customers', 0);
CALL contact_sync.reconcile('customers', NULL);
CALL contact_sync.reconcile(NULL);

--
-- enable says how many customers drifted while the triggers were off, and how to mend it.
--
DROP TABLE customers, keyed, contact_methods, contact_preferences CASCADE;
SET client_min_messages = warning;
\set ECHO none
\i :legacy
\set ECHO all
RESET client_min_messages;
-- On a database that was never attached
SELECT count(*) FROM contact_sync.disable('customers');
INSERT INTO customers (name, phone, whatsapp) VALUES ('one', '0701', '0801'), ('two', '0702', '0802');
SELECT count(*) FROM contact_sync.enable('customers');
CALL contact_sync.reconcile('customers');
SELECT count(*) FROM contact_sync.drift('customers');
-- and without contact tables
SELECT count(*) FROM contact_sync.disable('customers');
ALTER TABLE contact_methods RENAME TO elsewhere;
SELECT count(*) FROM contact_sync.enable('customers');
ALTER TABLE elsewhere RENAME TO contact_methods;
-- On one that is attached; where nothing drifted there is nothing to say.
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT count(*) FROM contact_sync.disable('customers');
UPDATE customers SET whatsapp = '0812' WHERE name = 'two';
SELECT count(*) FROM contact_sync.enable('customers');
UPDATE customers SET whatsapp = '0822' WHERE name = 'two';
SELECT count(*) FROM contact_sync.drift('customers');
SELECT count(*) FROM contact_sync.enable('customers');
-- verify advises where no customer has contact data yet.
SELECT status, problem FROM contact_sync.verify('customers') WHERE check_name = 'contact_data';
TRUNCATE contact_methods, contact_preferences;
SELECT status, problem, fix FROM contact_sync.verify('customers') WHERE check_name = 'contact_data';
CALL contact_sync.reconcile('customers');
SELECT status, problem FROM contact_sync.verify('customers') WHERE check_name = 'contact_data';

--
-- Where it is called
--
-- It commits, so it says where it cannot, before it does anything.
\set call 'CALL contact_sync.reconcile(\'regress_reconcile.customers\');'
DELETE FROM contact_methods;
BEGIN;
:call
ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
SELECT 1 AS one\; :call
\set AUTOCOMMIT off
:call
ROLLBACK;
\set AUTOCOMMIT on
CREATE FUNCTION call_it() RETURNS void LANGUAGE plpgsql AS $$
BEGIN CALL contact_sync.reconcile('regress_reconcile.customers'); END $$;
SELECT call_it();
CREATE PROCEDURE call_pinned() LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN CALL contact_sync.reconcile('regress_reconcile.customers'); END $$;
CALL call_pinned();
CREATE PROCEDURE call_sql() LANGUAGE sql AS $$ CALL contact_sync.reconcile('regress_reconcile.customers') $$;
CALL call_sql();
DO $$
BEGIN
    CALL contact_sync.reconcile('regress_reconcile.customers');
EXCEPTION WHEN division_by_zero THEN
    NULL;
END $$;
\set VERBOSITY default
SELECT count(*) FROM contact_methods;
-- Elsewhere it does, from other procedures too.
DO $$ BEGIN CALL contact_sync.reconcile('regress_reconcile.customers'); END $$;
CREATE PROCEDURE call_plainly() LANGUAGE plpgsql AS $$
BEGIN COMMIT; CALL contact_sync.reconcile('regress_reconcile.customers'); END $$;
CALL call_plainly();

-- clean up
DELETE FROM contact_sync.failures;
SET client_min_messages = warning;
RESET search_path;
DROP SCHEMA regress_reconcile, regress_reconcile_owned, regress_reconcile_trap CASCADE;
DROP ROLE regress_contact_owner, regress_contact_other;
