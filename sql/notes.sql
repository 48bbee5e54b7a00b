--
-- Row triggers note, statement triggers act: which triggers attach makes, which of them does the work, and what only a
-- statement of many rows can show: batches, one attempt for all, and parts of it where one fails.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA regress_notes;
SET search_path = regress_notes;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text);

CREATE VIEW ours AS
    SELECT tgrelid::regclass AS "table", tgname AS trigger, tgparentid <> 0 AS clone,
           concat_ws(', ', CASE WHEN tgtype & 1 = 1 THEN 'row' ELSE 'statement' END, tgoldtable, tgnewtable) AS level
    FROM pg_trigger WHERE tgfoid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'contact_sync'::regnamespace)
         AND tgname LIKE 'trigger%'
    ORDER BY tgrelid::regclass::text COLLATE "C", tgname;
CREATE FUNCTION wrong(OUT object text, OUT problem text) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT object, problem FROM contact_sync.verify('regress_notes.customers') WHERE status IN ('fix', 'blocked')
$$;

--
-- attach
--
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM ours;
SELECT * FROM wrong();
-- Names are free, as long as they are: one that goes makes room, one that stays is in the way.
ALTER TRIGGER trigger_update_contact_methods_statement ON customers RENAME TO other;
ALTER TRIGGER trigger_update_contact_methods ON customers RENAME TO trigger_update_contact_methods_statement;
SELECT * FROM wrong();
DROP TRIGGER other ON customers;
SELECT status, problem FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
ALTER TRIGGER trigger_update_contact_methods_statement ON customers RENAME TO trigger_update_contact_methods;
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM ours;
-- The sets of triggers that 1.0 made, with transition tables or FOR EACH ROW alone, are replaced.
CREATE PROCEDURE as_of_1_0(customers text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE replace('CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON %1$s
        REFERENCING NEW TABLE AS new_customers FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
        CREATE TRIGGER trigger_update_contact_methods AFTER UPDATE ON %1$s
        REFERENCING OLD TABLE AS old_customers NEW TABLE AS new_customers
        FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
        CREATE TRIGGER trigger_update_contact_methods_insert AFTER INSERT ON %1$s
        REFERENCING NEW TABLE AS new_customers FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods()',
        '%1$s', customers);
END
$$;
SELECT trigger_name FROM contact_sync.detach('customers');
CALL as_of_1_0('customers');
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM ours;
SELECT * FROM wrong();

--
-- Who acts. A row trigger notes where a statement trigger of the same function is sure to follow, else it acts itself, in
-- an attempt for each row.
--
INSERT INTO customers SELECT n, n, n FROM generate_series(1, 4) AS n;
CREATE FUNCTION acts(change text, OUT changed bigint, OUT attempts bigint, OUT drifted bigint, OUT failed bigint)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE change;
    UPDATE regress_notes.customers SET phone = phone || '0';
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT count(*), count(DISTINCT xmin::text) INTO changed, attempts
    FROM regress_notes.contact_methods WHERE phone_number LIKE '%0';
    drifted := (SELECT count(*) FROM contact_sync.drift('regress_notes.customers', 'id', 'phone', 'whatsapp'));
    failed := (SELECT count(*) FROM contact_sync.failures);
    RAISE EXCEPTION USING ERRCODE = 'ZZ001';
EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
    RESET session_replication_role;
END
$$;
\set row 'CREATE TRIGGER by_row AFTER INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods'
\set statement 'CREATE TRIGGER by_statement AFTER INSERT OR UPDATE ON customers EXECUTE FUNCTION contact_sync.update_contact_methods'
\set drop_row 'DROP TRIGGER trigger_update_contact_methods ON customers;'
\set drop_statement 'DROP TRIGGER trigger_update_contact_methods_statement ON customers;'
SELECT way, acts.* FROM (VALUES
    ('as attach makes them', ''),
    ('the row trigger alone', :'drop_statement'),
    ('the statement trigger alone', :'drop_row'),
    ('the statement trigger disabled', 'ALTER TABLE customers DISABLE TRIGGER trigger_update_contact_methods_statement'),
    ('... for replicas', 'ALTER TABLE customers ENABLE REPLICA TRIGGER trigger_update_contact_methods_statement'),
    ('... always', 'ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_update_contact_methods_statement'),
    ('the row trigger disabled', 'ALTER TABLE customers DISABLE TRIGGER trigger_update_contact_methods'),
    ('other names, other order', :'drop_row' || :'drop_statement' || :'row' || '();' || :'statement' || '()'),
    ('arguments that say the same', :'drop_statement' || :'statement' || '(''id'', ''phone'')'),
    ('other columns of the statement trigger', :'drop_statement' || :'statement' || '(''id'', ''name'')'),
    ('... beside the right one', :'statement' || '(''id'', ''name'')'),
    ('two of each', :'row' || '();' || :'statement' || '()'),
    ('for INSERT alone', :'drop_statement' || replace(:'statement', 'INSERT OR UPDATE', 'INSERT') || '()'),
    ('an event in each', :'drop_statement' || replace(:'statement', 'INSERT OR UPDATE', 'UPDATE') || '();'
        || replace(replace(:'statement', 'INSERT OR UPDATE', 'INSERT'), 'by_', 'for_') || '()'),
    ('with a condition', :'drop_statement' || replace(:'statement', 'EXECUTE', 'WHEN (true) EXECUTE') || '()'),
    ('... that is false', :'drop_statement' || replace(:'statement', 'EXECUTE', 'WHEN (false) EXECUTE') || '()'),
    ('with transition tables', :'drop_statement' || replace(replace(:'statement', 'INSERT OR UPDATE', 'UPDATE'),
                                                            'EXECUTE', 'REFERENCING NEW TABLE AS n EXECUTE') || '()'),
    ('before the statement', :'drop_statement' || replace(:'statement', 'AFTER', 'BEFORE') || '()'),
    ('a row trigger with a condition', :'drop_row'
        || replace(:'row', 'EXECUTE', 'WHEN (NEW.id > 2) EXECUTE') || '()'),
    ('a constraint trigger', :'drop_row' || replace(:'row', 'TRIGGER', 'CONSTRAINT TRIGGER') || '()'),
    ('... deferrable', :'drop_row' || replace(replace(:'row', 'TRIGGER', 'CONSTRAINT TRIGGER'), 'FOR', 'DEFERRABLE FOR') || '()'),
    ('... deferred', :'drop_row' || replace(replace(:'row', 'TRIGGER', 'CONSTRAINT TRIGGER'), 'FOR', 'DEFERRABLE INITIALLY DEFERRED FOR') || '()'),
    ('in a replica', 'ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_update_contact_methods;
                      SET session_replication_role = replica'),
    ('... all of them', 'ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_update_contact_methods;
                         ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_update_contact_methods_statement;
                         SET session_replication_role = replica'),
    ('a replica''s local session', 'SET session_replication_role = local'))
    AS ways(way, change), acts(change) AS acts;

--
-- Statements of all kinds
--
-- What a statement makes of the methods sms, and in how many attempts; whether anything is left out of step.
CREATE FUNCTION becomes(sql text, OUT sms text, OUT preferences text, OUT attempts bigint, OUT drifted bigint)
LANGUAGE plpgsql AS $$
DECLARE
    old text[] := (SELECT coalesce(array_agg(DISTINCT xmin::text), '{}') FROM regress_notes.contact_methods);
BEGIN
    EXECUTE sql;
    SET CONSTRAINTS ALL IMMEDIATE;
    sms := (SELECT string_agg(customer_id || ' ' || phone_number, ', ' ORDER BY customer_id)
            FROM regress_notes.contact_methods WHERE method_type = 'sms');
    preferences := (SELECT string_agg(customer_id::text, ', ' ORDER BY customer_id) FROM regress_notes.contact_preferences);
    attempts := (SELECT count(DISTINCT xmin::text) FROM regress_notes.contact_methods WHERE xmin::text <> ALL (old));
    drifted := (SELECT count(*) FROM contact_sync.drift('regress_notes.customers'));
    RAISE EXCEPTION USING ERRCODE = 'ZZ001';
EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
    NULL;
END
$$;
CREATE FUNCTION with_number(int) RETURNS text LANGUAGE sql AS
    $$ UPDATE regress_notes.customers SET phone = 'f' || id WHERE id = $1 RETURNING phone $$;
CREATE TABLE sims (number text PRIMARY KEY);
INSERT INTO sims SELECT phone FROM customers UNION SELECT 'spare';
SELECT statement, becomes.* FROM unnest(ARRAY[
    $$INSERT INTO customers (id, phone, whatsapp) VALUES (5, '5', NULL), (6, NULL, '6'), (7, NULL, NULL)$$,
    $$INSERT INTO customers SELECT n, n FROM generate_series(5, 7) AS n$$,
    $$COPY customers (id, phone) FROM PROGRAM 'echo 5,5 && echo 6,6' (FORMAT csv)$$,
    $$INSERT INTO customers VALUES (1, 'c1'), (2, 'c2'), (5, 'c5'), (6, 'c6') ON CONFLICT (id) DO UPDATE SET phone = excluded.phone$$,
    $$INSERT INTO customers VALUES (1, 'c1'), (5, 'c5') ON CONFLICT DO NOTHING$$,
    $$MERGE INTO customers c USING generate_series(1, 6) AS n ON c.id = n WHEN MATCHED AND n = 1 THEN DELETE
        WHEN MATCHED THEN UPDATE SET phone = 'm' || n WHEN NOT MATCHED THEN INSERT (id, phone) VALUES (n, 'i' || n)$$,
    $$UPDATE customers SET phone = CASE id WHEN 1 THEN '' WHEN 2 THEN NULL WHEN 3 THEN '3' ELSE 'u' END, name = 'n'$$,
    $$UPDATE customers c SET phone = 'u' || n FROM generate_series(2, 3) AS n WHERE n = c.id$$,
    $$UPDATE customers SET id = 14 - id, phone = 'u' || id$$,
    $$UPDATE customers SET id = id + 10$$,
    $$DELETE FROM customers WHERE id < 3$$,
    $$WITH u AS (UPDATE customers SET phone = 'u' WHERE id < 3 RETURNING id) INSERT INTO customers SELECT id + 10, 'i' FROM u$$,
    $$WITH a AS (UPDATE customers SET phone = 'a' WHERE id = 1), b AS (UPDATE customers SET phone = 'b' WHERE id = 2) SELECT$$,
    $$WITH a AS (INSERT INTO customers VALUES (5, 'a')), b AS (INSERT INTO customers VALUES (6, 'b')) UPDATE customers SET phone = 'u'$$,
    $$DO 'BEGIN FOR i IN 1..3 LOOP EXECUTE ''UPDATE regress_notes.customers SET phone = $1 WHERE id = $2'' USING ''e'' || i, i; END LOOP; END'$$,
    $$DO 'DECLARE c CURSOR FOR SELECT * FROM regress_notes.customers WHERE id < 4 FOR UPDATE;
          BEGIN FOR r IN c LOOP UPDATE regress_notes.customers SET phone = ''w'' WHERE CURRENT OF c; END LOOP; END'$$,
    $$SELECT with_number(n) FROM generate_series(1, 3) AS n$$,
    $$UPDATE customers SET name = with_number(id % 2 + 3) WHERE id < 3$$,
    $$UPDATE customers SET phone = 'o' || coalesce(with_number(id % 2 + 3), '') WHERE id < 3$$,
    $$ALTER TABLE customers ADD FOREIGN KEY (phone) REFERENCES sims ON UPDATE CASCADE ON DELETE SET NULL;
      UPDATE sims SET number = 's' || number$$,
    $$ALTER TABLE customers ADD FOREIGN KEY (phone) REFERENCES sims ON UPDATE CASCADE ON DELETE SET NULL; DELETE FROM sims$$,
    $$ALTER TABLE customers ADD introduced_by int REFERENCES customers ON UPDATE CASCADE;
      UPDATE customers SET introduced_by = 1 WHERE id > 1;
      UPDATE customers SET id = id + 10, phone = 'k' || id WHERE id = 1$$,
    $$ALTER TABLE customers ADD introduced_by int REFERENCES customers (id) ON DELETE CASCADE;
      UPDATE customers SET introduced_by = 1 WHERE id = 2;
      WITH u AS (UPDATE customers SET phone = 'u' WHERE id > 2) DELETE FROM customers WHERE id = 1$$,
    $$CREATE VIEW v AS SELECT id, phone FROM customers WHERE id < 4; UPDATE v SET phone = 'v'$$,
    $$CREATE RULE r AS ON UPDATE TO sims DO INSTEAD UPDATE customers SET phone = NEW.number WHERE phone = OLD.number;
      UPDATE sims SET number = 'r' || number$$,
    $$PREPARE p AS UPDATE customers SET phone = 'p' || $1; EXECUTE p(1); EXECUTE p(2); DEALLOCATE p$$
    ]) AS statement, becomes(statement) AS becomes;

-- Statements that a user's row trigger runs, before ours in name and after. Each statement's notes are its own.
CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        EXECUTE TG_ARGV[0] USING NEW.id;
    END IF;
    RETURN NEW;
END
$$;
SELECT left(name, 1) AS trigger, nested, becomes.*
FROM unnest('{a BEFORE, a AFTER, z AFTER}'::text[]) WITH ORDINALITY AS t(name, place),
     unnest(ARRAY[
        $$UPDATE regress_notes.customers SET phone = 'nested' WHERE id = $1 % 4 + 1$$,
        $$UPDATE regress_notes.customers SET phone = '' WHERE id = $1$$,
        $$UPDATE regress_notes.customers SET id = id + 100 WHERE id = $1 AND id <> 4$$,
        $$DELETE FROM regress_notes.customers WHERE id = 4 AND $1 = 1$$,
        $$INSERT INTO regress_notes.customers VALUES ($1 + 100, 'nested')$$
     ]) WITH ORDINALITY AS n(nested, number),
     becomes(format('CREATE TRIGGER %s INSERT OR UPDATE ON regress_notes.customers FOR EACH ROW EXECUTE FUNCTION nested(%L);',
                    name, nested)
             || $$UPDATE customers SET phone = 'outer' || id WHERE id < 4$$) AS becomes
WHERE name <> 'a BEFORE' OR number > 3      -- a BEFORE trigger may not change its own row
ORDER BY number, place;

--
-- Savepoints: notes that nobody has acted on go with them. Without that, a number that was too long would be recorded.
--
ALTER TABLE contact_methods ALTER phone_number TYPE varchar(12);
CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name = 'stop' THEN
        RAISE EXCEPTION 'stopped';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER zzz_stop AFTER INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION stop();
BEGIN;
SAVEPOINT one;
UPDATE customers SET phone = 'very much too long', name = CASE id WHEN 4 THEN 'stop' END;
ROLLBACK TO one;
UPDATE customers SET phone = '11' WHERE id = 1;
DO $$
BEGIN
    UPDATE regress_notes.customers SET phone = 'very much too long', name = CASE id WHEN 4 THEN 'stop' END;
EXCEPTION WHEN OTHERS THEN
    UPDATE regress_notes.customers SET phone = '22' WHERE id = 2;
END
$$;
COMMIT;
UPDATE customers SET phone = 'very much too long', name = CASE id WHEN 4 THEN 'stop' END;
UPDATE customers SET phone = '33' WHERE id = 3;
SELECT string_agg(phone_number, ', ' ORDER BY customer_id) FROM contact_methods WHERE method_type = 'sms';
SELECT count(*) FROM contact_sync.failures;
-- The statement of an outer level is served, whatever becomes of an inner one.
CREATE FUNCTION try() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.name = 'try' THEN
        UPDATE regress_notes.customers SET phone = 'very much too long', name = CASE id WHEN 4 THEN 'stop' END WHERE id > 2;
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
CREATE TRIGGER zz_try AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION try();
UPDATE customers SET phone = 'outer', name = 'try' WHERE id < 3;
SELECT string_agg(phone_number, ', ' ORDER BY customer_id) FROM contact_methods WHERE method_type = 'sms';
SELECT count(*) FROM contact_sync.failures;
DROP TRIGGER zz_try ON customers;
DROP TRIGGER zzz_stop ON customers;

--
-- Partitions: whatever is aimed at, each row is served once, and where partitions come later and move their rows too.
--
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF customers FOR VALUES FROM (0) TO (100);
CREATE TABLE high PARTITION OF customers FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE higher (name text, whatsapp text, dropped int, phone text, id int NOT NULL);
ALTER TABLE higher DROP dropped;
ALTER TABLE high ATTACH PARTITION higher FOR VALUES FROM (150) TO (200);
-- 1.0's are replaced here, too: those of a partition before its parent's are cloned to it.
CALL as_of_1_0('customers');
CALL as_of_1_0('low');
CALL as_of_1_0('high');
CALL as_of_1_0('higher');
SELECT object, fix FROM contact_sync.attach('customers') WHERE check_name = 'trigger';
SELECT * FROM ours;
SELECT * FROM wrong();
INSERT INTO customers VALUES (1, '1'), (2, '2'), (151, '151'), (152, '152');
SELECT statement, becomes.* FROM unnest(ARRAY[
    $$INSERT INTO customers VALUES (3, '3'), (153, '153')$$,
    $$INSERT INTO low VALUES (3, '3'), (4, '4')$$,
    $$INSERT INTO high VALUES (153, '153'), (154, '154')$$,
    $$INSERT INTO higher (id, phone) VALUES (153, '153'), (154, '154')$$,
    $$UPDATE customers SET phone = 'u' || id$$,
    $$UPDATE high SET phone = 'u' || id$$,
    $$UPDATE higher SET phone = 'u' || id$$,
    $$UPDATE customers SET id = id + 170, phone = 'm' || id WHERE id < 3$$,
    $$UPDATE customers SET id = CASE id WHEN 1 THEN 161 WHEN 151 THEN 3 ELSE id END$$,
    $$INSERT INTO customers VALUES (1, 'c'), (3, 'c'), (151, 'c') ON CONFLICT (id) DO UPDATE SET phone = 'd'$$,
    $$MERGE INTO customers c USING (VALUES (1), (3), (151), (153)) AS v(n) ON c.id = n
        WHEN MATCHED AND n = 1 THEN UPDATE SET id = 160, phone = 'm' WHEN MATCHED THEN UPDATE SET phone = 'm'
        WHEN NOT MATCHED THEN INSERT (id, phone) VALUES (n, 'i')$$,
    $$COPY customers (id, phone) FROM PROGRAM 'echo 5,5 && echo 155,155' (FORMAT csv)$$
    ]) AS statement, becomes(statement) AS becomes;
-- A partition that comes later has the row triggers from its parent. They act by themselves until attach is called again.
CREATE TABLE later PARTITION OF customers FOR VALUES FROM (200) TO (300);
\set later 'unnest(ARRAY[$$INSERT INTO customers VALUES (3, 3), (203, 203), (204, 204)$$, $$INSERT INTO later VALUES (203, 203), (204, 204)$$, $$INSERT INTO customers VALUES (203, 3); UPDATE customers SET phone = 3$$]) AS statement'
SELECT statement, becomes.* FROM :later, becomes(statement) AS becomes;
SELECT * FROM wrong();
SELECT object FROM contact_sync.attach('customers');
SELECT statement, becomes.* FROM :later, becomes(statement) AS becomes;
SELECT * FROM becomes($$UPDATE customers SET id = id + 200, phone = 'm' WHERE id < 3$$);
-- One that is attached to another table brings its own triggers, and notes nothing for that one.
ALTER TABLE customers DETACH PARTITION later;
INSERT INTO later VALUES (203, '203'), (204, '204');
SELECT customer_id, phone_number FROM contact_methods WHERE customer_id > 200 AND method_type = 'sms';
SELECT customer, sqlstate FROM contact_sync.failures ORDER BY 1;
DELETE FROM contact_sync.failures;
-- The parent's own missing
DROP TRIGGER trigger_update_contact_methods_statement ON customers;
SELECT * FROM becomes($$UPDATE customers SET phone = 'u' || id$$);
SELECT object FROM contact_sync.attach('customers');
SELECT * FROM wrong();
DROP TABLE customers, later, contact_methods, contact_preferences, contact_history;

-- Inheritance children: a statement on the parent, on the child; a child that has none of our triggers; two parents.
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text);
CREATE TABLE child (branch text, PRIMARY KEY (id)) INHERITS (customers);
CREATE TABLE grandchild (PRIMARY KEY (id)) INHERITS (child);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO customers VALUES (1, '1'), (2, '2');
INSERT INTO child VALUES (11, '11'), (12, '12');
INSERT INTO grandchild VALUES (21, '21'), (22, '22');
\set family 'unnest(ARRAY[$$UPDATE customers SET phone = phone || phone$$, $$UPDATE ONLY customers SET phone = phone || phone$$, $$UPDATE child SET phone = phone || phone$$, $$UPDATE grandchild SET phone = phone || phone$$, $$INSERT INTO child VALUES (13, 13), (14, 14)$$]) AS statement'
SELECT statement, becomes.* FROM :family, becomes(statement) AS becomes;
CREATE TABLE other_parent (id int);
ALTER TABLE child INHERIT other_parent;
SELECT statement, becomes.* FROM :family, becomes(statement) AS becomes;
DROP TABLE customers, other_parent, contact_methods, contact_preferences, contact_history CASCADE;

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
-- More than one batch, more than work_mem: notes are acted on before the statement ends.
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

-- Nothing is kept that could spill to disk: not of rows that a statement leaves as they were, not of rows that it changes.
CALL begin_anew();
SET temp_file_limit = '1MB';
SET work_mem = '64kB';
INSERT INTO customers SELECT i, '07' || i FROM generate_series(1, 20000) i;
UPDATE customers SET name = name || 'x';
UPDATE customers SET phone = '08' || id;
RESET temp_file_limit;
RESET work_mem;
SELECT * FROM outcome;

-- clean up
SET client_min_messages = error;
RESET search_path;
DROP SCHEMA regress_notes CASCADE;
TRUNCATE contact_sync.failures;
