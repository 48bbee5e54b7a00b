--
-- What a trigger has looked up lasts no longer than it is true: ALTER, RENAME, DROP and CREATE of any of the tables, in
-- mid-session, just work.  All of this is one session.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_binding_owner;
CREATE ROLE regress_binding_other;
CREATE SCHEMA regress_binding;
GRANT ALL ON SCHEMA regress_binding TO regress_binding_owner, regress_binding_other;
SET search_path = regress_binding;
CREATE TABLE customers (id bigint PRIMARY KEY, gone text, phone text, whatsapp text);
CREATE TABLE contact_methods (
    customer_id bigint, method_type text, gone text, phone_number text, is_available boolean,
    PRIMARY KEY (customer_id, method_type)
);
CREATE TABLE contact_preferences (customer_id bigint UNIQUE, preferred_method text DEFAULT 'sms');
CREATE TRIGGER trigger_sync BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_initialize AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO customers VALUES (1, '', '0', 'w');
-- Each step changes something, and then the customer's phone: the methods must have it.
\set methods 'SELECT string_agg(phone_number, '', '' ORDER BY method_type) AS "phone_call, sms, whatsapp" FROM contact_methods WHERE customer_id = 1;'

--
-- Columns of customers
--
ALTER TABLE customers DROP COLUMN gone;
UPDATE customers SET phone = '1';
:methods
ALTER TABLE customers ADD COLUMN added text DEFAULT 'x';
UPDATE customers SET phone = '2';
:methods
ALTER TABLE customers ALTER phone TYPE varchar(20);
UPDATE customers SET phone = '3';
:methods
ALTER TABLE customers ALTER phone TYPE char(10);
UPDATE customers SET phone = '4';
:methods
-- no text, and text again
ALTER TABLE customers ALTER phone TYPE bigint USING phone::bigint;
UPDATE customers SET phone = 5;
:methods
ALTER TABLE customers ALTER phone TYPE text;
UPDATE customers SET phone = '6';
:methods
-- whatsapp dropped: a missing column is not an empty number.  Added again
ALTER TABLE customers DROP COLUMN whatsapp;
UPDATE customers SET phone = '7';
:methods
ALTER TABLE customers ADD COLUMN whatsapp varchar(3);
UPDATE customers SET phone = '8' RETURNING whatsapp;
:methods
-- renamed, and another column in its place
ALTER TABLE customers RENAME phone TO phone_old;
ALTER TABLE customers ADD COLUMN phone text;
UPDATE customers SET phone = '9';
:methods
-- the key: another name, another type
ALTER TABLE customers RENAME id TO number;
UPDATE customers SET phone = '10';
:methods
ALTER TABLE customers RENAME number TO id;
ALTER TABLE customers ALTER id TYPE integer;
UPDATE customers SET phone = '11';
:methods
-- a constraint that concerns what is filled, and one that no longer does
ALTER TABLE customers ADD CONSTRAINT short CHECK (length(phone) < 3);
UPDATE customers SET phone = '', whatsapp = '123' RETURNING phone, whatsapp;
ALTER TABLE customers DROP CONSTRAINT short;
UPDATE customers SET phone = NULL, whatsapp = '124' RETURNING phone, whatsapp;
CREATE UNIQUE INDEX one_phone ON customers (phone);
UPDATE customers SET phone = NULL, whatsapp = '125' RETURNING phone, whatsapp;
DROP INDEX one_phone;
UPDATE customers SET phone = NULL, whatsapp = '126' RETURNING phone, whatsapp;
:methods

--
-- The triggers
--
CREATE OR REPLACE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'added');
UPDATE customers SET added = '12', phone = 'not this';
:methods
DROP TRIGGER trigger_methods ON customers;
UPDATE customers SET added = '13', phone = 'nobody''s';
:methods
CREATE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
UPDATE customers SET phone = '14';
:methods
ALTER TRIGGER trigger_methods ON customers RENAME TO trigger_other;
UPDATE customers SET phone = '15';
:methods

--
-- Contact tables and their columns
--
ALTER TABLE contact_methods DROP COLUMN gone;
UPDATE customers SET phone = '16';
:methods
ALTER TABLE contact_methods DROP COLUMN is_available;
UPDATE customers SET phone = '17';
:methods
ALTER TABLE contact_methods ADD COLUMN is_available boolean, ADD COLUMN last_verified date DEFAULT '2020-01-01',
    ADD COLUMN verification_status text DEFAULT 'verified';
UPDATE customers SET phone = '18';
SELECT method_type, phone_number, is_available, last_verified, verification_status FROM contact_methods ORDER BY 1;
DELETE FROM contact_methods WHERE method_type = 'whatsapp';
ALTER TABLE contact_methods ALTER phone_number TYPE varchar(2);
UPDATE customers SET phone = '191';
ALTER TABLE contact_methods ALTER phone_number TYPE varchar(5);
UPDATE customers SET phone = '19191';
:methods
ALTER TABLE contact_methods ALTER customer_id TYPE integer;
UPDATE customers SET phone = '20';
:methods
ALTER TABLE contact_methods RENAME phone_number TO number;
UPDATE customers SET phone = '21';
ALTER TABLE contact_methods RENAME number TO phone_number;
UPDATE customers SET phone = '22';
:methods
-- the unique constraint replaced, and gone
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_pkey;
CREATE UNIQUE INDEX replaced ON contact_methods (method_type, customer_id);
UPDATE customers SET phone = '23';
:methods
INSERT INTO customers (id, phone) VALUES (2, '2');
DROP INDEX replaced;
UPDATE customers SET phone = '24' WHERE id = 1;
ALTER TABLE contact_methods ADD UNIQUE (customer_id, method_type);
UPDATE customers SET phone = '25' WHERE id = 1;
:methods
-- the table renamed, another in its place, and back
ALTER TABLE contact_methods RENAME TO old_methods;
UPDATE customers SET phone = '26' WHERE id = 1;
CREATE TABLE contact_methods (LIKE old_methods INCLUDING ALL);
UPDATE customers SET phone = '27' WHERE id = 1;
SELECT method_type, phone_number FROM contact_methods ORDER BY 1;
DROP TABLE contact_methods;
UPDATE customers SET phone = '28' WHERE id = 1;
ALTER TABLE old_methods RENAME TO contact_methods;
UPDATE customers SET phone = '29' WHERE id = 1;
:methods
-- preferences: gone, and there again
UPDATE contact_preferences SET preferred_method = 'phone_call';
ALTER TABLE contact_methods ADD COLUMN is_preferred boolean DEFAULT false;
DELETE FROM contact_methods;
UPDATE customers SET phone = '30' WHERE id = 1;
SELECT method_type FROM contact_methods WHERE is_preferred;
DROP TABLE contact_preferences;
DELETE FROM contact_methods;
UPDATE customers SET phone = '31', whatsapp = 'w' WHERE id = 1;
SELECT method_type FROM contact_methods WHERE is_preferred;
INSERT INTO customers (id) VALUES (3);
CREATE TABLE contact_preferences (customer_id bigint UNIQUE, preferred_method text DEFAULT 'sms');
INSERT INTO customers (id, phone) VALUES (4, '4');
SELECT customer_id, preferred_method, method_type FROM contact_preferences JOIN contact_methods USING (customer_id)
    WHERE is_preferred;
-- rewritten, truncated, clustered
VACUUM FULL contact_methods;
UPDATE customers SET phone = '32' WHERE id = 1;
:methods
TRUNCATE contact_methods;
UPDATE customers SET phone = '33' WHERE id = 1;
:methods

--
-- Schemas
--
CREATE SCHEMA regress_binding_2;
ALTER TABLE contact_methods SET SCHEMA regress_binding_2;
UPDATE customers SET phone = '34' WHERE id = 1;
ALTER TABLE customers SET SCHEMA regress_binding_2;
UPDATE regress_binding_2.customers SET phone = '35' WHERE id = 1;
SET search_path = regress_binding_2;
:methods
ALTER SCHEMA regress_binding_2 RENAME TO regress_binding_3;
UPDATE regress_binding_3.customers SET phone = '36' WHERE id = 1;
SET search_path = regress_binding_3;
:methods
-- another one under the old name
CREATE SCHEMA regress_binding_2;
CREATE TABLE regress_binding_2.contact_methods (LIKE contact_methods INCLUDING ALL);
UPDATE customers SET phone = '37' WHERE id = 1;
:methods
SELECT count(*) FROM regress_binding_2.contact_methods;
ALTER TABLE customers SET SCHEMA regress_binding;
ALTER TABLE contact_methods SET SCHEMA regress_binding;
SET search_path = regress_binding;
ALTER TABLE customers RENAME TO clients;
UPDATE clients SET phone = '38' WHERE id = 1;
:methods
ALTER TABLE clients RENAME TO customers;

--
-- Owners and members
--
ALTER TABLE contact_methods OWNER TO regress_binding_owner;
UPDATE customers SET phone = '39' WHERE id = 1;
ALTER TABLE customers OWNER TO regress_binding_owner;
UPDATE customers SET phone = '40' WHERE id = 1;
:methods
-- a trigger whose function changes hands
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'told as %', current_user;
    RETURN NEW;
END
$$;
ALTER FUNCTION tell() OWNER TO regress_binding_owner;
CREATE TRIGGER tell BEFORE UPDATE ON contact_methods FOR EACH ROW WHEN (NEW.method_type = 'sms') EXECUTE FUNCTION tell();
UPDATE customers SET phone = '41' WHERE id = 1;
ALTER FUNCTION tell() OWNER TO regress_binding_other;
UPDATE customers SET phone = '42' WHERE id = 1;
:methods
GRANT regress_binding_owner TO regress_binding_other;
UPDATE customers SET phone = '43' WHERE id = 1;
:methods
REVOKE regress_binding_owner FROM regress_binding_other;
UPDATE customers SET phone = '44' WHERE id = 1;
:methods
ALTER ROLE regress_binding_other SUPERUSER;
UPDATE customers SET phone = '45' WHERE id = 1;
:methods
ALTER ROLE regress_binding_other NOSUPERUSER;
UPDATE customers SET phone = '46' WHERE id = 1;
:methods
ALTER TABLE contact_methods DISABLE TRIGGER tell;
UPDATE customers SET phone = '47' WHERE id = 1;
:methods
DROP FUNCTION tell() CASCADE;
-- row-level security and rights
ALTER TABLE contact_methods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
UPDATE customers SET phone = '48' WHERE id = 1;
:methods
REVOKE UPDATE ON contact_methods FROM regress_binding_owner;
UPDATE customers SET phone = '49' WHERE id = 1;
GRANT UPDATE ON contact_methods TO regress_binding_owner;
UPDATE customers SET phone = '50' WHERE id = 1;
:methods
-- A role renamed
ALTER ROLE regress_binding_owner RENAME TO regress_binding_renamed;
UPDATE customers SET phone = '51' WHERE id = 1;
:methods
ALTER ROLE regress_binding_renamed RENAME TO regress_binding_owner;

--
-- Partitions and children, later
--
ALTER TABLE contact_methods RENAME TO contact_methods_1;
CREATE TABLE contact_methods (LIKE contact_methods_1 INCLUDING DEFAULTS, UNIQUE (customer_id, method_type))
    PARTITION BY RANGE (customer_id);
ALTER TABLE contact_methods OWNER TO regress_binding_owner;
UPDATE customers SET phone = '52' WHERE id = 1;
ALTER TABLE contact_methods ATTACH PARTITION contact_methods_1 FOR VALUES FROM (1) TO (100);
UPDATE customers SET phone = '53' WHERE id = 1;
:methods
ALTER TABLE contact_methods_1 OWNER TO regress_binding_other;
UPDATE customers SET phone = '54' WHERE id = 1;
ALTER TABLE contact_methods_1 OWNER TO regress_binding_owner;
UPDATE customers SET phone = '55' WHERE id = 1;
:methods

--
-- In one transaction, by savepoints, and from within the body
--
BEGIN;
ALTER TABLE contact_methods RENAME phone_number TO number;
SAVEPOINT one;
UPDATE customers SET phone = '56' WHERE id = 1;
ROLLBACK TO one;
ALTER TABLE contact_methods RENAME number TO phone_number;
SAVEPOINT two;
ALTER TABLE contact_methods ADD COLUMN updated_at timestamptz;
UPDATE customers SET phone = '57' WHERE id = 1;
:methods
ROLLBACK TO two;
UPDATE customers SET phone = '58' WHERE id = 1;
:methods
ROLLBACK;
UPDATE customers SET phone = '59' WHERE id = 1;
:methods
-- A user's trigger on contact_methods that creates, alters and drops other tables
CREATE TABLE beside (a text);
ALTER TABLE beside OWNER TO regress_binding_owner;
ALTER TABLE contact_preferences OWNER TO regress_binding_owner;
CREATE FUNCTION rebuild() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE regress_binding.created ();
    ALTER TABLE regress_binding.beside ADD COLUMN later text;
    ALTER TABLE regress_binding.beside DROP COLUMN later;
    DROP TABLE regress_binding.created;
    IF TG_NARGS > 0 THEN
        ALTER TABLE regress_binding.contact_methods ADD COLUMN later text;
    END IF;
    RETURN NEW;
END
$$;
ALTER FUNCTION rebuild() OWNER TO regress_binding_owner;
CREATE TRIGGER rebuild BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION rebuild();
UPDATE customers SET phone = '60', whatsapp = '60' WHERE id < 5;
INSERT INTO customers (id, phone) VALUES (5, '60'), (6, '60');
SELECT customer_id, string_agg(phone_number, ', ' ORDER BY method_type) FROM contact_methods GROUP BY 1 ORDER BY 1;
DROP TRIGGER rebuild ON contact_methods;
-- The table that is being written cannot be altered by such a trigger: that is an error, and recorded.
CREATE TRIGGER rebuild BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION rebuild('too');
UPDATE customers SET phone = '61' WHERE id = 1;
:methods
DROP TRIGGER rebuild ON contact_methods;
-- A nested change of customers by such a trigger comes back through the same trigger.
CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.method_type = 'sms' AND NEW.phone_number NOT LIKE '+%' THEN
        UPDATE regress_binding.customers SET phone = '+' || NEW.phone_number WHERE id = NEW.customer_id;
        CREATE TABLE regress_binding.side_effect ();
        DROP TABLE regress_binding.side_effect;
        UPDATE regress_binding.customers SET whatsapp = '+' WHERE id = NEW.customer_id;
    END IF;
    RETURN NULL;
END
$$;
ALTER FUNCTION nested() OWNER TO regress_binding_owner;
CREATE TRIGGER nested AFTER INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION nested();
UPDATE customers SET phone = '62' WHERE id = 1;
SELECT phone, whatsapp FROM customers WHERE id = 1;
:methods
DROP TRIGGER nested ON contact_methods;

-- What was recorded on the way: the errors, and nothing of what was skipped
SELECT DISTINCT sqlstate, message FROM contact_sync.failures WHERE customers_table LIKE 'regress_binding%' ORDER BY 1, 2;

--
-- No memory growth: after 5,000 changes more the session has what it had after 1,000, but for what a cache may take.
--
DELETE FROM contact_sync.failures;
DROP TABLE customers, contact_methods, contact_preferences;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text) WITH (fillfactor = 50);
CREATE TABLE contact_methods (
    customer_id bigint, method_type text, phone_number text CONSTRAINT few CHECK (phone_number NOT LIKE '9%'),
    UNIQUE (customer_id, method_type)
) WITH (fillfactor = 50);
CREATE TABLE contact_preferences (customer_id bigint UNIQUE, preferred_method text DEFAULT 'sms');
CREATE TRIGGER trigger_sync BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_initialize AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
SET client_min_messages = error;
CREATE PROCEDURE run(script text, times integer) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. times LOOP
        EXECUTE script USING i;
        COMMIT;
    END LOOP;
END
$$;
CREATE FUNCTION memory() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(total_bytes) FROM pg_backend_memory_contexts $$;
CREATE PROCEDURE growth(script text, times integer, INOUT grew boolean DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
    bytes bigint := 0;
BEGIN
    FOREACH times IN ARRAY ARRAY[times / 5, times] LOOP
        CALL run(script, times);
        bytes := memory() - bytes;
    END LOOP;
    grew := bytes > 65536;  -- less than any leak of each call would make
END
$$;
CREATE SEQUENCE ids;
-- A customer comes, changes, and goes;
CALL growth($$ INSERT INTO customers VALUES (nextval('ids'), '1') $$, 5000);
CALL growth($$ UPDATE customers SET phone = $1 || ' 1' WHERE id = $1 $$, 5000);
CALL growth($$ UPDATE customers SET whatsapp = '', phone = NULL WHERE id = $1 $$, 5000);
SELECT count(*) FROM contact_methods;
-- each change fails;
CALL growth($$ UPDATE customers SET phone = '9' || $1 WHERE id = $1 $$, 5000);
SELECT count(*) FROM contact_sync.failures;
-- each finds the tables changed;
CALL growth($$ DO 'BEGIN ALTER TABLE contact_methods ALTER phone_number SET STATISTICS 10;
                         UPDATE customers SET phone = coalesce(phone, whatsapp)::int + 1 WHERE id = 5002; END' $$, 500);
SELECT phone = phone_number AS same FROM customers JOIN contact_methods ON (customer_id, method_type) = (id, 'sms')
    WHERE id = 5002;
-- there is no contact table.
DROP TABLE contact_methods, contact_preferences;
CALL growth($$ UPDATE customers SET phone = $1 WHERE id = 5002 $$, 5000);

-- clean up
DELETE FROM contact_sync.failures;
RESET client_min_messages;
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA regress_binding, regress_binding_2, regress_binding_3 CASCADE;
DROP ROLE regress_binding_owner, regress_binding_other;
