--
-- Whatever writes customers, the contact tables follow: every kind of statement, by the triggers that attach makes.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE SCHEMA regress_events;
SET search_path = regress_events;
CREATE TABLE customers (id int PRIMARY KEY, name text, phone varchar(20), whatsapp varchar(20));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
-- A customer in one line, with its methods and preferences.
CREATE VIEW contacts AS
    SELECT c.id, c.phone, c.whatsapp, string_agg(concat_ws(' ', m.method_type, m.phone_number), ', ' ORDER BY m.method_type)
           AS methods, (SELECT count(*) FROM contact_preferences p WHERE p.customer_id = c.id) AS preferences
    FROM customers c LEFT JOIN contact_methods m ON m.customer_id = c.id GROUP BY c.id ORDER BY c.id;
RESET client_min_messages;

-- INSERT of many rows; INSERT ... SELECT.
INSERT INTO customers VALUES (1, 'a', '0701', '0801'), (2, 'b', '0702', NULL), (3, 'c', NULL, NULL);
INSERT INTO customers SELECT n, 'd', '070' || n FROM generate_series(4, 5) AS n;
SELECT * FROM contacts;

-- COPY, also where one of its rows cannot be synced.
COPY customers (id, phone, whatsapp, name) FROM stdin;
6	0706	0806	a
7	\N	0807	b
8		 	c
\.
SELECT * FROM contacts WHERE id > 5;
ALTER TABLE contact_methods ADD CONSTRAINT allowed CHECK (phone_number <> '0999');
COPY customers (id, phone) FROM stdin;
9	0709
10	0999
11	0711
\.
SELECT * FROM contacts WHERE id > 8;
SELECT customer, function, sqlstate FROM contact_sync.failures;
DELETE FROM contact_sync.failures;
ALTER TABLE contact_methods DROP CONSTRAINT allowed;

-- UPDATE of many rows; UPDATE ... FROM; of one row by two rows of the other table.
UPDATE customers SET phone = '1' || phone WHERE id < 3;
CREATE TABLE changes (id int, phone text);
INSERT INTO changes VALUES (4, '0714'), (5, '0715'), (5, '0715'), (99, '0799');
UPDATE customers c SET phone = n.phone, whatsapp = n.phone FROM changes n WHERE n.id = c.id;
SELECT * FROM contacts WHERE id < 6;

-- INSERT ... ON CONFLICT: DO NOTHING does nothing; DO UPDATE inserts the one and updates the other.
INSERT INTO customers VALUES (1, 'x', '0000', '0000') ON CONFLICT DO NOTHING;
INSERT INTO customers VALUES (1, 'a', '0721', '0821'), (20, 't', '0720', '0820')
    ON CONFLICT (id) DO UPDATE SET phone = excluded.phone, whatsapp = excluded.whatsapp;
SELECT * FROM contacts WHERE id IN (1, 20);
-- DO UPDATE where the number given is blank; and where the update is turned away.
INSERT INTO customers VALUES (1, 'a', ' ', '') ON CONFLICT (id) DO UPDATE SET phone = ' ', whatsapp = '';
INSERT INTO customers VALUES (2, 'b', '0', '0') ON CONFLICT (id) DO UPDATE SET phone = '0' WHERE customers.name = 'z';
SELECT * FROM contacts WHERE id < 3;

-- MERGE: insert, update and delete in one statement.
MERGE INTO customers c
USING (VALUES (1, '0731'), (2, NULL), (30, '0730')) AS n (id, phone) ON n.id = c.id
WHEN MATCHED AND n.phone IS NULL THEN DELETE
WHEN MATCHED THEN UPDATE SET phone = n.phone
WHEN NOT MATCHED THEN INSERT (id, phone) VALUES (n.id, n.phone);
SELECT * FROM contacts WHERE id IN (1, 2, 30);
SELECT count(*) AS left_of_2 FROM contact_methods WHERE customer_id = 2;

-- Writable CTEs: several statements in one, their triggers after all of them.
WITH added AS (INSERT INTO customers VALUES (40, 'f', '0740') RETURNING id),
     changed AS (UPDATE customers SET whatsapp = '0830' WHERE id = 30 RETURNING id),
     gone AS (DELETE FROM customers WHERE id = 4 RETURNING id)
SELECT added.id, changed.id, gone.id FROM added, changed, gone;
SELECT * FROM contacts WHERE id IN (4, 30, 40);
-- The statement of an API: an UPDATE in a CTE, its row as JSON.
WITH changed AS (UPDATE customers SET phone = '0750', whatsapp = NULL WHERE id = 40 RETURNING *)
SELECT json_agg(changed) FROM changed;
SELECT * FROM contacts WHERE id = 40;

-- A view that can be updated, a prepared statement, a cursor, a function.
CREATE VIEW shown AS SELECT id, phone FROM customers WHERE id >= 40;
UPDATE shown SET phone = '0760' WHERE id = 40;
INSERT INTO shown VALUES (41, '0741');
PREPARE change (int, text) AS UPDATE customers SET phone = $2, whatsapp = $2 WHERE id = $1;
EXECUTE change (5, '0765');
EXECUTE change (6, '0766');
EXECUTE change (5, '0775');
BEGIN;
DECLARE one CURSOR FOR SELECT * FROM customers WHERE id = 7 FOR UPDATE;
FETCH one;
UPDATE customers SET phone = '0777' WHERE CURRENT OF one;
COMMIT;
CREATE FUNCTION set_phone(int, text) RETURNS void LANGUAGE sql AS $$ UPDATE customers SET phone = $2 WHERE id = $1 $$;
SELECT set_phone(9, '0781') IS NULL AS once, set_phone(9, '0782') IS NULL AS twice;
SELECT * FROM contacts WHERE id IN (5, 6, 7, 9, 40, 41);

-- In one transaction: inserted, updated, deleted, inserted again.
BEGIN;
INSERT INTO customers VALUES (50, 'g', '0750');
UPDATE customers SET phone = '0751', whatsapp = '0851' WHERE id = 50;
DELETE FROM customers WHERE id = 50;
INSERT INTO customers VALUES (50, 'g', '0752');
COMMIT;
SELECT * FROM contacts WHERE id = 50;
-- Rolled back as a whole, with the customer's own error.
INSERT INTO customers VALUES (60, 'h', '0760'), (1, 'a', '0760');
BEGIN;
UPDATE customers SET phone = '0000', whatsapp = NULL;
ROLLBACK;
SELECT count(*) FROM contact_methods WHERE customer_id = 60 OR phone_number IN ('0000', '0760') AND customer_id <> 40;
-- At every isolation level.
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE customers SET phone = '0791' WHERE id = 1;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE customers SET whatsapp = '0891' WHERE id = 1;
INSERT INTO customers VALUES (61, 'i', '0761');
COMMIT;
SELECT * FROM contacts WHERE id IN (1, 61);

-- A replica's apply process, and a restore with triggers off, fire no ordinary trigger.
SET session_replication_role = replica;
UPDATE customers SET phone = '0792' WHERE id = 1;
INSERT INTO customers VALUES (62, 'j', '0762');
RESET session_replication_role;
SELECT * FROM contacts WHERE id IN (1, 62);
DELETE FROM customers WHERE id IN (1, 62);

-- DELETE takes the contact rows along, by the foreign keys; so does TRUNCATE ... CASCADE.
DELETE FROM customers WHERE id < 10;
SELECT count(*) FILTER (WHERE customer_id < 10) AS gone, count(*) > 0 AS others FROM contact_methods;
SET client_min_messages = warning;
TRUNCATE customers CASCADE;
SELECT (SELECT count(*) FROM contact_methods) AS methods, (SELECT count(*) FROM contact_preferences) AS preferences;
SELECT count(*) FROM contact_sync.failures;

-- clean up
DROP SCHEMA regress_events CASCADE;
