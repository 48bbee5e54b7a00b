--
-- The AFTER triggers FOR EACH STATEMENT and FOR EACH ROW: how attach makes and changes them; and what only a statement
-- of many rows can show: batches, one attempt for all, and parts of it where one fails.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA regress_levels;
SET search_path = regress_levels;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text);

CREATE VIEW ours AS
    SELECT tgrelid::regclass AS "table", tgname AS trigger, tgparentid <> 0 AS clone,
           CASE WHEN tgtype & 1 = 1 THEN 'row' ELSE concat_ws(', ', 'statement', tgoldtable, tgnewtable) END AS level
    FROM pg_trigger WHERE tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'contact_sync'::regnamespace)
         AND tgname LIKE 'trigger%'
    ORDER BY tgrelid::regclass::text, tgname;
CREATE FUNCTION wrong(OUT object text, OUT problem text) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT object, problem FROM contact_sync.verify('regress_levels.customers') WHERE status IN ('fix', 'blocked')
$$;

--
-- attach
--
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM ours;
-- As they are is right; another level has to be asked for.
SELECT * FROM wrong();
SELECT object, problem FROM contact_sync.verify('customers', level => 'row') WHERE status IN ('fix', 'blocked');
SELECT fix FROM contact_sync.attach('customers', level => 'row');
SELECT * FROM ours;
SELECT * FROM wrong();
SELECT * FROM contact_sync.attach('customers');
SELECT object, problem FROM contact_sync.verify('customers', level => 'statement') WHERE status IN ('fix', 'blocked');
SELECT count(*) FROM contact_sync.attach('customers', level => 'statement');
SELECT * FROM ours;
SELECT * FROM wrong();
SELECT * FROM contact_sync.attach('customers', level => 'table');
-- Names are free, as long as they are: one that goes makes room, one that stays is in the way.
ALTER TRIGGER trigger_update_contact_methods_insert ON customers RENAME TO other;
ALTER TRIGGER trigger_update_contact_methods ON customers RENAME TO trigger_update_contact_methods_insert;
SELECT * FROM wrong();
DROP TRIGGER other ON customers;
CREATE TRIGGER other AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
SELECT status, problem FROM contact_sync.verify('customers', level => 'statement') WHERE status IN ('fix', 'blocked');
ALTER TRIGGER trigger_update_contact_methods_insert ON customers RENAME TO trigger_update_contact_methods;
ALTER TRIGGER other ON customers RENAME TO trigger_update_contact_methods_insert;
SELECT fix FROM contact_sync.attach('customers', level => 'statement');
SELECT * FROM ours;

-- What serves a statement needs its transition tables; the events are in one trigger each.
CREATE TRIGGER without_any AFTER INSERT ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER without_old AFTER UPDATE ON customers
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO customers VALUES (1, '0701', '0801');
UPDATE customers SET phone = '0711';
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;
SELECT fix FROM contact_sync.attach('customers');

--
-- Partitions and children: each its own, that fire for what is aimed at it, and nothing fires twice
--
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF customers FOR VALUES FROM (0) TO (100);
CREATE TABLE high PARTITION OF customers FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE higher (name text, whatsapp text, dropped int, phone text, id int NOT NULL);
ALTER TABLE higher DROP dropped;
ALTER TABLE high ATTACH PARTITION higher FOR VALUES FROM (150) TO (200);
SELECT count(*) FROM contact_sync.attach('customers', level => 'row');
SELECT * FROM ours;
SELECT count(*) FROM contact_sync.attach('customers', level => 'statement');
SELECT * FROM ours;
INSERT INTO customers VALUES (1, '0701', '0801'), (151, '0751', '0851');
INSERT INTO high VALUES (152, '0752', '0852');
INSERT INTO higher (id, phone, whatsapp) VALUES (153, '0753', '0853');
UPDATE higher SET phone = phone || 'x';
UPDATE customers SET whatsapp = whatsapp || 'y';
SELECT customer_id, string_agg(method_type || ' ' || phone_number, ', ' ORDER BY method_type) FROM contact_methods
    GROUP BY 1 ORDER BY 1;
-- The parent's own missing
DROP TRIGGER trigger_update_contact_methods ON customers;
SELECT * FROM wrong();
SELECT object FROM contact_sync.attach('customers');
SELECT count(*) FROM contact_sync.attach('customers', level => 'row');
SELECT "table", trigger FROM ours WHERE level <> 'row';
SELECT * FROM wrong();
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

-- Columns that are added with a default are not in the rows that were there before.
CREATE TABLE customers (id int PRIMARY KEY, phone text);
INSERT INTO customers SELECT i, '07' || i FROM generate_series(1, 3) i;
ALTER TABLE customers ADD whatsapp text DEFAULT '0800', ADD name text DEFAULT 'nobody';
SELECT count(*) FROM contact_sync.attach('customers');
UPDATE customers SET name = 'somebody' WHERE id = 1;
UPDATE customers SET phone = '0702' WHERE id = 2;
SELECT customer_id, string_agg(method_type || ' ' || phone_number, ', ' ORDER BY method_type) FROM contact_methods
    GROUP BY 1 ORDER BY 1;
CALL contact_sync.reconcile('customers');

--
-- Many rows
--
-- More than one batch, more than work_mem: the transition tables are in a file.
SET work_mem = '64kB';
INSERT INTO customers SELECT i, '07' || i, CASE WHEN i % 2 = 0 THEN '08' || i END FROM generate_series(10, 11009) i;
SELECT count(*) AS drifted FROM contact_sync.drift('customers');
UPDATE customers SET phone = phone || 'x' WHERE id % 3 <> 0;
UPDATE customers SET whatsapp = NULL, phone = CASE WHEN id % 5 = 0 THEN '' ELSE phone END, name = 'x' WHERE id % 7 <> 0;
SELECT count(*) AS drifted FROM contact_sync.drift('customers');
SELECT method_type, count(*), count(DISTINCT phone_number) FROM contact_methods GROUP BY 1 ORDER BY 1;
RESET work_mem;

-- Ids that change with everything else
UPDATE customers SET id = id + 100000, phone = 'n' || id WHERE id % 2 = 0;
SELECT count(*) AS drifted FROM contact_sync.drift('customers');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

-- Rows of new customers go in by order of their keys: neighbours share a page of each index.
CREATE TABLE customers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), phone text, whatsapp text);
SELECT count(*) FROM contact_sync.attach('customers');
INSERT INTO customers (phone) SELECT '07' || i FROM generate_series(1, 50) i;
SELECT array_agg(customer_id ORDER BY ctid) = array_agg(customer_id ORDER BY customer_id) AS preferences_in_order
    FROM contact_preferences;
SELECT array_agg(customer_id ORDER BY ctid) = array_agg(customer_id ORDER BY customer_id) AS methods_in_order
    FROM contact_methods;
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

--
-- One attempt for a statement, and parts where it fails
--
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text);
SELECT count(*) FROM contact_sync.attach('customers');
CREATE SEQUENCE attempts;
-- Counts the attempts that failed: no rollback takes that away.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.phone_number LIKE '%bad%' THEN
        PERFORM nextval('attempts');
        RAISE EXCEPTION 'refused: %', NEW.phone_number USING ERRCODE = substr(NEW.phone_number, 1, 5);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION refuse();
-- What became of a statement: failed attempts, customers on record, customers that drifted beside them.
CREATE VIEW outcome AS
    SELECT (SELECT last_value - 1 FROM attempts) AS failed_attempts,
           (SELECT count(*) FROM contact_sync.failures) AS recorded,
           (SELECT count(*) FROM contact_sync.drift('customers') d
            WHERE NOT EXISTS (SELECT FROM contact_sync.failures f WHERE f.customer = d.customer)) AS others_drifted;
CREATE PROCEDURE begin_anew() LANGUAGE sql AS $$
    TRUNCATE contact_sync.failures, customers CASCADE;
    SELECT setval('attempts', 1);
$$;
-- A row at fault in the middle: alone on record, with its own error.
CALL begin_anew();
INSERT INTO customers SELECT i, CASE i WHEN 700 THEN '23514 bad' ELSE '07' || i END FROM generate_series(1, 1000) i;
SELECT * FROM outcome;
SELECT customer, function, times, sqlstate, message FROM contact_sync.failures;
-- So with an UPDATE; and with P0001 and a code of the user's own.
UPDATE customers SET phone = CASE id WHEN 1 THEN 'P0001 bad' WHEN 1000 THEN 'MINE1 bad' ELSE phone || 'x' END;
SELECT * FROM outcome;
SELECT customer, function, times, sqlstate, message FROM contact_sync.failures ORDER BY 1;
-- Of several batches those before the one at fault are written twice, and those after it once, wherever it is.
CREATE SEQUENCE written;
CREATE FUNCTION count_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('written');
    RETURN NEW;
END
$$;
CREATE TRIGGER count_written BEFORE UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION count_written();
CALL begin_anew();
INSERT INTO customers SELECT i, '07' || i FROM generate_series(1, 2500) i;
UPDATE customers SET phone = CASE id WHEN 2499 THEN '23514 bad' ELSE phone || 'x' END;
SELECT *, (SELECT last_value FROM written) / (2.0 * 2500) < 2.5 AS written_twice FROM outcome;
CALL begin_anew();
INSERT INTO customers SELECT i, '07' || i FROM generate_series(1, 2500) i;
SELECT setval('written', 1);
UPDATE customers SET phone = CASE id WHEN 1 THEN '23514 bad' ELSE phone || 'x' END;
SELECT *, (SELECT last_value FROM written) / (2.0 * 2500) < 1.2 AS written_once FROM outcome;
DROP TRIGGER count_written ON contact_methods;
-- So with an INSERT, whose batches are larger.
CREATE TRIGGER count_written BEFORE INSERT ON contact_methods FOR EACH ROW EXECUTE FUNCTION count_written();
CALL begin_anew();
SELECT setval('written', 1);
INSERT INTO customers SELECT i, CASE i WHEN 21999 THEN '23514 bad' ELSE '07' || i END FROM generate_series(1, 22000) i;
SELECT *, (SELECT last_value FROM written) / (3.0 * 22000) < 2.5 AS written_twice FROM outcome;
DROP TRIGGER count_written ON contact_methods;
-- What is not of a row would only come again: one attempt, and all on record; ten told, and how many more.
CALL begin_anew();
INSERT INTO customers SELECT i, CASE i WHEN 7 THEN '42501 bad' ELSE '07' || i END FROM generate_series(1, 1000) i;
SELECT * FROM outcome;
SELECT sqlstate, message, count(*), sum(times) FROM contact_sync.failures GROUP BY 1, 2;
-- Too many at fault for sixty attempts: each is on record, and each that is not is right.
CALL begin_anew();
SET client_min_messages = error;
INSERT INTO customers SELECT i, CASE WHEN i % 20 = 0 THEN '22000 bad' ELSE '07' || i END FROM generate_series(1, 1000) i;
SET client_min_messages = warning;
SELECT failed_attempts BETWEEN 20 AND 60 AS attempts, recorded BETWEEN 50 AND 999 AS recorded, others_drifted FROM outcome;
SELECT count(*) FROM contact_sync.failures f JOIN customers c ON c.id::text = f.customer WHERE c.phone LIKE '%bad%';
-- Numbers too long are left out before: nothing fails. Both of one customer are one on record.
CALL begin_anew();
DROP TRIGGER refuse ON contact_methods;
ALTER TABLE contact_methods ALTER phone_number TYPE varchar(12);
SET client_min_messages = error;
INSERT INTO customers SELECT i, CASE WHEN i % 20 = 0 THEN 'very much too long' ELSE '07' || i END FROM generate_series(1, 1000) i;
SET client_min_messages = warning;
SELECT * FROM outcome;
SELECT sqlstate, message, count(*), sum(times) FROM contact_sync.failures GROUP BY 1, 2;
-- New customers with contact data that the app itself writes, in the same statement
CALL begin_anew();
WITH new AS (INSERT INTO customers VALUES (1, '0701', '0801'), (2, '0702', '0802'), (3, '0703', NULL) RETURNING id)
INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
    SELECT id, 'sms', CASE id WHEN 1 THEN '0701' ELSE 'old' END, true FROM new WHERE id < 3;
SELECT customer_id, method_type, phone_number, is_preferred FROM contact_methods ORDER BY 1, 2;
SELECT * FROM outcome;

-- clean up
SET client_min_messages = error;
RESET search_path;
DROP SCHEMA regress_levels CASCADE;
TRUNCATE contact_sync.failures;
