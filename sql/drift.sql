--
-- drift: every difference between customers and their contact data, with what is expected and what is there.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_owner;
CREATE ROLE regress_contact_other;
CREATE SCHEMA regress_drift;
SET search_path = regress_drift;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text);
-- No triggers and no foreign keys: contact data stays as it is written here.
CREATE TABLE contact_preferences (customer_id int UNIQUE, preferred_method text DEFAULT 'whatsapp');
CREATE TABLE contact_methods (customer_id int, method_type text, phone_number varchar(10),
    UNIQUE (customer_id, method_type));
CREATE VIEW drift AS SELECT * FROM contact_sync.drift('customers')
    ORDER BY customer COLLATE "C", kind COLLATE "C", method COLLATE "C";

--
-- The kinds
--
-- Where all is right there is none: whatsapp is the method whatsapp; phone is sms and phone_call.
INSERT INTO customers VALUES (1, '0701', '0801'), (2, NULL, NULL);
INSERT INTO contact_preferences VALUES (1), (2);
INSERT INTO contact_methods VALUES (1, 'whatsapp', '0801'), (1, 'sms', '0701'), (1, 'phone_call', '0701');
SELECT * FROM drift;
-- missing: a number without its method's row.
INSERT INTO customers VALUES (3, '0703', '0803');
INSERT INTO contact_preferences VALUES (3);
INSERT INTO contact_methods VALUES (3, 'sms', '0703');
SELECT * FROM drift;
-- stale: the method's row has another number.
INSERT INTO contact_methods VALUES (3, 'whatsapp', '0703'), (3, 'phone_call', '0703');
SELECT * FROM drift;
UPDATE contact_methods SET phone_number = '0803' WHERE customer_id = 3 AND method_type = 'whatsapp';
SELECT * FROM drift;
-- unwanted: the method's row is there, and the number is empty.
INSERT INTO contact_methods VALUES (2, 'phone_call', '0702');
SELECT * FROM drift;
DELETE FROM contact_methods WHERE customer_id = 2;
-- no preferences.
DELETE FROM contact_preferences WHERE customer_id = 1;
SELECT * FROM drift;
INSERT INTO contact_preferences VALUES (1);
-- orphan: contact rows of no customer, whatever the method.
INSERT INTO contact_preferences VALUES (9), (NULL);
INSERT INTO contact_methods VALUES (9, 'sms', '0709'), (9, 'email', 'nobody@'), (NULL, 'sms', '0700');
SELECT * FROM drift;
DELETE FROM contact_preferences WHERE customer_id = 9 OR customer_id IS NULL;
DELETE FROM contact_methods WHERE customer_id = 9 OR customer_id IS NULL;
-- A method that comes from no column is none of ours.
INSERT INTO contact_methods VALUES (1, 'email', 'one@');
SELECT * FROM drift;

--
-- What a number is
--
-- By contact_sync.number, as everywhere: white space at the ends is none of it.
UPDATE customers SET phone = E'\t0701 ', whatsapp = E'0801\n' WHERE id = 1;
UPDATE customers SET phone = '', whatsapp = E' \t' WHERE id = 2;
SELECT * FROM drift;
-- The rows have numbers as they were written: white space there is a difference.
UPDATE contact_methods SET phone_number = '0701 ' WHERE customer_id = 1 AND method_type = 'sms';
SELECT customer, kind, method, expected, format('[%s]', actual) AS actual FROM drift;
UPDATE contact_methods SET phone_number = '0701' WHERE customer_id = 1 AND method_type = 'sms';
-- One too long for phone_number is missing, or stale, like any other.
UPDATE customers SET phone = '070 1234 567890' WHERE id IN (1, 2);
SELECT * FROM drift;
UPDATE customers SET phone = CASE id WHEN 1 THEN '0701' END WHERE id IN (1, 2);
SELECT * FROM drift;

--
-- Columns
--
-- A column that is not there is not an empty number: its methods drift in nothing.
BEGIN;
ALTER TABLE customers DROP COLUMN whatsapp;
UPDATE customers SET phone = NULL WHERE id = 3;
SELECT * FROM contact_sync.drift('customers') ORDER BY 1, 2, 3;
ROLLBACK;
BEGIN;
ALTER TABLE customers DROP COLUMN phone;
SELECT * FROM contact_sync.drift('customers') ORDER BY 1, 2, 3;
ROLLBACK;
-- Other names, as an argument or as our triggers were told; a number may be of any text type.
BEGIN;
CREATE TABLE "My customers" ("No." text PRIMARY KEY, mobile text, "W" char(12));
INSERT INTO "My customers" VALUES ('1', 701, '0801'), ('2', 702, NULL);
ALTER TABLE contact_methods ALTER COLUMN customer_id TYPE text;
ALTER TABLE contact_preferences ALTER COLUMN customer_id TYPE text;
SELECT * FROM contact_sync.drift('"My customers"', 'No.', 'mobile', 'W')
    ORDER BY customer COLLATE "C", kind COLLATE "C", method COLLATE "C";
CREATE TRIGGER one AFTER INSERT OR UPDATE ON "My customers"
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('No.', 'mobile', 'W');
SELECT count(*) FROM contact_sync.drift('"My customers"');
ROLLBACK;
-- Ids of another type are no customer's.
BEGIN;
ALTER TABLE contact_methods ALTER COLUMN customer_id TYPE text;
SELECT * FROM drift;
ROLLBACK;

--
-- Partitions and inheritance children are customers too.
--
BEGIN;
CREATE TABLE parts (id int PRIMARY KEY, phone text, whatsapp text) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (1) TO (3);
CREATE TABLE part_2 PARTITION OF parts FOR VALUES FROM (3) TO (9);
INSERT INTO parts VALUES (1, '0701', '0801'), (2, '', ''), (3, '0703', '0813'), (4, '', '');
SELECT * FROM contact_sync.drift('parts') ORDER BY 1, 2;
SELECT * FROM contact_sync.drift('part_1') ORDER BY 1, 2;
ROLLBACK;
BEGIN;
CREATE TABLE child () INHERITS (customers);
INSERT INTO child VALUES (4, '0704', '');
SELECT * FROM drift;
ROLLBACK;

--
-- Numbers are compared bit by bit, whatever the collations of the columns.
--
SET client_min_messages = error;
DO $$
BEGIN
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false);
EXCEPTION WHEN OTHERS THEN                  -- no ICU: the same results are expected of any other
    CREATE COLLATION loose FROM "POSIX";
END $$;
BEGIN;
CREATE TABLE many (id int PRIMARY KEY, phone text COLLATE "POSIX", whatsapp text COLLATE loose);
ALTER TABLE contact_methods ALTER COLUMN phone_number TYPE text COLLATE "C";
INSERT INTO many VALUES (1, '0701', '0801'), (2, NULL, NULL), (3, '07-03', '08-03');
SELECT * FROM contact_sync.drift('many') ORDER BY 1, 2, 3;
ALTER TABLE contact_methods ALTER COLUMN phone_number TYPE text COLLATE loose;
SELECT * FROM contact_sync.drift('many') ORDER BY 1, 2, 3;
ALTER TABLE many ALTER phone TYPE text COLLATE loose, ALTER whatsapp TYPE text COLLATE "POSIX";
SELECT * FROM contact_sync.drift('many') ORDER BY 1, 2, 3;
ROLLBACK;
SET client_min_messages = warning;

--
-- Who may ask, and of what
--
-- Whoever may act as the owner of customers, from whom row-level security hides nothing; nobody else, whatever he may
-- read.
GRANT USAGE ON SCHEMA regress_drift TO regress_contact_owner, regress_contact_other;
GRANT SELECT ON customers, contact_preferences, contact_methods TO regress_contact_other;
ALTER TABLE contact_methods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM contact_sync.drift('customers');
SET ROLE regress_contact_other;
SELECT count(*) FROM contact_sync.drift('customers');
RESET ROLE;
-- A table of another owner is not read: a cast of a type of its own would run with the caller's rights.
BEGIN;
GRANT CREATE ON SCHEMA regress_drift TO regress_contact_owner;
DROP TABLE contact_methods CASCADE;
SET LOCAL ROLE regress_contact_owner;
CREATE TYPE trap AS (number text);
CREATE FUNCTION spring(trap) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the trap sprang, with the rights of %', current_user;
END $$;
CREATE CAST (trap AS text) WITH FUNCTION spring(trap) AS IMPLICIT;
CREATE TABLE contact_methods (customer_id int, method_type text, phone_number trap, UNIQUE (customer_id, method_type));
INSERT INTO contact_methods VALUES (1, 'sms', ROW('0701'));
RESET ROLE;
\set VERBOSITY terse
SELECT * FROM contact_sync.drift('customers');
\set VERBOSITY default
ROLLBACK;
-- What there is nothing to compare with
BEGIN;
DROP TABLE contact_methods CASCADE;
SELECT * FROM contact_sync.drift('customers');
ROLLBACK;
CREATE VIEW shown AS SELECT * FROM customers;
SELECT * FROM contact_sync.drift('shown');
SELECT * FROM contact_sync.drift(NULL);

-- verify counts customers whose data differs where they are few, and looks at a sample where they are many.
SELECT status, problem FROM contact_sync.verify('customers') WHERE check_name = 'contact_data';
CREATE SCHEMA regress_drift_large;
CREATE TABLE regress_drift_large.customers (id int PRIMARY KEY, phone text, whatsapp text);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('regress_drift_large.customers');
INSERT INTO regress_drift_large.customers SELECT i, '07' || i FROM generate_series(1, 20000) i;
ANALYZE regress_drift_large.customers;
CREATE FUNCTION data_of_many(OUT status text, OUT problem text) LANGUAGE sql AS $$
    SELECT status, regexp_replace(problem, '\d+', 'n', 'g')
    FROM contact_sync.verify('regress_drift_large.customers') WHERE check_name = 'contact_data'
$$;
SELECT * FROM data_of_many();
ALTER TABLE regress_drift_large.customers DISABLE TRIGGER USER;
UPDATE regress_drift_large.customers SET phone = '08' || id;
SELECT * FROM data_of_many();
DROP SCHEMA regress_drift_large CASCADE;

-- clean up
RESET search_path;
DROP SCHEMA regress_drift CASCADE;
DROP ROLE regress_contact_owner, regress_contact_other;
