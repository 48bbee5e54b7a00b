--
-- disable, enable, detach
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_other;
CREATE SCHEMA regress_switch;
SET search_path = regress_switch;
CREATE FUNCTION states(OUT "table" regclass, OUT trigger name, OUT state "char", OUT ours boolean) RETURNS SETOF record
LANGUAGE sql AS $$
    SELECT tgrelid::regclass, tgname, tgenabled, tgfoid::regproc::text LIKE 'contact_sync.%'
    FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
    WHERE relnamespace = 'regress_switch'::regnamespace AND NOT tgisinternal ORDER BY tgrelid::regclass::text, tgname
$$;

--
-- A legacy database that was never attached
--
\set ECHO none
\i :legacy
\set ECHO all
SELECT * FROM contact_sync.disable();           -- customers, as search_path has it
SELECT * FROM states();
SELECT * FROM contact_sync.disable();
SELECT * FROM contact_sync.detach();            -- what is not ours stays
SELECT * FROM contact_sync.enable('customers');
SELECT * FROM contact_sync.enable('customers');
-- ALWAYS and REPLICA are states that somebody chose.
ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_sync_contact_numbers;
ALTER TABLE customers ENABLE REPLICA TRIGGER trigger_update_contact_methods;
ALTER TABLE customers DISABLE TRIGGER trigger_initialize_contact_preferences;
SELECT * FROM contact_sync.enable('customers');
SELECT trigger, state FROM states() WHERE trigger LIKE 'trigger%';
SELECT * FROM contact_sync.disable('customers');

--
-- An attached one
--
-- attach puts ours in the place of the legacy ones, enabled.
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT * FROM states();
SELECT * FROM contact_sync.disable('customers');
SELECT * FROM contact_sync.disable('customers');
SELECT check_name, object, problem, fix FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
SELECT * FROM contact_sync.enable('customers');
SELECT count(*) FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');

--
-- detach: our triggers go, on the contact tables too; data, keys and policies stay, and attach brings them back.
--
DROP TRIGGER update_contact_methods_updated_at ON contact_methods;
SELECT object FROM contact_sync.attach('customers');
CREATE TEMPORARY TABLE before AS SELECT * FROM states();
SELECT * FROM contact_sync.detach('customers');
SELECT * FROM states();
SELECT * FROM contact_sync.detach('customers');
SELECT polrelid::regclass, count(*) FROM pg_policy WHERE polname LIKE 'contact_sync%'
    GROUP BY polrelid ORDER BY polrelid::regclass::text;
SELECT count(*) FROM pg_constraint WHERE confrelid = 'customers'::regclass AND confdeltype = 'c' AND confupdtype = 'c';
SELECT * FROM contact_sync.disable('customers');
SELECT * FROM contact_sync.enable('customers');
-- Now nothing needs the extension.
BEGIN;
DROP EXTENSION contact_sync;
ROLLBACK;
SELECT object FROM contact_sync.attach('customers');
SELECT * FROM states() EXCEPT SELECT * FROM before;
SELECT * FROM before EXCEPT SELECT * FROM states();

--
-- Partitions and inheritance children
--
CREATE SCHEMA regress_switch_2;
SET search_path = regress_switch_2, regress_switch;
CREATE TABLE parts (id bigint PRIMARY KEY, phone text, whatsapp text) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (10);
CREATE TABLE parent (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE child () INHERITS (parent);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('parts');
SELECT * FROM contact_sync.disable('parts');
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
    WHERE tgname LIKE 'trigger%' AND tgrelid IN ('parts'::regclass, 'part'::regclass) ORDER BY 1, 2;
SELECT * FROM contact_sync.disable('parts');
SELECT * FROM contact_sync.enable('parts');
ALTER TABLE part DISABLE TRIGGER trigger_sync_contact_numbers;     -- by hand
SELECT * FROM contact_sync.enable('parts');
SELECT * FROM contact_sync.detach('parts');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'part'::regclass AND tgname LIKE 'trigger%';
DROP TABLE contact_methods, contact_preferences, contact_history;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('parent');
SELECT * FROM contact_sync.disable('parent');
SELECT * FROM contact_sync.enable('parent');
SELECT * FROM contact_sync.detach('parent');

--
-- What there is nothing to switch on
--
CREATE VIEW "Shown" AS SELECT * FROM parent;
CREATE TABLE "Bare" (id bigint);
ALTER TABLE part RENAME TO "Part";
SELECT * FROM contact_sync.disable('"Shown"');
SELECT * FROM contact_sync.disable('"Part"');
SELECT * FROM contact_sync.disable('"Bare"');
SELECT * FROM contact_sync.enable('"Bare"');
SELECT * FROM contact_sync.detach('"Bare"');
SELECT * FROM contact_sync.disable(NULL);
SET search_path = regress_switch_2;
SELECT * FROM contact_sync.enable();            -- no customers in search_path
-- SECURITY INVOKER: a table is switched by its owner.
SET search_path = regress_switch;
GRANT USAGE ON SCHEMA regress_switch TO regress_contact_other;
SET ROLE regress_contact_other;
SELECT * FROM contact_sync.disable('customers');
SELECT * FROM contact_sync.detach('customers');
RESET ROLE;

-- clean up
RESET search_path;
DROP SCHEMA regress_switch, regress_switch_2 CASCADE;
DROP ROLE regress_contact_other;
