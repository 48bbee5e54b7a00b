--
-- contact_quarantine: rows of contact tables that cannot stay move there, whole, with the reason. None is ever deleted.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\set legacy_data :abs_srcdir '/test/fixtures/legacy_data.sql'
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
-- Rows are moved with their timestamps in this form.
SET timezone = 'UTC';
SET client_min_messages = warning;

CREATE ROLE regress_contact_app;
CREATE ROLE regress_contact_owner;
CREATE ROLE regress_contact_other;
CREATE SCHEMA regress_quarantine;
SET search_path = regress_quarantine;
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all

-- What verify says of rows that cannot stay.
CREATE FUNCTION wrong(OUT status text, OUT check_name text, OUT object text, OUT problem text) RETURNS SETOF record
BEGIN ATOMIC
    SELECT v.status, v.check_name, replace(v.object, 'regress_quarantine.', ''),
           replace(v.problem, 'regress_quarantine.', '')
    FROM contact_sync.verify('customers') WITH ORDINALITY AS v(check_name, object, status, problem, fix, place)
    WHERE v.status IN ('blocked', 'fix') AND v.check_name ~ 'quarantine|misplaced|code' ORDER BY v.place;
END;

-- Every row of contact data, with the table it is from.
CREATE VIEW contact_rows AS
    SELECT 'contact_methods' AS source_table, to_jsonb(m) AS row_data FROM contact_methods m
    UNION ALL SELECT 'contact_preferences', to_jsonb(p) FROM contact_preferences p
    UNION ALL SELECT 'contact_history', to_jsonb(h) FROM contact_history h;
CREATE FUNCTION id(number int) RETURNS uuid
    RETURN ('00000000-0000-4000-8000-' || lpad(number::text, 12, '0'))::uuid;

-- A database whose rows are as they should be has no such table, and gets none.
SELECT status, problem FROM contact_sync.verify('customers') WHERE check_name IN ('quarantine', 'misplaced_rows');
BEGIN;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT to_regclass('contact_quarantine');
ROLLBACK;

--
-- All kinds of rows at once
--
-- Keys are gone, and rows came that they would have kept away: of nobody, of customers who are not there, twice.
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_key,
    DROP CONSTRAINT contact_preferences_customer_id_fkey;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key,
    DROP CONSTRAINT contact_methods_customer_id_fkey;
ALTER TABLE contact_history DROP CONSTRAINT contact_history_customer_id_fkey;
ALTER TABLE contact_methods ADD COLUMN remark text DEFAULT 'own column';
INSERT INTO contact_methods (customer_id, method_type, phone_number, updated_at) VALUES
    (NULL, 'sms', 'of nobody', '2024-01-01'),
    (id(9), 'sms', 'of a stranger', '2024-01-01'), (id(9), 'sms', 'of a stranger again', '2024-01-02'),
    (id(1), 'whatsapp', 'stale, newer', '2124-01-01'), (id(1), 'sms', 'stale, older', '2001-01-01'),
    (id(4), 'sms', 'older', '2024-01-01'), (id(4), 'sms', 'newest', '2024-01-03'), (id(4), 'sms', 'old', '2024-01-02');
INSERT INTO contact_preferences (customer_id, language, updated_at) VALUES
    (NULL, 'sw', '2024-01-01'), (id(9), 'sw', '2024-01-01'), (id(1), 'sw', '2001-01-01'), (id(3), 'sw', '2124-01-01');
-- A call from an unknown number is of nobody, and stays.
INSERT INTO contact_history (customer_id, method, type, status, content) VALUES
    (id(9), 'sms', 'message', 'sent', 'to a stranger'), (NULL, 'sms', 'message', 'sent', 'to nobody');
CREATE TABLE before AS SELECT * FROM contact_rows;
SELECT * FROM wrong();

-- The SQL that moves them
SELECT object, fix FROM contact_sync.verify('customers')
    WHERE check_name IN ('quarantine', 'misplaced_rows') AND fix !~ 'preferences|history' ORDER BY fix;

BEGIN;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT check_name, object, status, problem FROM contact_sync.verify('customers')
    WHERE status IN ('fix', 'blocked') OR check_name = 'quarantine';
-- The customer's present number stays, though another is newer; else the newest.
SELECT source_table, reason, customer, data
    FROM contact_quarantine,
         coalesce(row_data ->> 'phone_number', row_data ->> 'content', row_data ->> 'language') AS data
    ORDER BY source_table COLLATE "C", reason COLLATE "C", customer, data COLLATE "C";
SELECT customer_id, method_type, phone_number FROM contact_methods WHERE customer_id IN (id(1), id(4)) ORDER BY 1, 2;
SELECT customer_id, language FROM contact_preferences ORDER BY 1;
SELECT customer_id, content FROM contact_history WHERE method = 'sms';
-- Every row is where it was or in quarantine, once and whole: what goes in comes out.
SELECT * FROM before EXCEPT ALL
    (SELECT * FROM contact_rows UNION ALL SELECT source_table, row_data FROM contact_quarantine);
SELECT count(*) - (SELECT count(*) FROM before) AS too_many
    FROM (SELECT FROM contact_rows UNION ALL SELECT FROM contact_quarantine) AS rows;
-- A row comes back by one statement, once what was wrong with it is right.
INSERT INTO customers (id, name) VALUES (id(9), 'no stranger any more');
INSERT INTO contact_methods
    SELECT r.* FROM contact_quarantine, jsonb_populate_record(NULL::contact_methods, row_data) AS r
    WHERE source_table = 'contact_methods' AND reason = 'no such customer' AND row_data ->> 'phone_number' ~ 'again';
SELECT phone_number, remark FROM contact_methods WHERE customer_id = id(9);
ROLLBACK;

-- By hand, one by one, it is the same.
BEGIN;
\set ECHO none
SELECT fix FROM contact_sync.verify('customers') WHERE status = 'fix' \gexec
\set ECHO all
SELECT source_table, reason, count(*) FROM contact_quarantine
    GROUP BY 1, 2 ORDER BY source_table COLLATE "C", reason COLLATE "C";
SELECT * FROM before EXCEPT ALL
    (SELECT * FROM contact_rows UNION ALL SELECT source_table, row_data FROM contact_quarantine);
ROLLBACK;

-- Where there is no column that tells the newest, and none that tells the number, one stays all the same.
BEGIN;
ALTER TABLE contact_methods DROP COLUMN updated_at, DROP COLUMN created_at;
ALTER TABLE customers DROP COLUMN phone;
CREATE TEMPORARY TABLE changed AS SELECT * FROM contact_rows;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT method_type, phone_number FROM contact_methods WHERE customer_id = id(4);
SELECT source_table, row_data FROM changed WHERE source_table = 'contact_methods' EXCEPT ALL
    (SELECT source_table, row_data - '{updated_at,created_at}'::text[] FROM contact_rows
     UNION ALL SELECT source_table, row_data FROM contact_quarantine);
ROLLBACK;

-- The present number is compared bit by bit, whatever the collations of the columns.
BEGIN;
DO $$
BEGIN
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false);
EXCEPTION WHEN OTHERS THEN                  -- no ICU: the same results are expected of any other
    CREATE COLLATION loose FROM "POSIX";
END $$;
ALTER TABLE customers DISABLE TRIGGER USER;
ALTER TABLE customers ALTER phone TYPE text COLLATE loose, ALTER whatsapp TYPE text COLLATE "POSIX";
ALTER TABLE contact_methods ALTER phone_number TYPE text COLLATE loose;
UPDATE customers SET phone = '0-744' WHERE id = id(4);
UPDATE contact_methods SET phone_number = CASE phone_number WHEN 'old' THEN '0-744' ELSE '0744' END
    WHERE customer_id = id(4) AND method_type = 'sms';
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT method_type, phone_number FROM contact_methods WHERE customer_id = id(4) ORDER BY method_type COLLATE "C";
ROLLBACK;

-- A customer in an inheritance child, and one who is in parent and child, are customers like others.
BEGIN;
CREATE TABLE customers_child () INHERITS (customers);
INSERT INTO customers_child (id, name, phone) VALUES (id(9), 'child', 'of a stranger'),
    (id(1), 'twice', '+255700000001');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT customer_id, method_type, phone_number FROM contact_methods WHERE customer_id IN (id(1), id(9)) ORDER BY 1, 2;
SELECT source_table, reason, count(*) FROM contact_quarantine
    GROUP BY 1, 2 ORDER BY source_table COLLATE "C", reason COLLATE "C";
ROLLBACK;

--
-- When rows are looked at
--
-- After attach, too: NOT NULL is not asked for, and a key that is not valid leaves what was there before it.
BEGIN;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
TRUNCATE contact_quarantine;
INSERT INTO contact_methods (method_type, phone_number) VALUES ('sms', 'of nobody');
SELECT * FROM wrong();
SELECT object FROM contact_sync.attach('customers');
ALTER TABLE contact_methods ALTER COLUMN customer_id SET NOT NULL;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey;
INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (id(8), 'sms', 'of a stranger');
ALTER TABLE contact_methods ADD FOREIGN KEY (customer_id) REFERENCES customers
    ON UPDATE CASCADE ON DELETE CASCADE NOT VALID;
SELECT * FROM wrong();
SELECT object FROM contact_sync.attach('customers');
SELECT reason, row_data ->> 'phone_number' AS phone_number FROM contact_quarantine ORDER BY id;
ALTER TABLE contact_methods VALIDATE CONSTRAINT contact_methods_customer_id_fkey;
ROLLBACK;

--
-- Whose it is
--
-- The owner of customers alone has rights on it, whatever the default privileges hand to whom.
BEGIN;
ALTER TABLE customers OWNER TO regress_contact_owner;
ALTER TABLE contact_methods OWNER TO regress_contact_owner;
ALTER TABLE contact_preferences OWNER TO regress_contact_owner;
ALTER TABLE contact_history OWNER TO regress_contact_owner;
GRANT USAGE, CREATE ON SCHEMA regress_quarantine TO regress_contact_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_contact_owner IN SCHEMA regress_quarantine
    GRANT ALL ON TABLES TO regress_contact_app;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_contact_owner IN SCHEMA regress_quarantine
    GRANT ALL ON SEQUENCES TO regress_contact_app, PUBLIC;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT relname, relowner::regrole, relrowsecurity AS rls, has_any_column_privilege('regress_contact_app', oid, 'SELECT')
       AS table_read, (SELECT count(*) FROM aclexplode(relacl) WHERE grantee <> relowner) AS grants
    FROM pg_class WHERE oid = 'contact_quarantine'::regclass
UNION ALL
SELECT relname, relowner::regrole, NULL, has_sequence_privilege('regress_contact_app', oid, 'USAGE, SELECT'),
       (SELECT count(*) FROM aclexplode(relacl) WHERE grantee <> relowner)
    FROM pg_class WHERE oid = 'contact_quarantine_id_seq'::regclass;
SELECT count(*) FROM pg_policy WHERE polrelid = 'contact_quarantine'::regclass;
-- verify tells who got rights since, and that row security is off.
GRANT SELECT ON contact_quarantine TO regress_contact_app;
ALTER TABLE contact_quarantine DISABLE ROW LEVEL SECURITY;
SELECT status, problem, fix FROM contact_sync.verify('customers') WHERE check_name = 'quarantine';
ROLLBACK;

-- A table of that name that is another, or another's, is not written.
BEGIN;
CREATE TABLE contact_quarantine (reason text);
SELECT * FROM wrong() WHERE status = 'blocked';
SELECT * FROM contact_sync.attach('customers');
ROLLBACK;
BEGIN;
CREATE TABLE contact_quarantine (source_table text, reason text, customer text, row_data jsonb);
ALTER TABLE contact_quarantine OWNER TO regress_contact_other;
SELECT * FROM wrong() WHERE status = 'blocked';
ROLLBACK;
-- Where nothing is to be moved it is nobody's business.
BEGIN;
TRUNCATE contact_methods, contact_preferences, contact_history;
CREATE TABLE contact_quarantine (reason text);
SELECT * FROM wrong();
ROLLBACK;

-- No code of others runs: no trigger of the tables, no rule; and a table of another's is not even looked at.
BEGIN;
CREATE TABLE contact_quarantine (source_table text, reason text, customer text, row_data jsonb);
CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END';
CREATE TRIGGER trap BEFORE INSERT ON contact_quarantine FOR EACH ROW EXECUTE FUNCTION trap();
CREATE TRIGGER trap BEFORE DELETE ON contact_methods FOR EACH ROW EXECUTE FUNCTION trap();
ALTER FUNCTION trap() OWNER TO regress_contact_other;
CREATE TYPE bait AS ENUM ('bait');
ALTER TYPE bait OWNER TO regress_contact_other;
ALTER TABLE contact_history ADD COLUMN bait bait DEFAULT 'bait';
ALTER TABLE contact_history OWNER TO regress_contact_other;
CREATE RULE swap AS ON DELETE TO contact_preferences DO INSTEAD NOTHING;
SELECT * FROM wrong() WHERE status = 'blocked';
ROLLBACK;

-- Policies hide no customer from the owner, not even where they are forced on him: a row whose customer is hidden is not
-- taken for one without.
BEGIN;
CREATE POLICY mine ON customers FOR SELECT TO regress_contact_owner USING (false);
CREATE POLICY mine ON contact_methods USING (false);
ALTER TABLE contact_methods FORCE ROW LEVEL SECURITY;
ALTER TABLE customers OWNER TO regress_contact_owner;
ALTER TABLE customers FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_methods OWNER TO regress_contact_owner;
ALTER TABLE contact_preferences OWNER TO regress_contact_owner;
ALTER TABLE contact_history OWNER TO regress_contact_owner;
GRANT USAGE, CREATE ON SCHEMA regress_quarantine TO regress_contact_owner;
SET LOCAL ROLE regress_contact_owner;
SELECT problem FROM wrong() WHERE check_name = 'misplaced_rows';
ROLLBACK;

-- Rows that rows of other tables refer to stay where they are, whatever would become of those.
CREATE PROCEDURE try_referrer(definition text) LANGUAGE plpgsql AS $$
DECLARE
    found record;
BEGIN
    DELETE FROM contact_methods;
    DELETE FROM contact_preferences;
    ALTER TABLE contact_methods DROP CONSTRAINT IF EXISTS contact_methods_customer_id_method_type_key;
    INSERT INTO contact_methods (id, customer_id, method_type, phone_number, updated_at)
        SELECT id(place), c.id, 'sms', place::text, '2024-01-01'::timestamptz + place * interval '1 day'
        FROM (SELECT id FROM customers ORDER BY id LIMIT 1) AS c, generate_series(1, 3) AS place;
    EXECUTE definition;
    FOR found IN SELECT * FROM wrong() WHERE check_name = 'misplaced_rows' LOOP
        RAISE INFO '%: %', found.status, found.problem;
    END LOOP;
    BEGIN
        PERFORM FROM contact_sync.attach('customers');
        RAISE INFO 'attached: % rows in contact_methods, % moved', (SELECT count(*) FROM contact_methods),
            (SELECT count(*) FROM contact_quarantine);
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        RAISE INFO 'attach refuses';
    END;
    RAISE EXCEPTION USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
    NULL;
END
$$;
CALL try_referrer('');
CALL try_referrer($$CREATE TABLE log (method uuid REFERENCES contact_methods ON DELETE CASCADE); INSERT INTO log VALUES (id(1)), (NULL)$$);
CALL try_referrer($$CREATE TABLE log (method uuid REFERENCES contact_methods); INSERT INTO log VALUES (id(1))$$);
CALL try_referrer($$CREATE TABLE log (method uuid REFERENCES contact_methods ON DELETE SET NULL); INSERT INTO log VALUES (id(1))$$);
-- ... those that stay anyway are no matter
CALL try_referrer($$CREATE TABLE log (method uuid REFERENCES contact_methods ON DELETE CASCADE); INSERT INTO log VALUES (id(3))$$);
CALL try_referrer($$ALTER TABLE contact_methods ADD replaces uuid REFERENCES contact_methods;
                    UPDATE contact_methods SET replaces = id(1) WHERE id = id(3)$$);
-- Of more columns than one, of a partitioned table, in a table that cannot be read
CALL try_referrer($$ALTER TABLE contact_methods ADD UNIQUE (customer_id, phone_number);
                    CREATE TABLE log (customer uuid, number text, FOREIGN KEY (customer, number)
                        REFERENCES contact_methods (customer_id, phone_number) ON DELETE CASCADE) PARTITION BY LIST (number);
                    CREATE TABLE log_1 PARTITION OF log DEFAULT;
                    INSERT INTO log SELECT customer_id, '2' FROM contact_methods LIMIT 1$$);
CALL try_referrer($$CREATE TABLE log (method uuid REFERENCES contact_methods ON DELETE CASCADE);
                    ALTER TABLE customers OWNER TO regress_contact_owner; ALTER TABLE contact_methods OWNER TO regress_contact_owner;
                    ALTER TABLE contact_preferences OWNER TO regress_contact_owner;
                    ALTER TABLE contact_history OWNER TO regress_contact_owner;
                    GRANT USAGE, CREATE ON SCHEMA regress_quarantine TO regress_contact_owner;
                    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_contact_owner$$);
-- Rows of nobody, and of history
CALL try_referrer($$CREATE TABLE log (method uuid REFERENCES contact_methods ON DELETE CASCADE); INSERT INTO log VALUES (id(2));
                    DELETE FROM contact_methods WHERE id <> id(2); UPDATE contact_methods SET customer_id = NULL$$);
CALL try_referrer($$ALTER TABLE contact_history DROP CONSTRAINT IF EXISTS contact_history_customer_id_fkey; DELETE FROM contact_methods;
                    INSERT INTO contact_history (id, customer_id, method, type, status) VALUES (id(7), id(99), 'sms', 'call', 'missed');
                    CREATE TABLE log (call uuid REFERENCES contact_history ON DELETE CASCADE); INSERT INTO log VALUES (id(7))$$);

-- clean up
RESET search_path;
DROP SCHEMA regress_quarantine CASCADE;
DROP ROLE regress_contact_app, regress_contact_owner, regress_contact_other;
