--
-- initialize_contact_preferences: each new customer gets one row of contact_preferences with that table's own defaults,
-- unless it has one.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\pset format unaligned
\pset footer off
\pset null (null)
\set VERBOSITY terse
\set SHOW_CONTEXT never
-- What was recorded, and then forgotten.
\set caught 'WITH caught AS (DELETE FROM contact_sync.failures RETURNING *) SELECT customer, times, sqlstate, message FROM caught ORDER BY customer;'

--
-- The legacy tables
--
CREATE SCHEMA regress_preferences;
SET search_path = regress_preferences;
\set ECHO none
\i :legacy
\set ECHO all
SET client_min_messages = warning;
DROP FUNCTION sync_contact_numbers, initialize_contact_preferences, update_contact_methods CASCADE;
RESET client_min_messages;
CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();

-- The table's own defaults.
INSERT INTO customers (id, name, phone) VALUES ('00000000-0000-0000-0000-000000000001', 'a', '0700');
SELECT right(customer_id::text, 1) AS customer, preferred_method, whatsapp_enabled, sms_enabled, phone_call_enabled,
       quiet_hours, language, id IS NOT NULL AS id, created_at = updated_at AS times
FROM contact_preferences \gx
-- Whatever they are, and with columns that only this database has.
ALTER TABLE contact_preferences ALTER language SET DEFAULT 'sw', ADD COLUMN newsletter boolean NOT NULL DEFAULT true;
-- Customers without a number get them too; a statement's customers get one each.
INSERT INTO customers (id, name) SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'b' FROM generate_series(2, 4) AS n;
SELECT right(customer_id::text, 1) AS customer, language, newsletter FROM contact_preferences ORDER BY customer_id;
-- An UPDATE is no business of its.
DELETE FROM contact_preferences;
UPDATE customers SET phone = '0701';
SELECT count(*) FROM contact_preferences;
-- contact_sync.enabled off.
SET contact_sync.enabled = off;
INSERT INTO customers (name) VALUES ('c');
RESET contact_sync.enabled;
SELECT count(*) FROM contact_preferences;
SET client_min_messages = warning;
DROP SCHEMA regress_preferences CASCADE;
RESET client_min_messages;

--
-- Unless it has one
--
CREATE SCHEMA regress_preferences;
SET search_path = regress_preferences;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_preferences (customer_id int UNIQUE, preferred_method text DEFAULT 'whatsapp');
CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE PROCEDURE add(VARIADIC ids int[]) LANGUAGE sql AS $$ INSERT INTO customers SELECT unnest(ids) $$;

-- A row that is there already stays as it is.
INSERT INTO contact_preferences VALUES (1, 'sms');
CALL add(1, 2);
SELECT * FROM contact_preferences ORDER BY 1;
-- One that a trigger of the user's own has put there, before or after ours.
CREATE FUNCTION prefer_calls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO contact_preferences VALUES (NEW.id, 'phone_call')
        ON CONFLICT (customer_id) DO UPDATE SET preferred_method = excluded.preferred_method;
    RETURN NULL;
END
$$;
CREATE TRIGGER a AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION prefer_calls();
CALL add(3);
ALTER TRIGGER a ON customers RENAME TO z;
CALL add(4);
SELECT * FROM contact_preferences WHERE customer_id > 2 ORDER BY 1;
DROP TRIGGER z ON customers;

-- Still one row without the unique constraint, with a deferrable one, and with one that has a condition.
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_key;
INSERT INTO contact_preferences VALUES (5, 'sms');
CALL add(5, 6);
ALTER TABLE contact_preferences ADD UNIQUE (customer_id) DEFERRABLE;
INSERT INTO contact_preferences VALUES (7, 'sms');
CALL add(7, 8);
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_key;
CREATE UNIQUE INDEX ON contact_preferences (customer_id) WHERE preferred_method = 'sms';
INSERT INTO contact_preferences VALUES (9, 'sms');
CALL add(9, 10);
SELECT * FROM contact_preferences WHERE customer_id > 4 ORDER BY 1;
-- Of several indexes one that can be used is enough.
CREATE UNIQUE INDEX ON contact_preferences (customer_id, preferred_method);
CREATE UNIQUE INDEX ON contact_preferences (customer_id) INCLUDE (preferred_method);
CALL add(11);
SELECT * FROM contact_preferences WHERE customer_id > 10;

-- A customer that a trigger before ours has deleted has no preferences.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM customers WHERE id = NEW.id;
    RETURN NULL;
END
$$;
ALTER TABLE contact_preferences ADD FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE NOT VALID;
CREATE TRIGGER a AFTER INSERT ON customers FOR EACH ROW WHEN (NEW.id = 12) EXECUTE FUNCTION refuse();
CALL add(12, 13);
SELECT * FROM contact_preferences WHERE customer_id > 11;
:caught

--
-- What cannot be done
--
-- An error of the table: the customer is saved, the others of the statement have their preferences.
ALTER TABLE contact_preferences ADD CHECK (customer_id <> 21), ADD COLUMN note text;
\set VERBOSITY default
CALL add(20, 21, 22);
\set VERBOSITY terse
SELECT c.id, p.preferred_method FROM customers c LEFT JOIN contact_preferences p ON p.customer_id = c.id
WHERE c.id > 19 ORDER BY 1;
:caught
-- A column that has no default and must have a value; it is recorded how often.
ALTER TABLE contact_preferences DROP COLUMN note, ADD COLUMN shop int NOT NULL DEFAULT 1;
ALTER TABLE contact_preferences ALTER shop DROP DEFAULT;
CALL add(23);
DELETE FROM customers WHERE id = 23;
CALL add(23);
:caught
ALTER TABLE contact_preferences DROP COLUMN shop;

-- Without the table, or its customer_id: one WARNING a session, and nothing is recorded.
ALTER TABLE contact_preferences RENAME customer_id TO customer;
\set VERBOSITY default
CALL add(30);
\set VERBOSITY terse
CALL add(31);
DROP TABLE contact_preferences;
\set VERBOSITY default
CALL add(32);
\set VERBOSITY terse
CALL add(33, 34);
-- Another table of that name in search_path is none of its tables.
CREATE SCHEMA regress_preferences_2;
CREATE TABLE regress_preferences_2.contact_preferences (customer_id int UNIQUE);
SET search_path = regress_preferences, regress_preferences_2;
CALL add(35);
SELECT count(*) FROM regress_preferences_2.contact_preferences;
-- Neither is a view.
CREATE VIEW contact_preferences AS SELECT * FROM regress_preferences_2.contact_preferences;
CALL add(36);
SELECT count(*) FROM regress_preferences_2.contact_preferences;
DROP VIEW contact_preferences;
-- It is there as soon as there is a table.
ALTER TABLE regress_preferences_2.contact_preferences SET SCHEMA regress_preferences;
CALL add(37);
SELECT * FROM contact_preferences;
:caught
-- customer_id of another type: that is an error.
ALTER TABLE contact_preferences ALTER customer_id TYPE uuid USING NULL;
CALL add(38);
:caught
SELECT count(*) FROM customers WHERE id >= 30;

-- The key: its column is the trigger's first argument; a table without it is left alone; and so is a key that is null.
DROP TABLE contact_preferences;
CREATE TABLE contact_preferences (customer_id int UNIQUE);
CREATE TABLE "Kunden" ("Nr" int, id int);
CREATE TRIGGER t AFTER INSERT ON "Kunden" FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences('Nr');
INSERT INTO "Kunden" VALUES (41, 42), (NULL, 43);
SELECT * FROM contact_preferences;
CREATE TABLE keyless (nr int);
CREATE TRIGGER t AFTER INSERT ON keyless FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
INSERT INTO keyless VALUES (44);
INSERT INTO keyless VALUES (45);
-- A type that has no equality.
CREATE TABLE incomparable (id json);
CREATE TRIGGER t AFTER INSERT ON incomparable FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
INSERT INTO incomparable VALUES ('46');
:caught

-- A trigger made for another time, level or event does nothing, says so once, and the row is saved.
CREATE TABLE wrong (id int);
CREATE TRIGGER before_row BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER before_stmt BEFORE INSERT ON wrong FOR EACH STATEMENT
    EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER after_update AFTER UPDATE ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER before_update BEFORE UPDATE ON wrong FOR EACH ROW
    EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER before_delete BEFORE DELETE ON wrong FOR EACH ROW
    EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
INSERT INTO wrong VALUES (51), (52);
UPDATE wrong SET id = 53 WHERE id = 51;
DELETE FROM wrong WHERE id = 52;
SELECT * FROM wrong;
SELECT count(*) FROM contact_preferences WHERE customer_id > 50;

-- Only a call outside a trigger raises.
\set VERBOSITY sqlstate
SELECT contact_sync.initialize_contact_preferences();

-- clean up
DELETE FROM contact_sync.failures;
SET client_min_messages = warning;
DROP SCHEMA regress_preferences, regress_preferences_2 CASCADE;
