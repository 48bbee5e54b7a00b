--
-- Adoption: whatever state a legacy database is in, attach makes it right, and verify has told before what it would do.
--
-- Each broken state is made in a transaction of its own that is rolled back: what verify says of it; then adopted(),
-- which attaches and tells how many fixes that took, how many are left, and what contact methods a customer has after
-- an app role has changed his phone. More states are in verify.sql, rows that cannot stay in quarantine.sql.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\set legacy_data :abs_srcdir '/test/fixtures/legacy_data.sql'
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- Rows are moved with their timestamps in this form.
SET timezone = 'UTC';

CREATE ROLE regress_contact_app;
CREATE ROLE regress_contact_other SUPERUSER;
CREATE SCHEMA regress_adoption;
GRANT USAGE ON SCHEMA regress_adoption TO regress_contact_app;
SET search_path = regress_adoption;
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all
GRANT SELECT, INSERT, UPDATE ON customers, contact_methods, contact_preferences, contact_history TO regress_contact_app;

-- What is wrong, but for what is wrong with every legacy database: the policies and the missing cascade.
CREATE FUNCTION wrong(OUT status text, OUT check_name text, OUT object text, OUT problem text, OUT fix text)
RETURNS SETOF record
BEGIN ATOMIC
    SELECT v.status, v.check_name, replace(v.object, 'regress_adoption.', ''),
           replace(v.problem, 'regress_adoption.', ''), replace(v.fix, 'regress_adoption.', '')
    FROM contact_sync.verify('customers') WITH ORDINALITY AS v(check_name, object, status, problem, fix, place)
    WHERE v.status IN ('blocked', 'fix') AND v.check_name !~ 'policy|foreign_key' ORDER BY v.place;
END;
CREATE FUNCTION adopted(OUT fixes bigint, OUT left_over bigint, OUT methods text)
LANGUAGE plpgsql SET search_path = regress_adoption AS $$
BEGIN
    SELECT count(*) INTO fixes FROM contact_sync.attach('customers');
    SELECT count(*) INTO left_over FROM contact_sync.verify('customers') v WHERE v.status IN ('fix', 'blocked');
    SET LOCAL ROLE regress_contact_app;
    UPDATE customers SET phone = 'changed' WHERE name = 'Asha Mwangi';
    RESET ROLE;
    SELECT string_agg(format('%s %s', method_type, phone_number), ', ' ORDER BY method_type) INTO methods
    FROM contact_methods m JOIN customers c ON c.id = m.customer_id WHERE name = 'Asha Mwangi';
END
$$;

--
-- The legacy triggers: there, disabled, half dropped, gone
--
BEGIN;
SELECT status, check_name, object FROM wrong();
SELECT * FROM adopted();
ROLLBACK;
BEGIN;
ALTER TABLE customers DISABLE TRIGGER trigger_update_contact_methods;
ALTER TABLE customers ENABLE REPLICA TRIGGER trigger_sync_contact_numbers;
ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_initialize_contact_preferences;
SELECT check_name, fix FROM wrong();
SELECT * FROM adopted();
ROLLBACK;
BEGIN;
DROP FUNCTION update_contact_methods() CASCADE;
DROP TRIGGER trigger_sync_contact_numbers ON customers;
SELECT check_name, fix FROM wrong();
SELECT * FROM adopted();
ROLLBACK;
BEGIN;
DROP FUNCTION update_contact_methods(), sync_contact_numbers(), initialize_contact_preferences() CASCADE;
SELECT check_name, object FROM wrong();
SELECT * FROM adopted();
ROLLBACK;

--
-- Contact tables: any of them missing
--
BEGIN;
DROP TABLE contact_methods;
SELECT check_name, object, problem FROM wrong() WHERE check_name !~ 'trigger';
SELECT * FROM adopted();
ROLLBACK;
BEGIN;
DROP TABLE contact_preferences, contact_history;
SELECT * FROM adopted();
ROLLBACK;
BEGIN;
DROP TABLE contact_methods, contact_preferences, contact_history;
SELECT * FROM adopted();
ROLLBACK;

--
-- method_type: a CHECK on it that refuses one of our methods, however it is written. What was good before stays good.
--
CREATE TABLE variants (number int, definition text);
INSERT INTO variants VALUES
    (1, 'CHECK (method_type IN (''whatsapp'', ''sms''))'),
    (2, 'CHECK (method_type = ANY (ARRAY[''whatsapp'', ''phone_call'', ''email'']))'),
    (3, 'CHECK (method_type = ''sms'' OR method_type = ''email'')'),
    (4, 'CHECK (method_type ~ ''^[a-z]+$'')'),
    (5, 'CHECK (length(method_type) <= 5)'),
    (6, 'CHECK (CASE method_type WHEN ''sms'' THEN false ELSE true END)'),
    (7, 'CHECK (method_type::text COLLATE "C" < ''p'' AND lower(method_type) IS NOT NULL)'),
    -- those that refuse none
    (8, 'CHECK (method_type IN (''phone_call'', ''sms'', ''whatsapp'', ''email''))'),
    (9, 'CHECK (method_type <> '''')'),
    (10, 'CHECK (NULLIF(method_type, ''sms'') <> '''')');
CREATE FUNCTION refused(OUT number int, OUT problem text) RETURNS SETOF record
LANGUAGE plpgsql SET search_path = regress_adoption AS $$
DECLARE
    definition text;
BEGIN
    FOR number, definition IN SELECT * FROM variants ORDER BY 1 LOOP
        EXECUTE 'ALTER TABLE contact_methods ADD CONSTRAINT old ' || definition || ' NOT VALID';
        SELECT v.problem INTO problem FROM contact_sync.verify('customers') v WHERE v.check_name = 'method_type';
        RETURN NEXT;
        ALTER TABLE contact_methods DROP CONSTRAINT old;
    END LOOP;
END
$$;
BEGIN;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_method_type_check;
SELECT * FROM refused();
ALTER TABLE contact_methods DROP COLUMN method_type, ADD COLUMN method_type text;
SELECT * FROM refused();
ROLLBACK;

BEGIN;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_method_type_check;
DELETE FROM contact_methods WHERE method_type = 'sms';
UPDATE contact_methods SET method_type = 'email' WHERE method_type = 'phone_call';
ALTER TABLE contact_methods ADD CONSTRAINT "old ones" CHECK (method_type IN ('whatsapp', 'email'));
SELECT status, problem, fix FROM wrong() WHERE check_name = 'method_type';
SELECT * FROM adopted();
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'old ones';
ALTER TABLE contact_methods VALIDATE CONSTRAINT "old ones";
ROLLBACK;

-- A constraint that calls somebody's function, one that is not immutable or one over more columns is not tried.
BEGIN;
CREATE FUNCTION trap(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END';
CREATE DOMAIN trapped AS text CHECK (trap(VALUE));
ALTER TABLE contact_methods ADD CONSTRAINT a CHECK (trap(method_type)) NOT VALID,
    ADD CONSTRAINT b CHECK (method_type = current_setting('no.such.setting')) NOT VALID,
    ADD CONSTRAINT c CHECK (method_type::trapped <> '') NOT VALID,
    ADD CONSTRAINT d CHECK (method_type <> 'sms' OR phone_number <> '') NOT VALID,
    ADD CONSTRAINT e CHECK (query_to_xml(method_type, true, true, '') IS NULL) NOT VALID;
SELECT status, problem FROM contact_sync.verify('customers') WHERE check_name = 'method_type';
ROLLBACK;

-- Its type: a domain with such a constraint, one too short, an enum
BEGIN;
CREATE DOMAIN method AS varchar(20) CHECK (VALUE IN ('whatsapp', 'sms'));
CREATE DOMAIN narrower AS method CHECK (VALUE <> 'sms');
DELETE FROM contact_methods WHERE method_type <> 'whatsapp';
ALTER TABLE contact_methods ALTER COLUMN method_type TYPE narrower;
SELECT status, problem, fix FROM wrong() WHERE check_name = 'method_type';
SELECT * FROM adopted();
ROLLBACK;
BEGIN;
DELETE FROM contact_methods WHERE method_type = 'phone_call';
ALTER TABLE contact_methods ALTER COLUMN method_type TYPE varchar(9);
SELECT status, problem, fix FROM wrong() WHERE check_name = 'method_type';
SAVEPOINT well;
SELECT * FROM adopted();
ROLLBACK TO well;
CREATE VIEW methods AS SELECT method_type FROM contact_methods;
SELECT status, problem, fix FROM wrong() WHERE check_name = 'method_type';
ROLLBACK;
BEGIN;
CREATE TYPE method AS ENUM ('sms', 'whatsapp');
DELETE FROM contact_methods WHERE method_type = 'phone_call';
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_method_type_check;
ALTER TABLE contact_methods ALTER COLUMN method_type TYPE method USING method_type::method;
SELECT status, problem, fix FROM wrong() WHERE check_name = 'method_type';
ROLLBACK;
BEGIN;
CREATE TYPE method AS ENUM ('sms', 'whatsapp', 'phone_call');
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_method_type_check;
ALTER TABLE contact_methods ALTER COLUMN method_type TYPE method USING method_type::method;
SELECT status FROM contact_sync.verify('customers') WHERE check_name = 'method_type';
ROLLBACK;

--
-- Everything at once
--
-- What there is then, in the words of the catalog, with every row
SET check_function_bodies = off;
CREATE FUNCTION state() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod), attnotnull)
    FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = 'regress_adoption'::regnamespace AND relname ~ '^(contact|customers)'
    UNION ALL SELECT concat_ws(' ', 'table', relname, relowner, relrowsecurity, relacl) FROM pg_class
    WHERE relnamespace = 'regress_adoption'::regnamespace AND relname ~ '^(contact|customers)'
    UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'regress_adoption'::regnamespace AND conrelid <> 0
    UNION ALL SELECT concat_ws(' ', pg_get_triggerdef(oid), tgenabled) FROM pg_trigger
    WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal
    UNION ALL SELECT to_jsonb(m)::text FROM contact_methods m
    UNION ALL SELECT to_jsonb(p)::text FROM contact_preferences p
    UNION ALL SELECT (to_jsonb(q) - 'id')::text FROM contact_quarantine q
$$;
RESET check_function_bodies;
BEGIN;
ALTER TABLE customers DROP COLUMN whatsapp;
ALTER TABLE customers ADD COLUMN whatsapp text;
ALTER TABLE customers DISABLE TRIGGER trigger_sync_contact_numbers;
DROP TRIGGER trigger_initialize_contact_preferences ON customers;
DROP TABLE contact_history;
ALTER TABLE contact_preferences DROP COLUMN quiet_hours, ALTER COLUMN language DROP DEFAULT,
    DROP CONSTRAINT contact_preferences_customer_id_key, OWNER TO regress_contact_other;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key,
    DROP CONSTRAINT contact_methods_customer_id_fkey, DROP CONSTRAINT contact_methods_method_type_check,
    DISABLE ROW LEVEL SECURITY;
DELETE FROM contact_methods WHERE method_type = 'phone_call';
ALTER TABLE contact_methods ADD CHECK (method_type IN ('whatsapp', 'sms'));
INSERT INTO contact_methods (customer_id, method_type, phone_number)
    SELECT customer_id, method_type, 'twice' FROM contact_methods;
INSERT INTO contact_methods (method_type, phone_number) VALUES ('sms', 'of nobody');
INSERT INTO contact_preferences (language) VALUES ('en');
SELECT check_name, object, problem FROM wrong();
SAVEPOINT broken;
SELECT * FROM adopted();
ROLLBACK TO broken;
-- Who runs the SQL by hand, one statement after the other, has the same: once for the table that is given away, and once
-- more for what could not be seen of it before.
\set ECHO none
SELECT fix FROM contact_sync.verify('customers') WHERE status = 'fix' \gexec
SELECT fix FROM contact_sync.verify('customers') WHERE status = 'fix' \gexec
SELECT array_agg(state) AS by_hand FROM state() \gset
\set ECHO all
SELECT count(*) FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
ROLLBACK TO broken;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
\set ECHO none
CREATE TEMPORARY TABLE by_hand AS SELECT unnest(:'by_hand'::text[]) AS state;
\set ECHO all
SELECT count(*) > 0 AS states FROM by_hand;
(SELECT * FROM by_hand EXCEPT ALL SELECT * FROM state())
    UNION ALL (SELECT * FROM state() EXCEPT ALL SELECT * FROM by_hand);
ROLLBACK;

--
-- A database that was attached, and what became of it since
--
DROP TABLE contact_methods, contact_preferences, contact_history;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT * FROM wrong();

-- Our triggers, switched by hand. ALWAYS fires all the same.
BEGIN;
ALTER TABLE customers DISABLE TRIGGER trigger_sync_contact_numbers;
ALTER TABLE customers ENABLE REPLICA TRIGGER trigger_update_contact_methods;
ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_initialize_contact_preferences;
ALTER TABLE contact_methods DISABLE TRIGGER touch_updated_at;
SELECT * FROM wrong();
SELECT * FROM adopted();
ROLLBACK;
-- A trigger of somebody else's that keeps updated_at is his to disable.
BEGIN;
DROP TRIGGER touch_updated_at ON contact_methods;
CREATE TRIGGER mine BEFORE UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
ALTER TABLE contact_methods DISABLE TRIGGER mine;
SELECT * FROM wrong();
ROLLBACK;

-- Whoever has rights on customers has them on the tables that attach created. What else is granted there stays.
BEGIN;
GRANT DELETE ON customers TO regress_contact_app;
REVOKE SELECT ON contact_history FROM regress_contact_app;
GRANT SELECT, TRIGGER ON customers TO PUBLIC;
SELECT * FROM wrong();
SELECT * FROM adopted();
-- A table of another comment is not of our making.
COMMENT ON TABLE contact_history IS 'mine';
REVOKE ALL ON contact_history FROM PUBLIC, regress_contact_app;
SELECT * FROM wrong();
ROLLBACK;

-- clean up
RESET search_path;
DROP SCHEMA regress_adoption CASCADE;
DROP ROLE regress_contact_app, regress_contact_other;
